"""bootstrap.yaml: what is taken, and what is said of each mistake and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bootstrap import plugins
from bootstrap.domain.reference import Reference
from bootstrap.errors import Exit, ManifestError, UsageError
from bootstrap.manifest.field_types import Command
from bootstrap.manifest.loader import Manifest, load
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault.options import AppRoleAuth, TokenAuth

CANARY = "canary-7f3a"
SHAPE = '{secret: "STORE:PATH[#FIELD][@VERSION]"}'
DESIGN = """
version: 1
airflow:
  home: .airflow
  env: {STORAGE_EMULATOR_HOST: "http://127.0.0.1:4443"}
  dags: dags

stores:
  local: {kind: embedded}
  team:
    kind: vault
    url: https://vault.example.com
    mount: airflow
    auth: {method: approle, role_id: 1b2c, secret_id: {env: VAULT_SECRET_ID}}
  prod: {kind: file, path: secrets.yaml}
  ci: {kind: env}

backend:
  store: team
  connections: connections
  variables: variables
  config: config

register: [backend]

connections:
  warehouse:
    conn_type: postgres
    host: db.internal
    port: 5432
    schema: analytics
    login: {secret: "team:databases/warehouse#username"}
    password: {secret: "team:databases/warehouse#password"}
    extra: {sslmode: require}
    checks: [postgres]
  google_cloud_default:
    conn_type: google_cloud_platform
    extra:
      project: my-project
      keyfile_dict: {secret: "prod:airflow-service-key"}
  orders_api:
    from: {secret: "team:connections/orders_api"}

profiles:
  ci: {stores: {team: {auth: {method: token}}}}
