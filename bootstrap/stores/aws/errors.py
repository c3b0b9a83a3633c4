"""Maps AWS's error codes to NotFound, Denied, Unavailable and Malformed.

Codes: docs.aws.amazon.com/secretsmanager/latest/apireference (each action's errors, and CommonErrors), and the same of
/systems-manager/latest/APIReference.
"""

from __future__ import annotations

import re

from bootstrap.domain.secret import foreign
from bootstrap.errors import Denied, Malformed, NotFound, StoreError, Unavailable
from bootstrap.stores.place import Place

# Error codes, some of which AWS also writes with "Exception" at the end: see `is_one`.
THROTTLED = {"RequestLimitExceeded", "SlowDown", "Throttling", "Throttled", "TooManyRequests"}
FAILED = {"InternalFailure", "InternalServerError", "InternalServiceError", "ServiceUnavailable"}
DENIED = {"AccessDenied", "UnauthorizedOperation", "KMSAccessDenied"}
MISSING = ("ResourceNotFoundException", "ParameterNotFound")
_NO_VERSION = "ParameterVersionNotFound"
_KEY_REFUSED = {
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignature",
    "InvalidToken",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
}
_OTHER_KIND = {"HierarchyTypeMismatch", "UnsupportedParameterType"}
_NO_KEY = {"DecryptionFailure", "EncryptionFailure", "InvalidKeyId"}
_DELETED = re.compile(r"marked (for deletion|deleted)|scheduled for deletion")
_NO_VALUE = re.compile(r"can't find the specified secret value")
_ACTION = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)(?: on (?:the )?resource: (?P<resource>\S+))?")
_XML = re.compile(r"<Code>(?P<code>\w+)</Code>\s*(?:<Message>(?P<message>.*?)</Message>)?", re.DOTALL)
DELETED = "was deleted (it is scheduled for deletion)"
_CHECK_PLACE = "check the store's region and endpoint_url"
_CHECK_AUTH = "check the store's auth in the manifest; a key may be deleted, inactive or expired"
_CLOCK = "set this machine's clock: AWS takes no request that is minutes off"


class Told(Exception):
    """An answer that whoever asked wants to judge: its code, and what it says."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(code)
        self.code = code
        self.said = said

    @property
    def is_deleted(self) -> bool:
        """True if it says that the secret is scheduled for deletion."""
        return _DELETED.search(self.said) is not None


def told(err: BaseException) -> tuple[str, str]:
    """The code and the text of an answer; ('', '') for an error that is none.

    Where JSON was expected and something else came, botocore makes a code of the HTTP status, and a text of all of it:
    S3, STS and emulators answer in XML.
    """
    response = getattr(err, "response", None)
    error = response.get("Error") if isinstance(response, dict) else None
    if not isinstance(error, dict):
        return "", ""
    code, text = str(error.get("Code", "")), str(error.get("Message", ""))
    inside = _XML.search(text) if code.isdigit() else None
    if inside is not None:
        code, text = inside["code"], inside["message"] or ""
    return foreign(code), " ".join(foreign(text).split())[:500]


def is_one(code: str, codes: set[str]) -> bool:
    """True if an answer's code is one of these."""
    return code.removesuffix("Exception") in codes


def translated(place: Place, err: BaseException) -> StoreError:
    """The failure that `err` means, an exception of botocore's."""
    code, said = told(err)
    if not code:
        return _unanswered(place, err)
    if code.isdigit():  # whoever it was, it was not AWS
        return not_aws(place, f"HTTP {code}")
    return _refused(place, code, said) or _answered(place, code, said)


