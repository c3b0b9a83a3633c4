"""AWS Secrets Manager and Parameter Store pass the contract of a store."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.domain.secret import Secret
from bootstrap.stores.base import Store
from tests.stores.aws.bench import Opened, api, key, opened, region, server
from tests.stores.contract import (
    ComparedDeletingContract,
    Delete,
    DeletingContract,
    DeniedContract,
    VersionedContract,
    whole,
)
from tests.systems import moto

__all__ = ["key", "opened", "region", "server"]  # fixtures


class Aws(DeniedContract):
    KIND: str
    OPTIONS: dict[str, Any] = {}

    @pytest.fixture
    def store(self, opened: Opened) -> Store:
        store: Store = opened(self.KIND, **self.OPTIONS)
        return store

    @pytest.fixture
    def denied(self, opened: Opened) -> Store:
        nobody = [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}]
        store: Store = opened(self.KIND, policy=nobody, **self.OPTIONS)
        return store


class TestSecretsManager(Aws, VersionedContract, ComparedDeletingContract):
    KIND = "aws_secrets_manager"
    LEGAL = "/a-b_c.d//e+f=g@h!i/Zz09/"
    ILLEGAL = ("", "a b", "a:b", "a#b", "a*", "a?", "ü", "²", "a\nb", "a\n", "a\x7fb", "x" * 513)
    NO_VERSIONS = ("7", "0", "-1", "no-label", "²", "9" * 30, "9" * 36, "9" * 99, "", "a b")
    KEEPS_EMPTY = False

    @pytest.fixture
    def delete(self, server: moto.Moto, region: str) -> Delete:
        client = api(server, self.KIND, region)
        return lambda path, _version: client.delete_secret(SecretId=path)

    @pytest.fixture
    def destroy(self, server: moto.Moto, region: str) -> Delete:
        client = api(server, self.KIND, region)
        return lambda path, _version: client.delete_secret(SecretId=path, ForceDeleteWithoutRecovery=True)

    def test_a_destroyed_secret_is_missing_and_can_be_made_again(self, store: Store, destroy: Delete) -> None:
        self._made_again_after(destroy, store, "there is no such secret")  # AWS forgets it


class ParameterStore(Aws, DeletingContract):
    KIND = "aws_parameter_store"
    LEGAL = "a-b_c.d/..e/Zz09/-/_"
    ILLEGAL = (
        *("", "/", "a//b", "/a", "a/", "..", "../a", "a/../b", "a/./b", "a b", "a:b", "a@b", "ü", "²", "a\n", "a\x7fb"),
        *("aws/a", "AWSome", "ssm", "Ssm/a", "/".join("abcdefghijklmnop"), "x" * 970),
    )
    KEEPS_EMPTY = False
    test_a_pinned_version_stays_what_it_was = VersionedContract.test_a_pinned_version_stays_what_it_was

    def test_of_writers_at_once_one_creates(self, store: Store) -> None:
        VersionedContract.test_of_writers_at_once_one_wins(self, store, exists=False)  # type: ignore[arg-type]  # as it uses it

    def test_a_label_is_a_version(self, store: Store, server: moto.Moto, region: str) -> None:
        first = store.write(self.PATH, Secret("one"), expect=None)
        store.write(self.PATH, Secret("two"), expect=first)
        client = api(server, self.KIND, region)
        client.label_parameter_version(Name=f"/{self.PATH}", ParameterVersion=1, Labels=["stable"])
        assert (store.read(self.PATH, "stable").version, whole(store, self.PATH, "stable")) == ("1", "one")


class TestParameterStore(ParameterStore):
    LARGEST = 4096


@pytest.mark.slow  # the same requests with two more fields, and another limit
class TestAdvancedParameters(ParameterStore):
    LARGEST = 8192
    OPTIONS = {"tier": "advanced", "key_id": "alias/airflow"}
