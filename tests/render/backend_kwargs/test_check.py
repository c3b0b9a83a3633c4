"""What is said of a secrets backend's class and arguments, on the classes that are installed here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap.plugins import STORES
from bootstrap.providers.python_source import Sources
from bootstrap.render.backend_kwargs import signature_table
from bootstrap.render.backend_kwargs.check import Checked, check
from bootstrap.render.backend_kwargs.rules import KEY_VAULT, RULES, SECRETS_MANAGER, VAULT
from bootstrap.stores.base import AirflowBackend, BackendPaths
from bootstrap.stores.kind import ReadByAirflow, StoreKind
from bootstrap.util import distributions
from tests.project import ROOT, Canary
from tests.render.backend_kwargs.cases import FINE, REFUSED, WARNED, Case, filled
from tests.stores.aws import test_airflow
from tests.stores.aws.bench import BOTH
from tests.stores.google import test_backend as test_google_backend
from tests.stores.vault import test_backend as test_vault_backend
from tools import backends_table

PLACES = {
    "url": "https://vault.example.com",
    "tls": "https://vault.example.com",
    "moto": "https://moto.example.com",
    "token": "t",
    "role_id": "r",
    "secret_id": "s",
    "key_id": "AKIA",
    "secret": "k",
    "folder": "/project",
}


def checked(case: Case) -> Checked:
    return check(case.backend_class, filled(case.kwargs, PLACES), set(case.elsewhere))


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_airflow_fails_on_is_a_problem(case: Case) -> None:
    found = {problem.kwarg: f"{problem.message}; {problem.hint}" for problem in checked(case).problems}
    assert case.says in found.get(case.kwarg, "nothing"), found
    others = {"auth_type", "connections_file_path"}  # radius never logs in; a misspelt path is one that isn't given
    assert set(found) - {case.kwarg} <= others, found


@pytest.mark.parametrize("case", WARNED.values(), ids=WARNED)
def test_what_may_be_meant_is_a_warning(case: Case) -> None:
    answer = checked(case)
    assert answer.problems == ()
    assert [(item.kwarg, case.says in f"{item.message}; {item.hint}") for item in answer.warnings] == [
        (case.kwarg, True)
    ]


@pytest.mark.parametrize("case", FINE.values(), ids=FINE)
def test_what_airflow_takes_is_fine(case: Case) -> None:
    answer = checked(case)
    assert (answer.problems, answer.warnings) == ((), ())
    assert answer.source.endswith("(installed)")


def test_no_value_that_may_be_a_secret_is_shown() -> None:
    """Every argument of every class, with a secret where it can be wrong: as text, in a list, in a mapping."""
    canary = Canary()
    for name, backend in signature_table.shipped().items():
        hidden = [key for key in backend.signature.parameters if key != "auth_type" and not key.endswith("_prefix")]
        for value in (canary.value, [canary.value, 1], {canary.value: canary.value}, f"1{canary.core}"):
            answer = check(name, dict.fromkeys([*hidden, "unknown"], value))
            assert answer.problems
            assert not canary.found_in(repr(answer).encode())


def test_a_method_that_is_not_known_here_is_not_guessed() -> None:
    answer = check(VAULT, {}, {"auth_type"})
    assert (answer.problems, answer.warnings) == ((), ())
    assert check(VAULT, {}, {"tokn"}).problems[0].hint == "did you mean token?"


@pytest.mark.parametrize(
    ("backend_class", "said", "hint"),
    [
        (f"{VAULT}s", "there is no class VaultBackends in airflow.providers.hashicorp.secrets.vault", VAULT),
        (VAULT.replace(".vault.", ".valt."), "there is no module valt in airflow.providers.hashicorp.secrets", VAULT),
        (VAULT.replace(".secrets.", ".secret."), "there is no module secret in airflow.providers.hashicorp", VAULT),
        (VAULT.replace(".secrets.", ".a.b.c."), "there is no module a in airflow.providers.hashicorp", VAULT),
        (
            "airflow.contrib.secrets.aws_secrets_manager.SecretsManagerBackend",
            "there is no module contrib in airflow",
            SECRETS_MANAGER,
        ),
        (
            "airflow.secrets.local_file.Mine",
            "no module local_file in airflow.secrets",
            "airflow.secrets.local_filesystem.Mine",
        ),
        (
            "bootstrap.render.backend_kwarg.check.Mine",
            "there is no module backend_kwarg in bootstrap.render",
            "bootstrap.render.backend_kwargs.check.Mine",
        ),
        ("VaultBackend", "not the dotted path of a class", VAULT),
        ("", "not the dotted path of a class", "check its name"),
        ("airflow.secrets.local_filesystem.LocalFileSystemBackend", "there is no class", "LocalFilesystemBackend"),
    ],
)
def test_a_class_that_is_not_there(backend_class: str, said: str, hint: str) -> None:
    answer = check(backend_class, {"a": 1})
    assert [problem.kwarg for problem in answer.problems] == [""]
    assert said in answer.problems[0].message
    assert hint in answer.problems[0].hint
    assert answer.source == ""


@pytest.mark.parametrize("backend_class", ["nobodys.secrets.Backend", "airflow.providers.nobody.secrets.x.Backend"])
def test_a_class_that_is_known_nowhere_is_not_checked(backend_class: str) -> None:
    answer = check(backend_class, {"a": 1})
    assert (answer.problems, answer.source) == ((), "")
    assert [(warning.kwarg, "can't be checked" in warning.message) for warning in answer.warnings] == [("", True)]


def test_a_module_of_a_provider_that_is_not_here_is_looked_up_in_the_table(tmp_path: Path) -> None:
    answer = check(KEY_VAULT.replace("key_vault", "keyvault"), {}, folders=[tmp_path])
    assert answer.problems[0].message == (
        "apache-airflow-providers-microsoft-azure has no secrets backend in airflow.providers.microsoft.azure.secrets.keyvault"
    )
    assert answer.problems[0].hint == f"did you mean {KEY_VAULT}?"


def test_another_part_of_a_package_without_an_init_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "company" / "tools").mkdir(parents=True)
    answer = check("company.secrets.Backend", {}, folders=[tmp_path])
    assert (answer.problems, len(answer.warnings)) == ((), 1)
    (tmp_path / "company" / "__init__.py").touch()
    assert check("company.secrets.Backend", {}, folders=[tmp_path]).problems


@pytest.mark.parametrize(("kwargs", "refused"), [("path, **kwargs", False), ("path", True)])
def test_a_backend_of_ones_own_that_ignores_what_it_does_not_know(tmp_path: Path, kwargs: str, refused: bool) -> None:  # noqa: FBT001
    (tmp_path / "mine.py").write_text(f"class Mine:\n    def __init__(self, {kwargs}):\n        self.path = path\n")
    answer = check("mine.Mine", {"path": "x", "colour": "red"}, folders=[tmp_path])
    assert [item.kwarg for item in (answer.problems if refused else answer.warnings)] == ["colour"]
    assert check("mine.Mine", {"path": "x", "pth": "y"}, folders=[tmp_path]).problems[0].kwarg == "pth"


def test_two_files_for_a_certificate_are_taken_where_requests_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = {"url": "https://v", "token_path": "t", "cert": ["c.pem", "k.pem"]}
    monkeypatch.setattr(distributions, "version", lambda *_: "2.31.0")
    assert (check(VAULT, fine).problems, check(VAULT, fine).warnings) == ((), ())
    monkeypatch.setattr(distributions, "version", lambda *_: "2.32.0")
    assert [item.kwarg for item in check(VAULT, fine).problems] == ["cert"]


def test_a_class_that_is_not_installed_is_looked_up_in_the_table(tmp_path: Path) -> None:
    here = check(VAULT, {"conections_path": "x"})
    there = check(VAULT, {"conections_path": "x"}, folders=[tmp_path])
    assert (
        here.source
        == f"{signature_table.shipped()[VAULT].package} {signature_table.shipped()[VAULT].version} (installed)"
    )
    version = signature_table.shipped()[VAULT].version
    assert there.source == f"the table shipped with airflow-bootstrap (hashicorp {version}): it isn't installed here"
    assert there == replace(here, source=there.source, files=())


def test_azure_by_the_table(tmp_path: Path) -> None:
    fine = {"vault_url": "https://v.vault.azure.net", "connections_prefix": "airflow_connections", "sep": "-"}
    answer = check(KEY_VAULT, fine, folders=[tmp_path])
    assert (answer.problems, answer.warnings) == ((), ())
    wrong = {"vault_ur": "https://v", "connections_prefix": "a/b", "sep": "_", "client_secret": "s"}
    answer = check(KEY_VAULT, wrong, folders=[tmp_path])
    assert [problem.kwarg for problem in answer.problems] == ["connections_prefix", "sep", "vault_url"]
    assert [warning.kwarg for warning in answer.warnings] == ["vault_ur", "tenant_id", "client_id"]


def test_the_shipped_table_is_what_is_installed() -> None:
    assert (ROOT / "templates" / signature_table.NAME).read_text() == backends_table.generated(), "run `make schema`"
    sources = Sources()
    here = [name for name in RULES if sources.module(name.rpartition(".")[0])]
    assert len(here) == len(RULES) - (KEY_VAULT not in here)
    for name in here:
        module = sources.module(name.rpartition(".")[0])
        definition = sources.find(module, name.rpartition(".")[2]) if module else None
        assert definition is not None
        assert signature_table.installed(definition, sources) == signature_table.shipped()[name]


def test_a_row_of_what_is_not_installed_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert json.loads(backends_table.generated()) == json.loads((ROOT / "templates" / signature_table.NAME).read_text())


def test_the_table_is_made_of_what_is_installed_and_of_other_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = json.loads((ROOT / "templates" / signature_table.NAME).read_text())
    monkeypatch.setattr(signature_table, "shipped", dict)
    here = [name for name in rows if Sources().module(name.rpartition(".")[0])]
    assert json.loads(backends_table.generated()) == {name: rows[name] for name in here}
    provider = tmp_path / "airflow" / "providers" / "acme" / "cloud"
    provider.mkdir(parents=True)
    name = "airflow.providers.acme.cloud.vault.AcmeBackend"
    (provider / "get_provider_info.py").write_text(
        f"def get_provider_info():\n    return {{'secrets-backends': [{name!r}]}}"
    )
    (provider / "vault.py").write_text("class AcmeBackend:\n    def __init__(self, path: str): pass")
    made = json.loads(backends_table.generated([str(tmp_path)]))
    assert made.pop(name)["parameters"] == {"path": {"types": ["str"], "required": True}}
    assert set(made) == set(here)


def test_the_rules_know_all_that_vaults_client_asks_for() -> None:
    """Its constructor says so in the texts of its errors: "The 'jwt' authentication type requires 'jwt_role'"."""
    module = Sources().module("airflow.providers.hashicorp._internal_client.vault_client")
    assert module is not None
    asked = re.findall(r"The '(\w+)' authentication type requires '(\w+)'(?: or '(\w+)')?", module.file.read_text())
    known = {(need.when[1], *need.any_of) for need in RULES[VAULT].needs if need.when}
    assert len(asked) > 10
    assert {(method, *filter(None, names)) for method, *names in asked} - known == {("github", "token", "token_path")}
    for method in ("azure", "radius"):  # if a release logs in by it, the rule that it never does is to go
        assert f"_client.auth.{method}.configure(" in module.file.read_text()
        assert f"_client.auth.{method}.login(" not in module.file.read_text()


def test_every_rule_names_arguments_that_there_are() -> None:
    for name, rules in RULES.items():
        named = {*rules.switches, *rules.types, *rules.deprecated, *rules.expressions}
        named |= {kwarg for need in rules.needs for kwarg in (*need.any_of, *([need.given] if need.given else []))}
        named |= {kwarg for clash in rules.clashes for kwarg in clash.kwargs}
        named |= {kwarg for legal in rules.legal for kwarg in legal.kwargs}
        named |= {doubtful.kwarg for doubtful in rules.doubtful}
        assert named - set(signature_table.shipped()[name].signature.parameters) == set()
        assert set(rules.renamed) & set(signature_table.shipped()[name].signature.parameters) == set()


def _vault() -> Iterator[tuple[str, AirflowBackend]]:
    for name, (auth, _, _) in test_vault_backend.METHODS.items():
        yield name, test_vault_backend.backend(auth)
    options: dict[str, Any] = {"ca_cert": "ca.pem", "client_cert": "both.pem", "namespace": "etl", "kv_version": 1}
    token = {"method": "token", "token": {"file": "token"}}
    paths = BackendPaths(("a", "b"), None, "config")
    yield "every option", test_vault_backend.backend(token, paths=paths, proxy="http://proxy:3128", **options)


def _google() -> Iterator[tuple[str, AirflowBackend]]:
    auths: tuple[dict[str, Any], ...] = (
        {"method": "default"},
        {"method": "key_file", "file": "key.json"},
        {"method": "key_file", "file": "/etc/key"},
        {"method": "key", "key": {"file": "key.json"}},
        {"method": "key", "key": {"env": "TEAM_KEY"}},
        {"method": "federation", "file": "wif.json"},
        {"method": "default", "impersonate": ["a@b", "c@d"], "scopes": ["s"]},
    )
    for number, auth in enumerate(auths):
        yield f"{auth['method']} {number}", test_google_backend.backend(Path("/project"), auth=auth)


def _aws() -> Iterator[tuple[str, AirflowBackend]]:
    role, keys = test_airflow.ROLE, test_airflow.KEYS
    options: tuple[dict[str, Any], ...] = (
        {},
        {"auth": {"method": "profile", "profile": "team"}, "endpoint_url": "https://vpce.example"},
        {"auth": {**role, "external_id": "team-7", "endpoint_url": "https://sts.example"}},
        {"auth": keys},
        {"auth": {**role, "source": keys}},
    )
    for kind in BOTH:
        for number, each in enumerate(options):
            yield f"{kind} {number}", test_airflow.backend(kind, **each)


BACKENDS: dict[str, AirflowBackend] = dict((*_vault(), *_google(), *_aws()))


@pytest.mark.parametrize("made", BACKENDS.values(), ids=BACKENDS)
def test_what_our_own_stores_say_is_fine(made: AirflowBackend) -> None:
    answer = check(made.backend_class, made.kwargs, made.secret_kwargs)
    assert (answer.problems, answer.warnings) == ((), ())


def test_every_kind_of_store_that_airflow_reads_is_among_them() -> None:
    readable = {name for name in STORES.names() if isinstance(STORES.get(name, StoreKind), ReadByAirflow)}
    assert readable == {"vault", "embedded", "google_secret_manager", *BOTH}


def test_nothing_of_airflows_is_imported() -> None:
    code = f"""
import sys
before = set(sys.modules)  # namespace packages that a .pth file of site-packages made
from bootstrap.render.backend_kwargs.check import check
for name in {list(RULES)!r}:
    check(name, {{"conections_path": 1}})
foreign = {{"airflow", "hvac", "boto3", "botocore", "google", "azure"}}
print([name for name in set(sys.modules) - before if name.partition(".")[0] in foreign])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_class_without_a_constructor_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("class Bare:\n    pass\n")
    assert (
        check("bare.Bare", {"colour": "red"}, folders=[tmp_path]).problems[0].message == "Bare takes no argument colour"
    )