def _answered(place: Place, code: str, said: str) -> StoreError:
    if code in (*MISSING, _NO_VERSION):
        return _missing(place, code, said)
    if code == "InvalidRequestException" and _DELETED.search(said):
        return NotFound(f"{place}: {DELETED}", place.put)
    if is_one(code, THROTTLED):
        return Unavailable(f"{place}: AWS limits the rate of requests: {said or code}", "try again later")
    if is_one(code, _OTHER_KIND):
        message = f"{place}: there is a parameter of another type: {said or code}"
        return Malformed(message, "delete it, and run this again")
    if is_one(code, FAILED):
        message = f"{place}: the server failed: {code}: {said}"
        return Unavailable(message, "try again; see https://health.aws.amazon.com")
    return Unavailable(f"{place}: the store can't do this: {code}: {said}", _CHECK_PLACE)


def _missing(place: Place, code: str, said: str) -> NotFound:
    listing = f"airflow-bootstrap store list {place.store}"
    if code == _NO_VERSION or (place.version is not None and _NO_VALUE.search(said)):
        return NotFound(f"{place}: there is no such version", listing)
    if _NO_VALUE.search(said):
        return NotFound(f"{place}: the secret has no value yet", place.put)
    if place.version is not None:
        return NotFound(f"{place.missing}, or it has no such version", listing)
    return NotFound(place.missing, place.put)


def _refused(place: Place, code: str, said: str) -> StoreError | None:
    if is_one(code, DENIED):
        return Denied(f"{place}: the store refused: {said or code}", _grant(said))
    if is_one(code, _KEY_REFUSED):
        hint = _CLOCK if "Skewed" in code or "Signature expired" in said or "not yet current" in said else _CHECK_AUTH
        return Denied(f"{place}: AWS refused the credential: {code}: {said}", hint)
    if code in _NO_KEY or code.startswith("KMS"):
        return Unavailable(f"{place}: the KMS key can't be used: {code}: {said}", "enable the key, or correct key_id")
    return None


def _grant(said: str) -> str:
    if "explicit deny" in said:
        return "take that out of the policy which denies it; granting it elsewhere doesn't help"
    found = _ACTION.search(said)
    if found is not None:
        resource = f" on {found['resource']}" if found["resource"] else ""
        return f"grant {found['action']}{resource} to the store's user or role: see `store policy`"
    if re.search("KMS|key", said):
        return "grant kms:Decrypt (and kms:GenerateDataKey, to write) on the secret's KMS key"
    return "check the policies of the store's user or role: see `store policy`"


def not_aws(place: Place, what: str) -> Unavailable:
    """Something answers, and it is not AWS."""
    return Unavailable(f"{place}: the answer is not that of AWS ({what})", _CHECK_PLACE)


_NO_CREDENTIAL = {
    "CredentialRetrievalError",
    "InvalidConfigError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "ConfigNotFound",
    "ConfigParseError",
    "LoginError",
    "MetadataRetrievalError",
    "RefreshWithMFAUnsupportedError",
    "InfiniteLoopConfigError",
    "UnknownCredentialError",
}
_SSO = {"SSOError", "TokenRetrievalError"}
_UNREACHABLE = {"HTTPClientError", "ConnectionError"}


def _unanswered(place: Place, err: BaseException) -> StoreError:
    """What botocore says of a request that was not sent, or not answered; by the names of its classes."""
    names = {kind.__name__ for kind in type(err).__mro__}
    said = " ".join(foreign(err).split())[:500]
    if names & _SSO:
        return Denied(f"{place}: the session of single sign-on can't be used: {said}", "aws sso login")
    if names & _NO_CREDENTIAL:
        return Denied(f"{place}: there is no credential: {said}", _CHECK_AUTH)
    if "SSLError" in names:
        hint = "let AWS_CA_BUNDLE name a file with the authority that signed the certificate"
        return Unavailable(f"{place}: can't reach the server: {said}", hint)
    if names & _UNREACHABLE:
        message = f"{place}: can't reach the server: {said}"
        return Unavailable(message, "check the network, its proxy, and the store's region")
    if "ResponseParserError" in names:
        return not_aws(place, "not JSON")
    return Unavailable(f"{place}: the store can't make sense of the request: {said}", _CHECK_PLACE)
