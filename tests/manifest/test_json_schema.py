"""The manifest's JSON Schema, held against the manifests that the tool itself takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # types-jsonschema is not installed

from bootstrap import plugins
from bootstrap.errors import ManifestError
from bootstrap.manifest.json_schema import generated, schema
from bootstrap.manifest.loader import load
from bootstrap.util.yaml_document import parse
from tests.project import ROOT

EXAMPLES = Path(__file__).parents[2] / "examples"

SAMPLES = {
    "least": "version: 1",
    "every store": """
version: 1
stores:
  local: {kind: embedded}
  team: {kind: vault, url: "https://vault.example.com", mount: airflow, kv_version: 1}
  role:
    kind: vault
    url: https://vault.example.com
    auth: {method: approle, role_id: r, secret_id: {env: VAULT_SECRET_ID}, mount: roles}
  token: {kind: vault, url: "https://vault.example.com", auth: {method: token, token: {file: token}}}
  ci: {kind: env, prefix: CI_}
  shared: {kind: file, path: secrets.yaml}
backend: {store: team, connections: connections, variables: null, config: config}
register: [backend]
""",
    "every field": """
version: 1
airflow: {home: .airflow, env: {A: "1"}, dags: dags}
stores:
  ci: {kind: env}
connections:
  parts:
    conn_type: postgres
    description: the warehouse
    host: {secret: "ci:A#host"}
    port: {secret: "ci:A#port"}
    schema: analytics
    login: etl
    password: {secret: "ci:A"}
    extra: {sslmode: require, nested: [{a: {secret: "ci:B"}}]}
    checks: [postgres, {postgres: {table: orders}}, {http: {path: v1, contains: ok, method: HEAD}}, hook]
  whole: {from: {secret: "ci:C"}, checks: []}
profiles:
  ci: {stores: {ci: {prefix: CI_}}}
""",
    "every issuer": """
version: 1
airflow: {fernet_key: {every: 180d, grace: 48h}}
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
backend:
  store: team
  rotate: {issuer: vault_approle_secret_id, store: team, role: airflow, keep: {secret: "team:a#secret_id"}, every: 90d}
connections:
  aws:
    from: {secret: "team:aws"}
    rotate: {issuer: aws_access_key, user: etl, admin: {secret: "team:admin"}, every: 90d, grace: 48h, settle: 2m}
  google:
    from: {secret: "team:google"}
    rotate: {issuer: google_service_account_key, account: etl@project.iam.gserviceaccount.com, grace: 1w}
  postgres:
    from: {secret: "team:postgres"}
    rotate: {issuer: postgres_password, users: [etl_a, etl_b], admin: {secret: "team:admin"}}
  one_role:
    from: {secret: "team:one_role"}
    rotate: {issuer: postgres_password, user: etl, overlap: none, admin: {secret: "team:admin"}}
  approle:
    from: {secret: "team:approle"}
    rotate: {issuer: vault_approle_secret_id, store: team, role: airflow, mount: roles}
  token:
    from: {secret: "team:token"}
    rotate: {issuer: vault_token, store: team, role: airflow, ttl: 30d}
  webhook:
    from: {secret: "team:webhook"}
    rotate: {issuer: random, push: [./install, webhook], field: extra.token, length: 64, timeout: 5s}
  other:
    from: {secret: "team:other"}
    rotate: {issuer: command, run: [./keys], fields: [login, password], account: other}
