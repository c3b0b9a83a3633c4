"""Secrets that nobody told us of, found by where they stand."""

from __future__ import annotations

import pytest

from bootstrap.domain.secret_places import hide


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://airflow:pw@db/a", "postgresql://airflow:***@db/a"),
        ("postgresql://airflow:p/w@x@db/a", "postgresql://airflow:***@db/a"),
        ("redis://:pw@db/0 and amqp://a:b@c", "redis://:***@db/0 and amqp://a:***@c"),
        ("https://t0k3n@github.com/x", "https://***@github.com/x"),
        ("https://sk_live:@api.stripe.com", "https://***:***@api.stripe.com"),
        ("https://t0k3n:x-oauth-basic@github.com", "https://***:***@github.com"),
        ("https://h/?a=1&token=x&b=2", "https://h/?a=1&token=***&b=2"),
        ("https://h/?sv=1&sig=x%2Fy", "https://h/?sv=1&sig=***"),
        ("a://?__extra__=%7B%22password%22", "a://?__extra__=***"),
        ("host=db password=pw user=x", "host=db password=*** user=x"),
        ("Server=db;Password='p w';Uid=x", "Server=db;Password='***';Uid=x"),
        ('{"api_key": "a\\"b", "x": 1}', '{"api_key": "***", "x": 1}'),
        ("Authorization: Bearer abc def", "Authorization: *** def"),
        ("-----BEGIN PRIVATE KEY-----\\nabc\\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----"),
        ("ssh://git@github.com/x", "ssh://git@github.com/x"),
        ("abfss://container@account.dfs/x", "abfss://container@account.dfs/x"),
        ("http://localhost:8080/x?page=1#y", "http://localhost:8080/x?page=1#y"),
        ("private_key_file = /etc/key.pem", "private_key_file = /etc/key.pem"),
        ("no secret here, user=x", "no secret here, user=x"),
    ],
)  # fmt: skip
def test_only_the_secret_is_hidden(text: str, hidden: str) -> None:
    assert hide(text) == hidden


def test_names_that_are_a_secret_here() -> None:
    assert hide("x dsn=abc", {"dsn"}) == "x dsn=***"
