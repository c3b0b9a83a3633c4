"""A URL reads alike on every Python, and what is none is an error that quotes nothing; the table below knows no version."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

import bootstrap
from bootstrap.checks import _http_answer, _http_session, hook, http, s3, spark
from bootstrap.domain import connection
from bootstrap.domain.connection import Connection
from bootstrap.domain.secret_shapes import own_parts
from bootstrap.errors import Malformed
from bootstrap.issuers import aws_access_key, google_service_account_key
from bootstrap.smoke.diagnosis import diagnose
from bootstrap.stores.aws import client as session
from bootstrap.stores.aws import options as aws_options
from bootstrap.stores.vault import options as vault_options
from bootstrap.targets.rest_api import client
from bootstrap.util.urls import BadUrl, checked, host_of, is_here, join, split
from bootstrap.validation import uris

CANARY = "c4n4ry"

# Text: scheme, host, password as it is written in a URL, port, path
GOOD: dict[str, tuple[str, str | None, str | None, int | None, str]] = {
    "postgres://u:a[b]c@host/db": ("postgres", "host", "a%5Bb%5Dc", None, "/db"),
    "postgres://u:a[b@host:5/db": ("postgres", "host", "a%5Bb", 5, "/db"),
    "postgres://u:a]b@host/db": ("postgres", "host", "a%5Db", None, "/db"),
    "postgres://u:[::1]@host/db": ("postgres", "host", "%5B::1%5D", None, "/db"),
    "postgres://[u]:p@[::1]:5/db": ("postgres", "::1", "p", 5, "/db"),
    "postgres://u:a@b[@host/db": ("postgres", "host", "a@b%5B", None, "/db"),
    "//u:[p@h:5": ("", "h", "%5Bp", 5, ""),
    "http://[::1]": ("http", "::1", None, None, ""),
    "http://[::1]:": ("http", "::1", None, None, ""),
    "http://[2001:DB8::1]:80/": ("http", "2001:db8::1", None, 80, "/"),
    "http://[fe80::1%eth0]:1/": ("http", "fe80::1%eth0", None, 1, "/"),
    "http://[v1.x]/": ("http", "v1.x", None, None, "/"),
    "http://h/a[b]?c[]=[d]#[": ("http", "h", None, None, "/a[b]"),
    " http://h/": ("http", "h", None, None, "/"),
    "\x01\thttp://h/": ("http", "h", None, None, "/"),
    "http://h:0/": ("http", "h", None, 0, "/"),
    "h:5": ("h", None, None, None, "5"),
    "[h": ("", None, None, None, "[h"),
    "": ("", None, None, None, ""),
}
BAD = [
    "postgres://u:p@ho[::1]st/db",
    "postgres://ho[::1]st/db",
    "http://[::1]x:5/",
    "http://[::1",
    "http://::1]",
    "http://]::1[",
    "http://[[::1]]",
    "http://[::1][::2]",
    "http://[host]:5",
    "http://[]",
    "http://[1.2.3.4]",
    "http://[v1]",
    "http://[::1]:5a",
    "http://h:x/",
    "http://h:70000",
    "http://h:-1",
    "http://h:+5",
    "http://h: 5",
    "http://h:5_0",
    "http://h:\u0665/",
    "http://u:p\u2100@h/",
    "1a://h:5",
    "a_b://h:5",
    "://h",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_it_reads(text: str) -> None:
    parts = split(text)
    assert (parts.scheme, parts.hostname, parts.password, parts.port, parts.path) == GOOD[text]
    assert host_of(text) == parts.hostname


@pytest.mark.parametrize("text", BAD)
def test_what_it_refuses(text: str) -> None:
    with pytest.raises(BadUrl) as caught:
        split(text.replace("u:p", f"u:{CANARY}"))
    assert CANARY not in str(caught.value)
    assert host_of(text) is None


def test_without_brackets_it_is_the_standard_library() -> None:
    for text in ("https://u:p@h:5/a/b?c=d#e", "mailto:a@b", "/a/b", "?a", "http:///a", "http://u@"):
        assert split(text) == urlsplit(text)


@pytest.mark.parametrize("text", [*BAD, "https:///path", ""])
def test_an_option_that_is_no_url_is_an_error_of_the_manifest(text: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        checked(text)


BAD_ADDRESS = "https://[bad]:5"


@pytest.mark.parametrize(
    ("options", "document"),
    [
        (vault_options.Options, {"kind": "vault", "url": BAD_ADDRESS}),
        (vault_options.Options, {"kind": "vault", "url": "https://h", "proxy": BAD_ADDRESS}),
        (aws_options.AwsOptions, {"region": "eu-west-1", "endpoint_url": BAD_ADDRESS}),
        (
            aws_options.AssumeRoleAuth,
            {"method": "assume_role", "role_arn": "arn:aws:iam::123456789012:role/a", "endpoint_url": BAD_ADDRESS},
        ),
        (client.Options, {"url": BAD_ADDRESS, "login": "u", "password": {"env": "X"}}),
        (aws_access_key.Options, {"issuer": "aws_access_key", "user": "u", "endpoint_url": BAD_ADDRESS}),
        (
            google_service_account_key.Options,
            {"issuer": "google_service_account_key", "account": "a@b", "endpoint": BAD_ADDRESS},
        ),
        (
            google_service_account_key.Options,
            {"issuer": "google_service_account_key", "account": "a@b", "analyzer": BAD_ADDRESS},
        ),
    ],
)
def test_every_address_of_the_manifest_is_looked_at(options: Any, document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="IPv6"):
        options.model_validate(document)
    options.model_validate({key: "https://h:5" if value == BAD_ADDRESS else value for key, value in document.items()})


# Who takes one apart


@pytest.mark.parametrize("text", BAD)
def test_a_connections_uri_is_malformed_and_not_quoted(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        connection.from_text(f"http://{text}".replace("u:p", f"u:{CANARY}"), "team:x")
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"


def test_a_password_with_brackets_is_read_and_told_of() -> None:
    for password in ("a[b]c", "a[b", "]", "[::1]", "a%5Bb]"):
        uri = f"postgres://u:{password}@h:5/s"
        found = Connection("postgres", host="h", login="u", password=password.replace("%5B", "["), port=5, schema="s")
        assert connection.from_text(uri, "team:x") == found
        assert [problem.message for problem in uris.problems(uri) if "bracket" in problem.message]
    assert list(uris.problems("postgres://u:p%5B@[::1]:5/s?a=[b]")) == []


@pytest.mark.parametrize("place", ["h", "[::1]:5", "ho[::1]st", "h:x", "["])
def test_a_password_is_masked_whatever_the_rest_of_the_url_is(place: str) -> None:
    assert f"{CANARY}[1]" in own_parts(f"https://u:{CANARY}[1]@{place}/")
    assert {f"{CANARY}%5B1]", f"{CANARY}[1]"} <= set(own_parts(f"https://u:{CANARY}%5B1]@{place}/"))
    assert f"/{CANARY}?a=[" in own_parts(f"https://{place}/{CANARY}?a=[#x")


def test_no_url_leads_to_this_machine() -> None:
    assert [text for text in BAD if is_here(text)] == []
    assert is_here("http://u:[@127.0.0.1:5")
    pytest.importorskip("botocore")
    assert session.config("http://[bad]").proxies is None


def conn(host: str | None = None, **more: Any) -> Any:
    fields: dict[str, Any] = {"conn_type": "", "host": host, "port": None, "schema": None, "extra_dejson": {}}
    return SimpleNamespace(**{**fields, **more})


@pytest.mark.parametrize("host", ["http://[bad]", "http://h:x", "http://ho[::1]st"])
def test_a_check_of_a_host_that_is_no_url_says_what_to_correct(host: str) -> None:
    with_endpoint = conn(extra_dejson={"endpoint_url": host})
    for module, given in ((http, conn(host)), (hook, with_endpoint), (s3, with_endpoint)):
        with pytest.raises(BadUrl) as caught:
            module.endpoint(given)
        assert diagnose(caught.value, module).name == "secret_malformed"


@pytest.mark.parametrize("host", ["db[1]", "h:x", "[bad]", "C:\\x", "http://[bad]"])
def test_a_hook_may_read_a_host_in_its_own_way(host: str) -> None:
    assert hook.endpoint(conn(host)) is None
    assert spark.endpoint(conn(f"spark://{host}:7077")) is None


def test_a_redirect_to_what_is_no_url_leads_nowhere() -> None:
    assert join("http://h/a", "b") == "http://h/b"
    for location in ("http://[bad]/", "//[bad", "http://h:x/"):
        target = join("http://h/a", location)
        assert not _http_session.same_origin("http://h/a", target)
        assert _http_answer._shown(target) == "a malformed address"
    assert _http_answer._shown(join("http://h/", f"http://u:{CANARY}[@h/x")) == "http://h/x"


def test_nobody_else_takes_a_url_apart() -> None:
    """Nor should they: what the standard library answers depends on the Python."""
    apart = re.compile(r"\b(urlsplit|urlparse|urljoin|parse_url)\b")
    files = Path(bootstrap.__file__).parent.rglob("*.py")
    assert [file.name for file in files if apart.search(file.read_text())] == ["urls.py"]