"""


def read(folder: Path, text: str, **options: Any) -> Manifest:
    file = folder / "bootstrap.yaml"
    file.write_text(text)
    return load(file, **options)


def mistakes(folder: Path, text: str, **options: Any) -> list[str]:
    """What is said of a manifest, line by line, each as LINE:COLUMN: MESSAGE."""
    with pytest.raises(ManifestError) as caught:
        read(folder, text, **options)
    assert caught.value.exit_code == Exit.USAGE
    found = caught.value.message.splitlines()
    return [line.removeprefix(f"{folder}/bootstrap.yaml:") for line in found if line.startswith(str(folder))]


# What is taken


def test_the_manifest_of_the_design_is_taken_whole(tmp_path: Path) -> None:
    manifest = read(tmp_path, DESIGN)
    assert manifest.folder == tmp_path
    assert manifest.airflow.home == ".airflow"
    assert manifest.airflow.env == {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:4443"}
    assert {name: spec.kind for name, spec in manifest.stores.items()} == {
        "local": "embedded",
        "team": "vault",
        "prod": "file",
        "ci": "env",
    }
    assert manifest.backend is not None
    assert manifest.backend.store == "team"
    assert [target.name for target in manifest.register] == ["backend"]
    assert list(manifest.connections) == ["warehouse", "google_cloud_default", "orders_api"]


def test_a_reference_is_read_wherever_a_value_may_stand(tmp_path: Path) -> None:
    connections = read(tmp_path, DESIGN).connections
    warehouse, google = connections["warehouse"], connections["google_cloud_default"]
    assert warehouse.password == Reference("team", "databases/warehouse", "password")
    assert warehouse.port == 5432
    assert warehouse.field("schema") == "analytics"
    assert google.extra == {"project": "my-project", "keyfile_dict": Reference("prod", "airflow-service-key")}
    assert connections["orders_api"].from_ == Reference("team", "connections/orders_api")


@pytest.mark.parametrize("port", [1, 65535])
def test_the_first_and_the_last_port_are_ports(tmp_path: Path, port: int) -> None:
    assert (
        read(tmp_path, f"version: 1\nconnections: {{a: {{conn_type: http, port: {port}}}}}").connections["a"].port
        == port
    )


def test_a_manifest_of_one_line_registers_nothing(tmp_path: Path) -> None:
    manifest = read(tmp_path, "version: 1")
    assert (manifest.register, manifest.backend, manifest.connections) == ((), None, {})


def test_a_manifest_can_not_be_changed(tmp_path: Path) -> None:
    manifest = read(tmp_path, DESIGN)
    with pytest.raises(ValueError, match="frozen"):
        manifest.connections["warehouse"].host = "elsewhere"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    ("connection", "checks"),
    [
        ("{conn_type: postgres}", [("a.postgres", "postgres")]),
        ("{conn_type: http}", [("a.http", "http")]),
        ("{conn_type: ftp}", [("a.hook", "hook")]),
        ('{from: {secret: "ci:A"}}', [("a.hook", "hook")]),
        ('{from: {secret: "ci:A"}, conn_type: postgres}', [("a.postgres", "postgres")]),
        ("{conn_type: postgres, checks: []}", []),
        ("{conn_type: postgres, checks: [hook, postgres]}", [("a.hook", "hook"), ("a.postgres", "postgres")]),
        (
            "{conn_type: http, checks: [http, {http: {path: b}}, hook, {http: }]}",
            [("a.http", "http"), ("a.http-2", "http"), ("a.hook", "hook"), ("a.http-3", "http")],
        ),
    ],
)
def test_a_connection_has_the_checks_it_names_or_those_its_type_suggests(
    tmp_path: Path, connection: str, checks: list[tuple[str, str]]
) -> None:
    manifest = read(tmp_path, f"version: 1\nstores: {{ci: {{kind: env}}}}\nconnections: {{a: {connection}}}")
    assert [(check.id, check.name) for check in manifest.checks["a"]] == checks


def test_a_check_has_its_parameters(tmp_path: Path) -> None:
    text = "version: 1\nconnections: {a: {conn_type: postgres, checks: [postgres, {postgres: {table: orders}}]}}"
    assert [dict(check.params)["table"] for check in read(tmp_path, text).checks["a"]] == [None, "orders"]


# The file itself


def test_a_missing_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no manifest") as caught:
        load(tmp_path / "bootstrap.yaml")
    assert caught.value.hint == "airflow-bootstrap init writes one; or name another with -f FILE"


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.yaml").write_bytes(b"version: 1\n# \xff\n")
    with pytest.raises(ManifestError, match=r"bootstrap\.yaml:2:3: not text in UTF-8"):
        load(tmp_path / "bootstrap.yaml")


@pytest.mark.parametrize("text", ["", "- a\n", "bootstrap\n"])
def test_a_file_that_is_no_mapping_is_an_error_with_a_place(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text) == ["1:1: a manifest is a mapping that begins with `version: 1`"]


# Mistakes and their places

CONNECTION = """version: 1
stores: {ci: {kind: env}}
connections:
  warehouse:
    conn_type: postgres
    """
VAULT = """version: 1
stores:
  team:
    kind: vault
    url: https://vault.example.com
    """
KINDS = f"there are: {', '.join(plugins.STORES.names())}"
CHECKS = f"there are: {', '.join(plugins.CHECKS.names())}"
ISSUERS = f"there are: {', '.join(plugins.ISSUERS.names())}"
ROTATED = """version: 1
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
connections:
  warehouse:
    conn_type: postgres
    login: {secret: "team:warehouse#username"}
    password: {secret: "team:warehouse#password"}
    rotate: """
OWN = """version: 1
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
backend:
  store: team
  rotate: """
POSTGRES = "{issuer: postgres_password, users: [a, b], admin: {secret: 'team:admin'}"
APPROLE = "{issuer: vault_approle_secret_id, store: team, role: airflow"
ONE_STEP = "(keep it in fields of one secret, so that it changes in one step)"
DURATION = "expected a number and a unit: 30s, 15m, 48h, 90d or 2w"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stores: {}", "1:1: the key 'version' is missing"),
        ("# ours\nversion: 2", "2:1: expected 1"),
        ("version: '1'", "1:1: expected 1"),
        ("version: 1\nconection: {}", "2:1: unknown key 'conection' (did you mean 'connections'?)"),
        ("version: 1\nversion: 1", "2:1: the key 'version' appears twice"),
        ("version: 1\nstores: []", "2:1: expected a mapping"),
        ("version: 1\nairflow: {hom: x}", "2:11: unknown key 'hom' (did you mean 'home'?)"),
        ("version: 1\nairflow: {env: {A: 1}}", "2:17: expected a valid string"),
    ],
)
def test_a_mistake_at_the_top_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert mistakes(tmp_path, text) == [message]


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("{kind: valt}", "3:7: unknown kind of store 'valt' (did you mean 'vault'?)"),
        ("{kind: xyz}", f"3:7: unknown kind of store 'xyz' ({KINDS})"),
        ("{kind: [vault]}", f"3:7: expected a kind of store ({KINDS})"),
        ("{knd: vault}", f"3:3: expected a kind of store ({KINDS})"),
        ("vault", f"3:3: expected a kind of store ({KINDS})"),
        ("{kind: env, prefx: A}", "3:18: unknown key 'prefx' (did you mean 'prefix'?)"),
        ("{kind: file}", "3:3: the key 'path' is missing"),
        ("{kind: embedded, url: u}", "3:23: unknown key 'url' (there are: kind)"),
    ],
)
def test_a_mistake_in_a_store_has_its_place(tmp_path: Path, store: str, message: str) -> None:
    assert mistakes(tmp_path, f"version: 1\nstores:\n  a: {store}") == [message]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("mont: airflow", "6:5: unknown key 'mont' (did you mean 'mount'?)"),
        ("kv_version: 3", "6:5: expected 1 or 2"),
        ("auth: {method: aprole}", "6:12: unknown method 'aprole' (did you mean 'approle'?)"),
        ("auth: {role_id: r}", "6:5: the key 'method' is missing"),
        ("auth: {method: token, tokn: {env: A}}", "6:27: unknown key 'tokn' (did you mean 'token'?)"),
        ("auth: {method: approle, secret_id: {env: A}}", "6:5: the key 'role_id' is missing"),
        ("auth: {method: token, token: {envv: A, file: B}}", "6:35: unknown key 'envv' (did you mean 'env'?)"),
        ("auth: {method: token, token: {env: A, file: B}}", "6:27: expected one of {env: NAME} or {file: PATH}"),
    ],
)
def test_a_mistake_in_a_stores_options_has_its_place(tmp_path: Path, option: str, message: str) -> None:
    assert mistakes(tmp_path, VAULT + option) == [message]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("hots: db", "6:5: unknown key 'hots' (did you mean 'host'?)"),
        ("schma: s", "6:5: unknown key 'schma' (did you mean 'schema'?)"),
        ("schema: {secret: 'c:A'}", "6:5: unknown store 'c' (did you mean 'ci'?)"),
        ("login: 00123", f"6:5: expected text in quotes, or {SHAPE}"),
        ("login: yes", "6:12: yes: text to YAML 1.2, and true to YAML 1.1"),
        ("port: '5432'", f"6:5: expected a number from 1 to 65535, or {SHAPE}"),
        ("port: 0", f"6:5: expected a number from 1 to 65535, or {SHAPE}"),
        ("port: 70000", f"6:5: expected a number from 1 to 65535, or {SHAPE}"),
        ("port: true", f"6:5: expected a number from 1 to 65535, or {SHAPE}"),
        ("extra: [1]", "6:5: expected a mapping"),
        ("password: {secert: 'ci:A'}", f"6:5: expected {SHAPE}"),
        ("password: {secret: 'ci:A', field: b}", f"6:5: expected {SHAPE}"),
        ("password: {secret: 5}", f"6:5: expected {SHAPE}"),
        ("password: {secret: 'c:A'}", "6:5: unknown store 'c' (did you mean 'ci'?)"),
        ("extra: {a: [1, {b: {secret: 'xyz:A'}}]}", "6:21: unknown store 'xyz' (there are: ci)"),
        ("checks: [htpp]", "6:14: unknown check 'htpp' (did you mean 'http'?)"),
        ("checks: [hook, xyz]", f"6:20: unknown check 'xyz' ({CHECKS})"),
        ("checks: [{http: {pth: x}}]", "6:22: unknown key 'pth' (did you mean 'path'?)"),
        ("checks: [{http: {}, hook: {}}]", f"6:14: expected a check ({CHECKS})"),
        ("checks: [5]", f"6:14: expected a check ({CHECKS})"),
        ("checks: http", "6:5: expected a valid list"),
        (
            "checks: [{gcs_to_s3: {bucket: b, to: {connection: warehous, bucket: c}}}]",
            "6:15: unknown connection 'warehous' (did you mean 'warehouse'?)",
        ),
        ("host: db\n    host: db2", "7:5: the key 'host' appears twice"),
    ],
)
def test_a_mistake_in_a_connection_has_its_place(tmp_path: Path, field: str, message: str) -> None:
    assert mistakes(tmp_path, CONNECTION + field) == [message]


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("a: {host: h}", "4:3: expected a conn_type (postgres, http, google_cloud_platform, …), or `from`"),
        ("a:", "4:3: expected a mapping"),
        ("a: http", "4:3: expected a mapping"),
        ("a b: {conn_type: http}", "4:3: String should match pattern '^[A-Za-z0-9_.-]+$'"),
        ("a: {conn_type: Http}", "4:7: String should match pattern '^[a-z0-9_]+$'"),
        ("5: {conn_type: http}", "4:3: a key must be text"),
        (
            'a: {from: {secret: "ci:A"}, host: h, extra: {b: c}}',
            "4:3: `from` brings the whole connection; leave out host, extra",
        ),
        ("a: {from: 'ci:A'}", f"4:7: expected {SHAPE}"),
        ("a: {from: 5}", f"4:7: expected {SHAPE}"),
    ],
)
def test_a_mistake_in_what_a_connection_is_has_its_place(tmp_path: Path, connection: str, message: str) -> None:
    text = f"version: 1\nstores: {{ci: {{kind: env}}}}\nconnections:\n  {connection}"
    assert mistakes(tmp_path, text) == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backend: {store: c}", "3:11: unknown store 'c' (did you mean 'ci'?)"),
        (
            "backend: {store: ci}",
            "3:11: Airflow has no secrets backend for a store of kind 'env' (name a store of another kind)",
        ),
        ("backend: {store: ci, conections: c}", "3:22: unknown key 'conections' (did you mean 'connections'?)"),
        ("register: [bakend]", "3:12: unknown target 'bakend' (did you mean 'backend'?)"),
        ("register: [backend]", "3:1: `backend` is a target, and the manifest has no `backend:` with a store"),
        ("register: backend", "3:1: expected a valid list"),
    ],
)
def test_a_mistake_in_where_connections_go_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert mistakes(tmp_path, f"version: 1\nstores: {{ci: {{kind: env}}}}\n{text}") == [message]


@pytest.mark.parametrize(
    ("rotate", "message"),
    [
        ("{issuer: postgres_passwrd}", "8:14: unknown issuer 'postgres_passwrd' (did you mean 'postgres_password'?)"),
        ("{issuer: xyz}", f"8:14: unknown issuer 'xyz' ({ISSUERS})"),
        ("{issuer: [random]}", f"8:14: expected an issuer ({ISSUERS})"),
        ("{every: 90d}", f"8:5: expected an issuer ({ISSUERS})"),
        ("postgres_password", f"8:5: expected an issuer ({ISSUERS})"),
        (f"{POSTGRES}, evry: 90d}}", "8:87: unknown key 'evry' (did you mean 'every'?)"),
        (f"{POSTGRES}, every: 90}}", f"8:87: {DURATION}"),
        (f"{POSTGRES}, grace: 2 days}}", f"8:87: {DURATION}"),
        ("{issuer: postgres_password, users: [a, b]}", "8:5: the key 'admin' is missing"),
        (POSTGRES.replace("team", "taem") + "}", "8:56: unknown store 'taem' (did you mean 'team'?)"),
        (APPROLE.replace("team", "taem") + "}", "8:47: unknown store 'taem' (did you mean 'team'?)"),
        ("{issuer: random, push: install}", "8:30: expected a valid list"),
    ],
)
def test_a_mistake_in_how_a_key_is_rotated_has_its_place(tmp_path: Path, rotate: str, message: str) -> None:
    assert mistakes(tmp_path, ROTATED + rotate) == [message]


@pytest.mark.parametrize(
    ("said", "instead", "message"),
    [
        (
            '{secret: "team:warehouse#username"}',
            "etl_a",
            'login changes with each rotation, and is no secret of a store (keep it in one: {secret: "STORE:PATH#login"})',
        ),
        (
            "team:warehouse#username",
            "team:users#username",
            f"its key is in several secrets: team:users#username, team:warehouse#password {ONE_STEP}",
        ),
        (
            "team:warehouse#password",
            "team:warehouse#password@3",
            "team:warehouse#password@3 names a version, which a new key would not change (leave out the @VERSION)",
        ),
    ],
)
def test_a_key_that_could_not_be_replaced_is_told_of(tmp_path: Path, said: str, instead: str, message: str) -> None:
    text = f"{ROTATED}{POSTGRES}}}".replace(said, instead)
    assert mistakes(tmp_path, text) == [f"8:5: connections.warehouse: {message}"]


def test_a_secret_is_rotated_by_one_connection_alone(tmp_path: Path) -> None:
    first = f"{ROTATED}{POSTGRES}}}"
    second = first[first.index("  warehouse:") :].replace("  warehouse:", "  reports:")
    found = mistakes(tmp_path, f"{first}\n{second}")
    assert len(found) == 1
    assert "its key is team:warehouse, which warehouse rotates already" in found[0]


def test_a_login_may_stand_in_the_manifest_where_only_the_password_changes(tmp_path: Path) -> None:
    text = ROTATED.replace('{secret: "team:warehouse#username"}', "etl") + "{issuer: random, push: [./install]}"
    assert read(tmp_path, text).rotations["warehouse"].issuer == "random"


@pytest.mark.parametrize("rotate", ["{issuer: postgres_password, users: [a, b], admin: CANARY}", "CANARY", "[CANARY]"])
def test_a_secret_that_is_put_into_a_rotation_is_not_echoed(tmp_path: Path, rotate: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, ROTATED + rotate.replace("CANARY", f"postgres://admin:{CANARY}@db"))
    assert CANARY not in f"{caught.value} {caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("rotate", "message"),
    [
        (f"{APPROLE}}}", "5:3: the key 'keep' is missing"),
        (f"{APPROLE}, keep: 5}}", f"5:73: expected {SHAPE}"),
        (f"{APPROLE}, keep: {{secret: 'taem:a'}}}}", "5:73: unknown store 'taem' (did you mean 'team'?)"),
        (
            f"{APPROLE}, keep: {{secret: 'team:a@3'}}}}",
            "5:73: team:a@3 names a version, which a new key would not change (leave out the @VERSION)",
        ),
        ("{keep: {secret: 'team:a'}}", f"5:3: expected an issuer ({ISSUERS})"),
        ("[]", f"5:3: expected an issuer ({ISSUERS})"),
    ],
)
def test_a_mistake_in_how_airflows_own_key_is_rotated_has_its_place(tmp_path: Path, rotate: str, message: str) -> None:
    assert mistakes(tmp_path, OWN + rotate) == [message]


def test_a_backend_in_a_store_with_a_mistake_is_no_second_mistake(tmp_path: Path) -> None:
    text = "version: 1\nstores: {team: {kind: valt}}\nbackend: {store: team}"
    assert mistakes(tmp_path, text) == ["2:17: unknown kind of store 'valt' (did you mean 'vault'?)"]


def test_every_mistake_is_told_at_once_in_the_files_order(tmp_path: Path) -> None:
    text = """version: 1
