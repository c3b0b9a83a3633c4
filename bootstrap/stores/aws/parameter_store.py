"""AWS Systems Manager Parameter Store, whose values are SecureStrings. The path `a/b` is the parameter `/a/b`.

Limits: docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html, and
/systems-manager/latest/APIReference/API_PutParameter.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from bootstrap.domain.secret import Secret
from bootstrap.errors import IllegalName, Malformed, NotFound, StoreError, Unavailable
from bootstrap.stores.aws import backend
from bootstrap.stores.aws.client import Client, needed
from bootstrap.stores.aws.errors import MISSING, Told
from bootstrap.stores.aws.options import AwsOptions
from bootstrap.stores.aws.policy import PARAMETER_STORE, least
from bootstrap.stores.base import AirflowBackend, BackendPaths, Context, Entry, Fields, Needs, Stored, Version
from bootstrap.stores.place import Place
from bootstrap.stores.structured import as_stored, payload

Tier = Literal["standard", "advanced", "intelligent-tiering"]
LARGEST: dict[Tier, int] = {"standard": 4096, "advanced": 8192, "intelligent-tiering": 8192}  # bytes of a value
PROVIDER, PLACE, REFUSALS = backend.PROVIDER, backend.PLACE, backend.REFUSALS
LOOKS = {"SystemsManagerParameterStoreBackend": backend.ParameterStoreLook()}
_BACKEND = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
NAME = re.compile(r"(?!aws|ssm)[A-Z0-9_.-]+(/[A-Z0-9_.-]+){0,14}", re.IGNORECASE | re.ASCII)
_SELECTOR = re.compile(r"[1-9][0-9]{0,17}|(?!aws|ssm)[A-Za-z_.-][A-Za-z0-9_.-]{0,99}")  # a version's number, or a label
_LONGEST = 1011  # characters of a parameter's ARN
_KEPT = 100  # versions
_PAGE = 50  # parameters
_REFERENCE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_EXISTS, _WRITING = "ParameterAlreadyExists", "TooManyUpdates"


class Options(AwsOptions):
    """The parameters of an account and a region; `tier` is that of new values."""

    kind: Literal["aws_parameter_store"]
    tier: Tier = "standard"


class ParameterStore:
    """The parameters of an account and a region."""

    writable = True
    separator = "/"

    def __init__(self, client: Client, tier: Tier) -> None:
        self.name = client.context.name
        self._client = client
        self._tier = tier

    def read(self, path: str, version: Version | None = None) -> Stored:
        """One request; a String is read as well as a SecureString. `version` is a number or a label."""
        self._legal(path)
        place = self._client.place(path, version)
        found = self._parameter(place, decrypted=True)
        return replace(
            as_stored(str(needed(place, found, "Value"))),
            version=_version(found),
            created=found.get("LastModifiedDate"),
        )

    def write(self, path: str, value: Secret | Fields, *, expect: Version | None) -> Version:
        """Creating is check-and-set by AWS. To replace there is none: it is a comparison right before the write.

        A write that came between the two is no longer the newest version, and reported: AWS keeps the last hundred.
        """
        self._legal(path)
        place = self._client.place(path)
        text = payload(place, value, LARGEST[self._tier], "AWS")
        if _REFERENCE.search(text):
            message = f"{place}: AWS keeps no parameter with {{{{…}}}} in its value"
            raise Malformed(message, "use a store of another kind")
        key = self._client.options.key_id
        request = {"Name": f"/{path}", "Value": text, "Type": "SecureString", "Tier": self._tier.title()}
        request |= {"KeyId": key} if key else {}
        return self._create(place, request) if expect is None else self._replace(place, request, expect)

    def delete(self, path: str, *, expect: Version) -> None:
        """For good, and after a comparison right before: AWS has none. What was written between the two is lost.

        AWS asks to wait for half a minute before there is a parameter of this name again. Versions begin at 1 then.
        """
        self._legal(path)
        place = self._client.place(path)
        if _version(self._parameter(place, decrypted=False)) != expect:
            raise place.conflict()
        try:
            self._client.ask(place, "delete_parameter", {"Name": f"/{path}"}, repeatable=False)
        except NotFound:  # somebody else was first
            return
        except Unavailable:
            try:  # the answer may have been lost
                self._parameter(place, decrypted=False)
            except NotFound:
                return
            raise

    def names(self, prefix: str) -> Iterator[str]:
        """Needs ssm:DescribeParameters; no value is decrypted."""
        yield from (entry.path for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """As `names`, with what else AWS lists of each."""
        folder = prefix.strip("/")
        if folder and not NAME.fullmatch(folder):
            return
        request: dict[str, Any] = {"MaxResults": _PAGE}
        if folder:
            request["ParameterFilters"] = [{"Key": "Path", "Option": "Recursive", "Values": [f"/{folder}"]}]
        found = self._client.pages(self._client.place(), "describe_parameters", request, "Parameters")
        yield from sorted((_entry(parameter) for parameter in found), key=lambda entry: entry.path)

    def ping(self) -> str:
        """Asks for one name."""
        return self._client.ping("describe_parameters", "Parameters")

    def _parameter(self, place: Place, *, decrypted: bool, let: tuple[str, ...] = ()) -> dict[str, Any]:
        selector = ""
        if place.version is not None:
            if not _SELECTOR.fullmatch(place.version):
                raise NotFound(f"{place}: there is no such version", "a version is a number from 1, or a label")
            selector = f":{place.version}"
        request = {"Name": f"/{place.path}{selector}", "WithDecryption": decrypted}
        found: dict[str, Any] = needed(place, self._client.ask(place, "get_parameter", request, let=let), "Parameter")
        return found

    def _create(self, place: Place, request: Mapping[str, Any]) -> Version:
        try:
            return self._put(place, {**request, "Overwrite": False}, "1")
        except Told as err:
            raise place.conflict() from err

    def _replace(self, place: Place, request: Mapping[str, Any], expect: Version) -> Version:
        try:
            if _version(self._parameter(place, decrypted=False, let=MISSING)) != expect:
                raise place.conflict()
            wanted = str(int(expect) + 1)
            written = self._put(place, {**request, "Overwrite": True}, wanted)
        except Told as err:
            raise place.conflict() from err
        if written != wanted:
            raise place.overtaken(wanted, written)
        return written

    def _put(self, place: Place, request: Mapping[str, Any], wanted: Version) -> Version:
        """Write, and see to it that a lost answer is neither a second write nor a failure."""
        try:
            answer = self._client.ask(place, "put_parameter", request, let=(_EXISTS, _WRITING), repeatable=False)
        except Unavailable as err:
            if self._arrived(place, request["Value"], wanted, err):
                return wanted
            raise
        return str(needed(place, answer, "Version"))

    def _arrived(self, place: Place, value: str, wanted: Version, err: Unavailable) -> bool:
        """True if the version was written after all. Raises Unavailable if that is unknown."""
        try:
            found = self.read(place.path)
        except NotFound:
            return False
        except StoreError:
            raise Unavailable(f"{err.message}; whether it was written is not known", err.hint) from err
        return found.version == wanted and found.value.unmasked() == value

    def _legal(self, path: str) -> None:
        options = self._client.options
        longest = _LONGEST - len(f"arn:{options.partition}:ssm:{options.region}:123456789012:parameter/")
        if not NAME.fullmatch(path) or {".", ".."} & set(path.split("/")) or len(path) > longest:
            hint = "up to 15 names of letters without accents, digits, . - and _ with single slashes between them;"
            message = f"{self.name}:{path!r}: no name that a parameter of AWS's can have"
            raise IllegalName(message, f"{hint} none begins with aws or ssm")


def _version(found: Mapping[str, Any]) -> Version:
    return str(found.get("Version"))


def _entry(parameter: Mapping[str, Any]) -> Entry:
    version = int(parameter["Version"])
    return Entry(parameter["Name"].lstrip("/"), str(version), min(version, _KEPT), parameter.get("LastModifiedDate"))


def open_store(options: Options, context: Context) -> ParameterStore:
    """The store; connects and logs in at the first request."""
    return ParameterStore(Client("ssm", options, context), options.tier)


def airflow_backend(options: Options, paths: BackendPaths, context: Context) -> AirflowBackend:
    """Airflow's SystemsManagerParameterStoreBackend. Raises ManifestError for a path that can be none there."""
    kwargs = {name: path and f"/{path}" for name, path in backend.prefixes(paths, context, NAME).items()}
    return backend.airflow_backend(_BACKEND, kwargs, options)


def policy(options: Options, needs: Needs, context: Context) -> Mapping[str, str]:
    """The least policy, by format: `iam` a JSON document, `terraform` a resource with it."""
    encrypts = ("Encrypt",) if options.tier == "standard" else ("Encrypt", "GenerateDataKey")
    return least(PARAMETER_STORE, options, needs, context, encrypts=encrypts)
