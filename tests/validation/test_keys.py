from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import paramiko  # type: ignore[import-untyped]  # there are no stubs of it
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from bootstrap.domain.connection import Connection
from bootstrap.providers.facts import Known
from bootstrap.validation.check import problems
from bootstrap.validation.problem import Problem
from tests.systems import ssh_keys
from tests.validation.connections import ACCOUNT, SSH_KEY

EVERY = Known({"google_cloud_platform": "", "ssh": "", "snowflake": ""})
PRIVATE = ACCOUNT["private_key"]
BODY = PRIVATE.splitlines()[5]


def of(conn_type: str, password: str | None = None, **extra: Any) -> list[Problem]:
    found = list(problems(Connection(conn_type, password=password, extra=extra), EVERY))
    assert not any(text in str(found) for text in (BODY, SSH_KEY.splitlines()[2]))
    return found


def changed(**change: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ACCOUNT, **change}.items() if value is not None}


def pem(kind: serialization.PrivateFormat, passphrase: str | None = None) -> str:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return generate_private_key(SECP256R1()).private_bytes(serialization.Encoding.PEM, kind, lock).decode()


PKCS8, TRADITIONAL = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL


@pytest.mark.parametrize(
    ("keyfile", "said"),
    [
        ("{", "no JSON object"),
        ("[]", "no JSON object"),
        (PRIVATE, "no JSON object"),
        (7, "no JSON object"),
        ({"project": "shop"}, "lacks client_email, private_key, token_uri"),
        (changed(token_uri=None), "lacks token_uri"),
        (changed(client_email=""), "lacks client_email"),
        ({"type": "external_account", "audience": "//iam"}, "of the type external_account"),
        (changed(private_key="-----BEGIN"), "is no PEM"),
        (changed(private_key="hunter2"), "is no PEM"),
        (changed(private_key=PRIVATE.replace(BODY, "")), "can't be decoded"),
        (changed(private_key=PRIVATE.partition("-----END")[0]), "cut off"),
        (changed(private_key=pem(PKCS8, "pw")), "is encrypted"),
    ],
    ids=[
        *(
            "not JSON",
            "a list",
            "a PEM",
            "a number",
            "nothing of a key",
            "no token_uri",
            "no client_email",
            "a federation",
        ),
        *("a beginning", "no PEM", "a line less", "no end", "encrypted"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "extra__google_cloud_platform__"])
def test_a_keyfile_that_is_no_key_is_refused(keyfile: Any, said: str, prefix: str) -> None:
    (problem,) = of("google_cloud_platform", **{f"{prefix}keyfile_dict": keyfile})
    assert said in problem.message
    assert (problem.field, problem.refused(strict=False)) == ("extra.keyfile_dict", True)


def test_a_key_is_a_key_in_every_way_that_the_hook_reads_it() -> None:
    escaped = changed(private_key=PRIVATE.replace("\n", "\\n"))
    in_one_line = changed(private_key=PRIVATE.replace("\n", ""))  # google-auth's library takes it
    for value in (ACCOUNT, json.dumps(ACCOUNT), escaped, json.dumps(escaped), in_one_line):
        assert of("google_cloud_platform", keyfile_dict=value) == []
    (problem,) = of("google_cloud_platform", keyfile_dict=changed(type=None))
    assert problem.severity == "warning"


def test_a_key_file_may_be_on_the_workers_only(tmp_path: Path) -> None:
    (problem,) = of("google_cloud_platform", key_path=f"{tmp_path}/key.json")
    assert problem.severity == "note"
    (tmp_path / "key.json").write_text("{}")
    assert of("google_cloud_platform", key_path=f"{tmp_path}/key.json") == []
    (problem,) = of("google_cloud_platform", key_path=f"{tmp_path}/key.p12")
    assert problem.severity == "error"


def test_a_credential_configuration_is_of_a_kind_that_google_auth_knows() -> None:
    configuration = {"type": "external_account", "audience": "//iam"}
    assert of("google_cloud_platform", credential_config_file=json.dumps(configuration)) == []
    for wrong in ({"audience": "//iam"}, '{"type": "key"}', "{"):
        (problem,) = of("google_cloud_platform", credential_config_file=wrong)
        assert problem.severity == "error"
    (problem,) = of("google_cloud_platform", credential_config_file="/no/such/file")
    assert problem.severity == "note"


def test_two_ways_to_log_in_are_one_too_many() -> None:
    (problem,) = of("google_cloud_platform", keyfile_dict=ACCOUNT, is_anonymous=True)
    assert problem.message == "only one of these may be given: keyfile_dict, is_anonymous"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (SSH_KEY.replace("\n", "\\n"), "lost its line breaks"),
        (ssh_keys.new().public, "is a public key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTY"),
        (SSH_KEY.replace(SSH_KEY.splitlines()[3], "AAAA"), "can't be decoded"),
        (pem(TRADITIONAL, "pw"), "is encrypted"),
        ("/home/ops/.ssh/id", "is no PEM"),
    ],
    ids=["one line", "public", "PuTTY", "damaged", "encrypted", "a path"],
)
def test_a_private_key_that_ssh_can_not_read(key: str, said: str) -> None:
    (problem,) = of("ssh", private_key=key)
    assert said in problem.message
    assert problem.severity == "error"