register: [api]
connections:
  a: {conn_type: http, hots: h, login: 1}
  b: {conn_type: http, checks: [htpp]}
  c: {conn_type: http, password: {secret: "ci:A"}}
  d: {conn_type: http, password: plain}
stores:
  ci: {kind: env}
  team: {kind: valt}
airflo: {}
"""
    found = mistakes(tmp_path, text)
    places = [line.split(": ")[0] for line in found]
    assert places == ["2:12", "4:24", "4:33", "5:33", "7:24", "10:10", "11:1"]


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read(
            tmp_path,
            "version: 1\nstores: {a: {kind: valt}}\nconnections: {b: {conn_type: http, host: {secret: 'a:x'}}}",
        )
    first, *rest = caught.value.message.splitlines()
    assert first == "a mistake in the manifest:"
    assert len(rest) == 1


# Secrets in the manifest

PLAIN = [
    f"password: {CANARY}",
    f"password: '{CANARY}:a'",
    f"extra: {{token: {CANARY}}}",
    f"extra: {{a: {{api_key: {CANARY}}}}}",
    f"extra: {{keyfile_dict: {{type: {CANARY}}}}}",
    f"extra: {{tokens: [{CANARY}]}}",
    f"extra: {{accounts: [{{password: {CANARY}}}]}}",
]


@pytest.mark.parametrize("field", PLAIN)
def test_a_secret_in_plain_text_is_refused_and_not_echoed(tmp_path: Path, field: str) -> None:
    with pytest.raises(ManifestError, match="is a secret in plain text") as caught:
        read(tmp_path, CONNECTION + field)
    assert CANARY not in f"{caught.value} {caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("field", PLAIN)
def test_a_throw_away_manifest_may_hold_secrets(tmp_path: Path, field: str) -> None:
    assert "warehouse" in read(tmp_path, CONNECTION + field, allow_plaintext=True).connections


@pytest.mark.parametrize(
    ("field", "place"),
    [
        (f"password: {CANARY}", "6:5: password"),
        (f"extra: {{a: {{token: {CANARY}}}}}", "6:17: token"),
        (f"extra: {{tokens: [x, {CANARY}]}}", "6:25: tokens"),
    ],
)
def test_a_secret_in_plain_text_has_its_place(tmp_path: Path, field: str, place: str) -> None:
    message = f"{place} is a secret in plain text (write {SHAPE} (or use --allow-plaintext))"
    assert message in mistakes(tmp_path, CONNECTION + field)


@pytest.mark.parametrize("auth", ["method: token, token: ", "method: approle, role_id: r, secret_id: "])
def test_a_stores_credential_in_plain_text_is_refused_and_not_echoed(tmp_path: Path, auth: str) -> None:
    column = 12 + auth.rindex(", ") + 2
    (message,) = mistakes(tmp_path, f"{VAULT}auth: {{{auth}{CANARY}}}")
    assert message.startswith(f"6:{column}: a credential in plain text; write {{env: NAME}} or {{file: PATH}}")
    assert CANARY not in message


def test_a_throw_away_manifest_may_hold_a_stores_credential(tmp_path: Path) -> None:
    manifest = read(tmp_path, f"{VAULT}auth: {{method: token, token: {CANARY}}}", allow_plaintext=True)
    auth = manifest.stores["team"].options.auth
    assert auth.token.read("team", tmp_path).reveal() == CANARY
    assert CANARY not in repr(auth)


@pytest.mark.parametrize(
    "text",
    [
        f"password: {{secret: {CANARY}}}",
        f"password: [{CANARY}]",
        f"password: {{value: {CANARY}}}",
        f"password: !{CANARY}",
        f'password: "{CANARY}\\q"',
        f"password: {{{{ {CANARY} }}}}",
        f"from: {CANARY}",
        f"extra: {CANARY}",
        f"port: {CANARY}",
        f"extra: {{secret: {CANARY}}}",
    ],
)
def test_a_secret_that_is_put_wrongly_is_not_echoed_either(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, CONNECTION + text, allow_plaintext=True)
    assert CANARY not in f"{caught.value} {caught.value.message} {caught.value.hint}"


def test_an_empty_password_and_a_password_that_is_none_are_no_secrets(tmp_path: Path) -> None:
    assert read(tmp_path, CONNECTION + 'password: ""').connections["warehouse"].password == ""
    assert read(tmp_path, CONNECTION + "password:").connections["warehouse"].password is None


# Profiles

PROFILES = """version: 1
stores:
  team:
    kind: vault
    url: https://vault.example.com
    mount: airflow
    auth: {method: approle, role_id: r, secret_id: {env: A}}
