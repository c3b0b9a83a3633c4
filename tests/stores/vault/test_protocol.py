"""What is said to servers that can't be run here, against their documents.

A Vault that asks an LDAP server, Kubernetes, GitHub or a cloud who somebody is can't log anybody in on
this machine. So these are no real servers, but recordings of what Vault's API documents: the exact request that it wants
(developer.hashicorp.com/vault/api-docs/auth/METHOD, "Login"), and its answer.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bootstrap.errors import Denied, StoreError, Unavailable
from bootstrap.stores.base import Context
from bootstrap.stores.vault import store
from tests.stores.contract import CANARY, whole
from tests.systems import require
from tests.systems.connect_proxy import connect_proxy
from tests.systems.google_accounts import Accounts
from tests.systems.google_federation import SUBJECT_TOKEN, answer_impersonation, answer_sts
from tests.systems.in_process import Answer, Request, http_server, json_answer, serving

PATH = "databases/warehouse"
TOKEN = "hvs.recorded-0815"
LOGGED_IN = {"auth": {"client_token": TOKEN, "lease_duration": 3600, "renewable": True, "policies": ["default"]}}
SECRET = {"data": {"data": {"value": "hunter2"}, "metadata": {"version": 1, "created_time": "2030-01-01T00:00:00Z"}}}


@dataclass
class Recording:
    """A server that takes one log-in, at `path`, and keeps its body."""

    path: str
    url: str = ""
    body: dict[str, Any] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        if (request.method, request.target) == ("GET", f"/v1/secret/data/{PATH}"):
            right = request.headers["X-Vault-Token"] == TOKEN
            return json_answer(200, SECRET) if right else json_answer(403, {"errors": ["permission denied"]})
        if (request.method, request.target) != ("POST", self.path):
            return json_answer(404, {"errors": [f"not what was recorded: {request.method} {request.target}"]})
        self.body = json.loads(request.body)
        return json_answer(200, LOGGED_IN)


@pytest.fixture
def recorded() -> Iterator[Callable[[str], Recording]]:
    """Makes a server that takes one log-in."""
    recording = Recording("")
    with serving(http_server(recording.answer)) as port:

        def made(path: str) -> Recording:
            recording.path, recording.url = path, f"http://127.0.0.1:{port}"
            return recording

        yield made


def read(recording: Recording, auth: Mapping[str, Any], folder: Path) -> str:
    options = store.Options.model_validate({"kind": "vault", "url": recording.url, "auth": dict(auth)})
    return whole(store.open_store(options, Context("team", folder)), PATH)


@pytest.fixture
def _credential(tmp_path: Path) -> None:
    (tmp_path / "credential").write_text(CANARY)


FROM_FILE = {"file": "credential"}
DOCUMENTED: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "ldap": (
        {"method": "ldap", "username": "mitchellh", "password": FROM_FILE},
        "/v1/auth/ldap/login/mitchellh",
        {"password": CANARY},
    ),
    "ldap, elsewhere": (
        {"method": "ldap", "username": "ETL\\m/h?", "password": FROM_FILE, "mount": "corp/ldap"},
        "/v1/auth/corp/ldap/login/ETL%5Cm%2Fh%3F",
        {"password": CANARY},
    ),
    "kubernetes": (
        {"method": "kubernetes", "role": "dev-role", "token": FROM_FILE},
        "/v1/auth/kubernetes/login",
        {"role": "dev-role", "jwt": CANARY},
    ),
    "github": (
        {"method": "github", "token": FROM_FILE},
        "/v1/auth/github/login",
        {"token": CANARY},
    ),
}


@pytest.mark.usefixtures("_credential")
@pytest.mark.parametrize(("auth", "path", "body"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_recorded_log_in(
    auth: dict[str, Any], path: str, body: dict[str, Any], recorded: Callable[[str], Recording], tmp_path: Path
) -> None:
    recording = recorded(path)
    assert read(recording, auth, tmp_path) == "hunter2"
    assert recording.body == body


def test_recorded_kubernetes_outside_of_a_pod(recorded: Callable[[str], Recording], tmp_path: Path) -> None:
    with pytest.raises(Denied, match="can't read its credential /var/run/secrets/kubernetes"):
        read(recorded("/v1/auth/kubernetes/login"), {"method": "kubernetes", "role": "r"}, tmp_path)


class TestRecordedAws:
    PATH = "/v1/auth/aws/login"

    def test_a_key_signs_a_request_to_sts(self, recorded: Callable[[str], Recording], tmp_path: Path) -> None:
        (tmp_path / "credential").write_text(CANARY)
        auth = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": FROM_FILE}
        headers = self._signed(recorded(self.PATH), tmp_path, **auth)
        assert "Credential=AKIAEXAMPLE/" in headers["Authorization"][0]
        assert "/us-east-1/sts/aws4_request" in headers["Authorization"][0]
        assert CANARY not in str(headers)

    def test_as_botos_own_credentials(
        self, recorded: Callable[[str], Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"ACCESS_KEY_ID": "ASIAEXAMPLE", "SECRET_ACCESS_KEY": "x", "SESSION_TOKEN": "st"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        headers = self._signed(recorded(self.PATH), tmp_path, region="eu-west-1")
        assert headers["X-Amz-Security-Token"] == ["st"]
        assert "Credential=ASIAEXAMPLE/" in headers["Authorization"][0]
        assert "/eu-west-1/sts/" in headers["Authorization"][0]

    def test_as_a_role(
        self, recorded: Callable[[str], Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        require("moto", "make test")
        from moto import mock_aws  # in this process: STS has to be asked nothing but this

        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            monkeypatch.setenv(f"AWS_{name}", "testing")
        recording = recorded(self.PATH)
        with mock_aws(config={"core": {"passthrough": {"urls": [recording.url]}}}):
            headers = self._signed(recording, tmp_path, assume_role={"arn": "arn:aws:iam::123456789012:role/airflow"})
        assert "Credential=ASIA" in headers["Authorization"][0]
        assert headers["X-Amz-Security-Token"]

    def test_without_credentials(
        self, recorded: Callable[[str], Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        with pytest.raises(Denied, match="Unable to locate credentials"):
            read(recorded(self.PATH), {"method": "aws_iam"}, tmp_path)

    def _signed(self, recording: Recording, folder: Path, **auth: Any) -> dict[str, list[str]]:
        assert read(recording, {"method": "aws_iam", "role": "dev-role", **auth}, folder) == "hunter2"
        body = dict(recording.body)
        headers: dict[str, list[str]] = json.loads(base64.b64decode(body.pop("iam_request_headers")))
        assert body.pop("role") == "dev-role"
        assert body.pop("iam_http_request_method") == "POST"
        assert base64.b64decode(body.pop("iam_request_url")) == b"https://sts.amazonaws.com/"
        assert base64.b64decode(body.pop("iam_request_body")) == b"Action=GetCallerIdentity&Version=2011-06-15"
        assert body == {}
        assert "SignedHeaders=content-type;host;x-amz-date" in headers["Authorization"][0]
        return headers


EMAIL = "airflow@proj.iam.gserviceaccount.com"
GOOGLE = ("sts.googleapis.com", "iamcredentials.googleapis.com")


@contextlib.contextmanager
def google(signed: list[Request], folder: Path) -> Iterator[dict[str, str]]:
    """Google's names, for a job of a CI system that is this account there; yields the job's environment."""
    accounts, authority = Accounts(), trustme.CA()

    def answer(request: Request) -> Answer:
        if request.path.endswith(":signJwt"):
            assert accounts.email(request.bearer) == EMAIL
            signed.append(request)
            return json_answer(200, {"keyId": "1", "signedJwt": "signed-by-google"})
        return answer_sts(accounts, request) or answer_impersonation(accounts, request) or json_answer(404, {})

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*GOOGLE).configure_cert(tls)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "subject").write_text(SUBJECT_TOKEN)
    account = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/ci",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"https://{GOOGLE[0]}/v1/token",
        "service_account_impersonation_url": f"https://{GOOGLE[1]}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken",
        "credential_source": {"file": str(folder / "subject")},
    }
    (folder / "adc.json").write_text(json.dumps(account))
    with (
        serving(http_server(answer, tls)) as port,
        serving(connect_proxy({f"{name}:443": port for name in GOOGLE})) as proxy,
    ):
        yield {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy}",
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
            "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "adc.json"),
            "GOOGLE_CLOUD_PROJECT": "proj",  # else google.auth asks another of its names for it
        }


class TestRecordedGcp:
    def test_a_key_signs_a_jwt(self, recorded: Callable[[str], Recording], tmp_path: Path) -> None:
        key = Accounts().service_account(EMAIL, "proj")
        (tmp_path / "key.json").write_text(json.dumps(key))
        recording = recorded("/v1/auth/gcp/login")
        auth = {"method": "gcp", "role": "dev-role", "key": {"file": "key.json"}}
        assert read(recording, auth, tmp_path) == "hunter2"
        assert set(recording.body) == {"role", "jwt"}
        private: Any = load_pem_private_key(key["private_key"].encode(), None)
        claims = jwt.decode(
            recording.body["jwt"], private.public_key(), algorithms=["RS256"], audience="vault/dev-role"
        )
        assert claims["sub"] == EMAIL
        assert claims["exp"] - claims["iat"] == 900
        assert jwt.get_unverified_header(recording.body["jwt"])["kid"] == key["private_key_id"]

    def test_google_signs_for_an_account_whose_key_nobody_has(
        self, recorded: Callable[[str], Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signed: list[Request] = []
        with google(signed, tmp_path) as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            recording = recorded("/v1/auth/gcp/login")
            assert read(recording, {"method": "gcp", "role": "dev-role"}, tmp_path) == "hunter2"
        assert recording.body == {"role": "dev-role", "jwt": "signed-by-google"}
        (request,) = signed
        assert request.path == f"/v1/projects/-/serviceAccounts/{EMAIL}:signJwt"
        claims = json.loads(json.loads(request.body)["payload"])
        assert (claims["sub"], claims["aud"], claims["exp"] - claims["iat"]) == (EMAIL, "vault/dev-role", 900)

    def test_what_is_no_key(self, recorded: Callable[[str], Recording], tmp_path: Path) -> None:
        for content in ("nonsense", json.dumps({"type": "service_account", "private_key": CANARY})):
            (tmp_path / "key.json").write_text(content)
            with pytest.raises(Denied, match="not that of a service account") as caught:
                read(
                    recorded("/v1/auth/gcp/login"),
                    {"method": "gcp", "role": "r", "key": {"file": "key.json"}},
                    tmp_path,
                )
            assert CANARY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("auth", "package", "install"),
    [
        ({"method": "aws_iam"}, "boto3", "pip install boto3"),
        ({"method": "gcp", "role": "r"}, "google.auth", "pip install google-auth"),
    ],
)
def test_a_package_that_is_missing(
    auth: dict[str, Any],
    package: str,
    install: str,
    recorded: Callable[[str], Recording],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (package, f"{package}.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match="which is not installed") as caught:
        read(recorded("/nowhere"), auth, tmp_path)
    assert caught.value.hint == install


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"method": "approle", "role_id": "r"}, "secret_id"),
        ({"method": "userpass", "username": "u"}, "password"),
        ({"method": "ldap", "password": {"env": "A"}}, "username"),
        ({"method": "jwt"}, "role"),
        ({"method": "kubernetes"}, "role"),
        ({"method": "github"}, "token"),
        ({"method": "gcp"}, "role"),
        ({"method": "aws_iam", "access_key_id": "AKIA"}, "belong together"),
        ({"method": "github", "token": {"env": "A"}, "mount": "corp/github/"}, "and none at either end"),
    ],
)
def test_what_a_method_needs_is_known_offline(auth: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        store.Options.model_validate({"kind": "vault", "url": "https://vault.example.com", "auth": auth})


def test_no_error_is_anything_else_than_a_stores(recorded: Callable[[str], Recording], tmp_path: Path) -> None:
    recording = recorded("/v1/auth/github/login")
    (tmp_path / "credential").write_text(CANARY)
    with pytest.raises(StoreError):  # the recording knows another path
        read(recording, {"method": "github", "token": FROM_FILE, "mount": "other"}, tmp_path)