""",
}

ROTATED = "version: 1\nstores: {a: {kind: embedded}}\nconnections:\n  c:\n    from: {secret: 'a:b'}\n    rotate: "
OWN = "version: 1\nstores: {a: {kind: embedded}}\nbackend: {store: a, rotate: "
MISTAKES = {
    "no version": "stores: {}",
    "another version": "version: 2",
    "an unknown section": "version: 1\nconection: {}",
    "an unknown kind of store": "version: 1\nstores: {a: {kind: valt}}",
    "a store without a kind": "version: 1\nstores: {a: {}}",
    "an unknown option of a store": "version: 1\nstores: {a: {kind: env, prefx: A}}",
    "an option of another kind": "version: 1\nstores: {a: {kind: env, url: 'http://h'}}",
    "an unknown option of a log-in": "version: 1\nstores: {a: {kind: vault, url: 'http://h', auth: {method: token, tokn: {env: A}}}}",
    "a token in plain text": "version: 1\nstores: {a: {kind: vault, url: 'http://h', auth: {method: token, token: abc}}}",
    "an unknown target": "version: 1\nregister: [bakend]",
    "an unknown key of the backend": "version: 1\nstores: {a: {kind: embedded}}\nbackend: {store: a, conections: c}",
    "an unknown field": "version: 1\nconnections: {a: {conn_type: http, hots: h}}",
    "a port that is none": "version: 1\nconnections: {a: {conn_type: http, port: 70000}}",
    "a login that is a number": "version: 1\nconnections: {a: {conn_type: http, login: 123}}",
    "an unknown key in a reference": "version: 1\nconnections: {a: {conn_type: http, password: {secert: 'a:b'}}}",
    "an unknown check": "version: 1\nconnections: {a: {conn_type: http, checks: [htpp]}}",
    "two checks in one item": "version: 1\nconnections: {a: {conn_type: http, checks: [{http: {}, hook: {}}]}}",
    "an unknown parameter": "version: 1\nconnections: {a: {conn_type: http, checks: [{http: {pth: x}}]}}",
    "an unknown issuer": f"{ROTATED}{{issuer: randm, push: [x]}}",
    "a rotation without an issuer": f"{ROTATED}{{every: 90d}}",
    "a rotation without what its issuer needs": f"{ROTATED}{{issuer: random}}",
    "an option of another issuer": f"{ROTATED}{{issuer: random, push: [x], role: r}}",
    "a span of time without a unit": f"{ROTATED}{{issuer: random, push: [x], every: 90}}",
    "an admin in plain text": f"{ROTATED}{{issuer: aws_access_key, user: u, admin: abc}}",
    "a place to keep a connection's key": f"{ROTATED}{{issuer: random, push: [x], keep: {{secret: 'a:b'}}}}",
    "Airflow's own key without a place": f"{OWN}{{issuer: vault_approle_secret_id, store: a, role: r}}}}",
    "Airflow's own key without an issuer": f"{OWN}{{keep: {{secret: 'a:b'}}}}}}",
    "a parameter of another type": "version: 1\nconnections: {a: {conn_type: http, checks: [{http: {path: 5}}]}}",
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def read(text: str) -> Any:
    return parse(text, Path("bootstrap.yaml")).data


def test_it_is_a_json_schema_of_the_draft_it_names() -> None:
    document = json.loads(generated())
    assert document["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(document)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/bootstrap.yaml")), ids=lambda file: file.parent.name)
def test_it_takes_every_example(validator: Draft202012Validator, file: Path) -> None:
    assert [error.message for error in validator.iter_errors(read(file.read_text()))] == []


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_it_takes_what_the_tool_takes(validator: Draft202012Validator, tmp_path: Path, text: str) -> None:
    (tmp_path / "bootstrap.yaml").write_text(text)
    load(tmp_path / "bootstrap.yaml")
    assert [error.message for error in validator.iter_errors(read(text))] == []


@pytest.mark.parametrize("text", MISTAKES.values(), ids=MISTAKES)
def test_it_refuses_what_the_tool_refuses(validator: Draft202012Validator, tmp_path: Path, text: str) -> None:
    (tmp_path / "bootstrap.yaml").write_text(text)
    with pytest.raises(ManifestError):
        load(tmp_path / "bootstrap.yaml")
    assert not validator.is_valid(read(text))


def test_it_knows_every_kind_of_store_check_target_and_issuer() -> None:
    text = generated()
    names = [*plugins.STORES.names(), *plugins.CHECKS.names(), *plugins.TARGETS.names(), *plugins.ISSUERS.names()]
    assert [name for name in names if json.dumps(name) not in text] == []


def test_every_store_and_check_says_what_it_is() -> None:
    definitions = schema()["$defs"].values()
    assert [model["title"] for model in definitions if not model.get("description")] == []


def test_the_shipped_schema_is_the_generated_one() -> None:
    shipped = ROOT / "templates" / "bootstrap.schema.json"
    assert shipped.read_text() == generated(), "run `make schema`"