connections:
  api:
    conn_type: http
    host: api.internal
    password: {secret: "team:api#password"}
    extra: {timeout: 5}
profiles:
"""


def with_profile(folder: Path, profile: str) -> Manifest:
    return read(folder, f"{PROFILES}  ci: {profile}\n", profile="ci")


def test_a_profile_that_is_not_asked_for_changes_nothing(tmp_path: Path) -> None:
    manifest = read(tmp_path, f"{PROFILES}  ci: {{connections: {{api: {{host: other}}}}}}")
    assert manifest.profile is None
    assert manifest.connections["api"].host == "api.internal"


def test_a_profile_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    manifest = with_profile(tmp_path, "{connections: {api: {host: localhost, extra: {verify: false}}}}")
    api = manifest.connections["api"]
    assert manifest.profile == "ci"
    assert (api.host, api.extra) == ("localhost", {"timeout": 5, "verify": False})
    assert api.password == Reference("team", "api", "password")


def test_a_profile_adds_what_was_not_there(tmp_path: Path) -> None:
    manifest = with_profile(tmp_path, "{connections: {other: {conn_type: http}}, backend: {store: team}}")
    assert list(manifest.connections) == ["api", "other"]
    assert [target.name for target in manifest.register] == ["backend"]


def test_another_method_of_a_profile_replaces_the_methods_options(tmp_path: Path) -> None:
    options = with_profile(tmp_path, "{stores: {team: {auth: {method: token}}}}").stores["team"].options
    assert isinstance(options.auth, TokenAuth)
    assert options.mount == "airflow"


def test_the_same_method_of_a_profile_keeps_the_methods_options(tmp_path: Path) -> None:
    options = with_profile(tmp_path, "{stores: {team: {auth: {method: approle, role_id: q}}}}").stores["team"].options
    assert options.auth == AppRoleAuth(method="approle", role_id="q", secret_id=Credential(env="A"))


def test_another_kind_of_a_profile_replaces_the_store(tmp_path: Path) -> None:
    manifest = with_profile(tmp_path, "{stores: {team: {kind: env, prefix: CI_}}}")
    assert manifest.stores["team"].kind == "env"
    assert manifest.stores["team"].options.prefix == "CI_"


def test_a_reference_of_a_profile_replaces_the_value(tmp_path: Path) -> None:
    profile = '{connections: {api: {host: {secret: "team:api#host"}, extra: {timeout: {secret: "team:api#t"}}}}}'
    api = with_profile(tmp_path, profile).connections["api"]
    assert api.host == Reference("team", "api", "host")
    assert api.extra == {"timeout": Reference("team", "api", "t")}


def test_a_whole_connection_of_a_profile_replaces_the_parts(tmp_path: Path) -> None:
    api = with_profile(tmp_path, '{connections: {api: {from: {secret: "team:whole"}}}}').connections["api"]
    assert (api.from_, api.host) == (Reference("team", "whole"), None)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("{connections: {api: {hots: h}}}", "15:28: unknown key 'hots' (did you mean 'host'?)"),
        ("{connections: {api: {login: 00123}}}", f"15:28: expected text in quotes, or {SHAPE}"),
        ("{stores: {team: {mount: 5}}}", "15:24: expected a valid string"),
        ("{stores: {team: {kind: vault, mount: ''}}}", "15:37: String should have at least 1 character"),
        ("{stores: {team: {kind: valt}}}", "15:24: unknown kind of store 'valt' (did you mean 'vault'?)"),
        (
            "{connections: {api: {conn_type: http}}, airflo: {}}",
            "15:47: unknown key 'airflo' (did you mean 'airflow'?)",
        ),
        ("{connections: {api: {checks: [hook, htpp]}}}", "15:43: unknown check 'htpp' (did you mean 'http'?)"),
        ("{connections: null}", "15:8: expected a mapping"),
        ("", "15:3: expected a mapping"),
        ("[connections]", "15:3: expected a mapping"),
    ],
)
def test_a_mistake_in_a_profile_has_its_place_in_the_profile(tmp_path: Path, profile: str, message: str) -> None:
    assert mistakes(tmp_path, f"{PROFILES}  ci: {profile}\n", profile="ci") == [message]


@pytest.mark.parametrize(
    ("profiles", "hint"),
    [("{ci: {}}", "did you mean 'ci'?"), ("{prod: {}}", "there are: prod"), ("{}", ""), ("5", ""), ("[ci]", "")],
)
def test_an_unknown_profile_is_a_usage_error(tmp_path: Path, profiles: str, hint: str) -> None:
    with pytest.raises(UsageError, match="there is no profile 'cii'") as caught:
        read(tmp_path, f"version: 1\nprofiles: {profiles}", profile="cii")
    assert caught.value.hint == hint
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("length", "check", "said"),
    [
        (251, "[]", "a conn_id has at most 250 characters in Airflow, and this one has 251"),
        (246, "[http]", "at most 250 characters in Airflow, and this one has 251"),
        (250, "[]", ""),
        (245, "[http]", ""),
    ],
)
def test_a_name_that_is_too_long_for_airflow_is_one_mistake_and_fails_no_other_check(
    tmp_path: Path, length: int, check: str, said: str
) -> None:
    text = f"version: 1\nconnections:\n  {'c' * length}: {{conn_type: http, checks: {check}}}\n"
    if not said:
        assert read(tmp_path, text)
        return
    with pytest.raises(ManifestError, match=said) as caught:
        read(tmp_path, text)
    assert "bootstrap.yaml:3:" in caught.value.message


@pytest.mark.parametrize(
    "register",
    [
        "[env, env]",
        "[env, {env: {path: ./airflow.env, export: true}}]",
        "[env, {env: {path: link.env}}]",
        "[{file: {path: a.json, variables: b.json}}, {file: {path: b.json, variables: c.json}}]",
        "[metadata, metadata]",
        "[file, {file: {path: other.json}}]",
    ],
)
def test_two_targets_in_one_place_are_a_mistake(tmp_path: Path, register: str) -> None:
    """Each would take the other's changes for somebody else's."""
    (tmp_path / "link.env").symlink_to("airflow.env")
    with pytest.raises(ManifestError, match=r"writes where register\[0\] does"):
        read(tmp_path, f"version: 1\nregister: {register}\n")


def test_two_targets_of_a_kind_in_two_places_are_none(tmp_path: Path) -> None:
    text = (
        "version: 1\nregister: [env, {env: {path: other.env}}, {file: {path: a.json, variables: b.json}}, metadata]\n"
    )
    assert len(read(tmp_path, text).register) == 4


def test_a_command_ends_where_its_text_does(tmp_path: Path) -> None:
    given = read(tmp_path, "version: 1\nconfig:\n  core:\n    fernet_key:\n      cmd: |\n        cat /run/key\n")
    assert given.config["core"]["fernet_key"] == Command("cat /run/key")
