"""What of a source becomes a secret, what stays in the manifest, and what is a gap that nobody filled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bootstrap.convert import sources
from bootstrap.convert.conversion import Conversion, Place, convert
from bootstrap.convert.making import NEW, manifest_text
from bootstrap.domain.reference import Reference
from bootstrap.errors import ManifestError
from bootstrap.manifest.loader import load

UUID = "6a1b2c3d-1f2e-4a5b-8c9d-0e1f2a3b4c5d"
RANDOM = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9v"
WITH_SECRETS: dict[str, Any] = {
    "slack_uri": "https://hooks.slack.com%2Fservices%2FT0%2FB0%2FLEAK1",
    "slack_host": {"conn_type": "http", "host": "https://hooks.slack.com/services/T0/B0/LEAK"},
    "slack_schema": {"conn_type": "slackwebhook", "host": "https://hooks.slack.com", "schema": "services/T00/B00/LEAK"},
    "slack_extra": {"conn_type": "http", "extra": {"endpoint": "/services/T00/B00/LEAK"}},
    "discord": {"conn_type": "discord", "host": "https://discord.com/api/webhooks/1/LEAK"},
    "discord_extra": {"conn_type": "discord", "extra": {"webhook_endpoint": "webhooks/1/LEAK"}},
    "teams": {"conn_type": "http", "schema": f"webhookb2/{UUID}@LEAK/IncomingWebhook/x/y"},
    "flow": {"conn_type": "http", "host": "https://prod-1.eu.logic.azure.com/workflows/x/invoke?api-version=1&sig=LEAK"},
    "telegram": {"conn_type": "http", "login": "https://api.telegram.org/bot110201543:LEAKLEAKLEAK/send"},
    "chat": {"conn_type": "http", "host": "https://chat.googleapis.com/v1/spaces/A/messages?key=LEAKa1b2c3d4e5f6g7&token=LEAK"},
    "generic": {"conn_type": "http", "host": f"https://api.example.com/in/{RANDOM}LEAK"},
    "datadog": {"conn_type": "datadog", "extra": {"api_key": "LEAKa", "app_key": "LEAKb"}},
    "pagerduty": {"conn_type": "pagerduty_events", "extra": {"routing_key": "LEAK"}},
    "spark": {"conn_type": "spark", "extra": {"keytab": "LEAK"}},
    "lake": {"conn_type": "databricks", "extra": {"session_configuration": {"fs.azure.account.key": "LEAK"}}},
    "env": {"conn_type": "generic", "extra": {"env": [{"name": "API_TOKEN", "value": "LEAK"}]}},
    "api": {"conn_type": "http", "extra": {"headers": {"x-functions-key": "LEAKa", "X-Custom": "Bearer LEAK12345"}}},
    "deep": {"conn_type": "http", "extra": {"a": [{"b": [{"Ocp-Apim-Subscription-Key": "LEAK"}]}], "jwt": "LEAK"}},
}  # fmt: skip


def made(connections: dict[str, Any], variables: dict[str, Any] | None = None) -> Conversion:
    found = sources.FORMATS["connections"](json.dumps(connections), "source")
    found.variables.update(variables or {})
    assert found.left_out == []
    return convert(found, Place("local"))


@pytest.mark.parametrize("conn_id", WITH_SECRETS)
def test_each_secret_goes_into_the_store_and_none_into_the_manifest(conn_id: str, tmp_path: Path) -> None:
    conversion = made({conn_id: WITH_SECRETS[conn_id]})
    manifest = manifest_text(NEW, conversion, "source")
    assert "LEAK" not in manifest
    assert json.dumps(conversion.secrets).count("LEAK") >= json.dumps(WITH_SECRETS[conn_id]).count("LEAK") > 0
    (tmp_path / "bootstrap.yaml").write_text(manifest)
    assert conn_id in load(tmp_path / "bootstrap.yaml").connections


@pytest.mark.parametrize("conn_id", [name for name in WITH_SECRETS if name != "slack_uri"])
def test_a_manifest_that_holds_such_a_secret_is_refused(conn_id: str, tmp_path: Path) -> None:
    fields = json.dumps({"checks": [], **WITH_SECRETS[conn_id]})
    (tmp_path / "bootstrap.yaml").write_text(f'{{"version": 1, "connections": {{"x": {fields}}}}}')
    with pytest.raises(ManifestError, match="in plain text") as caught:
        load(tmp_path / "bootstrap.yaml")
    assert "LEAK" not in caught.value.message
    assert 'write {secret: "STORE:PATH' in caught.value.message
    assert "--allow-plaintext" in caught.value.message
    assert load(tmp_path / "bootstrap.yaml", allow_plaintext=True).connections


@pytest.mark.parametrize(
    "manifest",
    [
        "airflow: {env: {AIRFLOW__CORE__FERNET_KEY: LEAKabc}}",
        "airflow: {env: {BROKER: 'redis://:LEAK@h'}}",
        "variables: {slack: 'https://hooks.slack.com/services/T0/B0/LEAK'}",
        "variables: {datadog: {app_key: LEAK}}",
        "profiles: {ci: {connections: {x: {password: LEAK}}}}",
        "connections: {x: {conn_type: pagerduty}}\nprofiles: {ci: {connections: {x: {extra: {routing_key: LEAK}}}}}",
        "profiles: {ci: {variables: {api_key: LEAK}, airflow: {env: {}}}}",
        "connections: {x: {conn_type: http, checks: [{http: {path: '/x?access_token=LEAK'}}]}}",
    ],
)
def test_no_other_place_of_a_manifest_takes_one(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_text(f"version: 1\n{manifest}\n")
    with pytest.raises(ManifestError, match="in plain text") as caught:
        load(tmp_path / "bootstrap.yaml")
    assert "LEAK" not in caught.value.message


def test_a_reference_in_a_profile_is_none(tmp_path: Path) -> None:
    """Also of a profile that nobody asked for."""
    extra = '{token: {secret: "local:a#b"}, region: eu}'
    fields = f'{{conn_type: http, password: {{secret: "local:a"}}, extra: {extra}}}'
    profile = f"ci: {{connections: {{x: {fields}}}, variables: {{token: {{secret: local:b}}}}}}"
    (tmp_path / "bootstrap.yaml").write_text(
        f"version: 1\nstores: {{local: {{kind: embedded}}}}\nprofiles: {{{profile}}}\n"
    )
    assert load(tmp_path / "bootstrap.yaml").connections == {}
    assert load(tmp_path / "bootstrap.yaml", profile="ci").connections["x"].password == Reference("local", "a")


def test_what_is_no_secret_stays_in_the_manifest() -> None:
    db = {
        "conn_type": "postgres",
        "host": "postgres",
        "login": "postgres",
        "schema": "postgres",
        "password": "postgres",
    }
    extra = {"private_key_file": "/k.pem", "token_uri": "https://oauth2.googleapis.com/token", "tenant_id": UUID}
    conversion = made({"db": db, "api": {"conn_type": "http", "extra": extra}})
    kept = {"host": "postgres", "login": "postgres", "schema": "postgres"}
    assert kept.items() <= conversion.connections["db"].items()
    assert conversion.connections["api"]["extra"] == extra
    assert conversion.secrets == {"source-connections/db": {"password": "postgres"}}


def test_a_gap_is_named_and_nothing_is_put_into_the_store() -> None:
    extra = {"api_key": "xxx", "region": "<your region>", "a b": {"token": "${TOKEN}"}}
    source = {"conn_type": "http", "host": "<HOST>", "password": "<YOUR PASSWORD HERE>", "extra": extra}
    conversion = made({"x": source}, {"api_token": "changeme"})
    place = "source-connections/x"
    assert conversion.secrets == {}
    assert conversion.unfilled == {
        "connection x: host": None,
        "connection x: password": Reference("local", place, "password"),
        "connection x: extra.api_key": Reference("local", place, "extra.api_key"),
        "connection x: extra.region": None,
        "connection x: extra.a b.token": Reference("local", place, "extra.a_b.token"),
        "variable api_token: value": Reference("local", "source-variables/api_token", "value"),
    }
    assert conversion.connections["x"]["host"] == "<HOST>"
    assert conversion.connections["x"]["password"] == Reference("local", place, "password")


def test_what_fills_a_gap_is_nobody_elses_secret() -> None:
    gap, other = {"conn_type": "http", "password": "xxx"}, {"conn_type": "http", "password": "hunter22"}
    conversion = made(
        {"a.b": gap, "a_b": other, "c": {"conn_type": "http", "extra": {"t token": "xxx", "t_token": "y1"}}}
    )
    references = [conversion.connections[name]["password"] for name in ("a.b", "a_b")]
    assert len(set(references)) == 2
    assert len(set(conversion.connections["c"]["extra"].values())) == 2