def test_an_encrypted_key_needs_its_passphrase() -> None:
    key = pem(TRADITIONAL, "open sesame")
    assert of("ssh", private_key=key, private_key_passphrase="open sesame") == []
    (problem,) = of("ssh", private_key=key, private_key_passphrase="hunter2")
    assert "passphrase is another" in problem.message
    assert of("ssh", private_key=SSH_KEY, private_key_passphrase="needless") == []


def test_what_openssl_says_before_a_key_does_no_harm() -> None:
    said = "Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n"
    assert of("snowflake", private_key_content=said + pem(PKCS8)) == []
    (problem,) = of("ssh", private_key=said + pem(TRADITIONAL))  # paramiko takes what is before it for a part of it
    assert "none that paramiko reads" in problem.message
    (problem,) = of("ssh", private_key=said + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "a certificate" in problem.message
    (problem,) = of("ssh", private_key=said)
    assert "is no PEM" in problem.message


def test_paramiko_reads_no_pkcs8() -> None:
    (problem,) = of("ssh", private_key=pem(PKCS8))
    assert "PKCS #8" in problem.message
    assert problem.refused(strict=False)


@pytest.mark.parametrize(
    "text", ["\n" + SSH_KEY, SSH_KEY.rstrip("\n"), SSH_KEY.replace("\n", "\r\n"), "  " + SSH_KEY, pem(TRADITIONAL)]
)
def test_a_key_is_judged_by_the_call_that_the_hook_makes(text: str) -> None:
    kinds = (paramiko.RSAKey, paramiko.ECDSAKey, paramiko.Ed25519Key)
    read = [kind for kind in kinds if _reads(kind, text)]
    assert [item.severity for item in of("ssh", private_key=text)] == ([] if read else ["error"])


def _reads(kind: Any, text: str) -> bool:
    try:
        kind.from_private_key(io.StringIO(text))
    except (paramiko.SSHException, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    "library", ["paramiko", "google.oauth2.service_account", "cryptography.hazmat.primitives.serialization"]
)
def test_without_its_library_a_key_is_not_judged(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    found = {
        "paramiko": lambda: of("ssh", private_key="hunter2"),
        "google.oauth2.service_account": lambda: of(
            "google_cloud_platform", keyfile_dict=changed(private_key="hunter2")
        ),
        "cryptography.hazmat.primitives.serialization": lambda: of("snowflake", private_key_content="hunter2"),
    }
    assert found[library]() == []


def test_snowflakes_key_is_a_pem_plain_or_in_base64() -> None:
    for text in (pem(PKCS8), base64.b64encode(pem(PKCS8).encode()).decode()):
        assert of("snowflake", private_key_content=text) == []
    locked = pem(PKCS8, "pw")
    assert of("snowflake", password="pw", private_key_content=locked) == []
    (problem,) = of("snowflake", private_key_content=locked)
    assert "encrypted" in problem.message
    assert of("snowflake", private_key_content="aHVudGVyMg==")[0].severity == "error"
