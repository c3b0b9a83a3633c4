"""Starts moto, with corrections.

It signs a GET without a body as if its headers were one, and refuses it: Lambda's API has such GETs; S3's requests carry
a digest of their own, which moto heeds. It takes a policy's pattern for a regular expression, and compares it with no
secret's and no parameter's ARN; it tells in whole seconds when a version was made, and reads the version that was
current once after AWSCURRENT was moved, and moves it in a secret that is scheduled for deletion, too. A test gets a region
of its own, so it must know any.
"""

import os
import re
import time
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, IAMRequest
from moto.secretsmanager.exceptions import InvalidRequestException
from moto.secretsmanager.models import SecretsManagerBackend
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.server import main
from moto.ssm.responses import SimpleSystemManagerResponse

_signed = IAMRequest._create_aws_request
_added = SecretsManagerBackend._add_secret
_moved = SecretsManagerBackend.update_secret_version_stage


def _without_headers_as_body(self: IAMRequest) -> object:
    if self._method == "GET":
        self._data = {}
    return _signed(self)


def _match(pattern: str, string: str) -> object:
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(each, re.escape(each)) for each in pattern), string)


def _secret_arn(self: SecretsManagerResponse) -> str:
    """What AWS compares: the ARN of the secret, with the six characters at its end; one that is to be made gets them."""
    name = self._get_param("SecretId") or self._get_param("Name")
    if not name:
        return "*"
    found = self.backend.secrets.get(name) if name in self.backend.secrets else None
    suffix = "-AbCdEf" if self._get_action() == "CreateSecret" else ""
    return found.arn if found else f"arn:aws:secretsmanager:{self.region}:{self.current_account}:secret:{name}{suffix}"


def _parameter_arn(self: SimpleSystemManagerResponse) -> str:
    name = self._get_param("Name")
    if not isinstance(name, str):
        return "*"
    path = name.partition(":")[0].lstrip("/")
    return f"arn:aws:ssm:{self.region}:{self.current_account}:parameter/{path}"


def _add_to_the_millisecond(self: SecretsManagerBackend, *arguments: Any, **named: Any) -> Any:
    secret, is_new = _added(self, *arguments, **named)
    version = secret.versions.get(named.get("version_id") or "") if is_new else None
    if version:
        version["createdate"] = time.time()
    return secret, is_new


def _move_what_is_current(self: SecretsManagerBackend, *arguments: Any, **named: Any) -> tuple[str, str]:
    if named["secret_id"] in self.secrets and self.secrets[named["secret_id"]].is_deleted():
        raise InvalidRequestException(
            "You can't perform this operation on the secret because it was marked for deletion."
        )
    answer = _moved(self, *arguments, **named)
    secret = self.secrets[named["secret_id"]]
    current = [version for version, it in secret.versions.items() if "AWSCURRENT" in it["version_stages"]]
    secret.set_default_version_id(current[0])  # type: ignore[union-attr]  # a replica, which nobody changes
    return answer


os.environ["MOTO_ALLOW_NONEXISTENT_REGION"] = "true"
IAMRequest._create_aws_request = _without_headers_as_body  # type: ignore[assignment,method-assign]
IAMPolicyStatement._match = staticmethod(_match)  # type: ignore[assignment]
SecretsManagerResponse._determine_resource = _secret_arn  # type: ignore[attr-defined]
SimpleSystemManagerResponse._determine_resource = _parameter_arn  # type: ignore[attr-defined]
SecretsManagerBackend._add_secret = _add_to_the_millisecond  # type: ignore[method-assign]
SecretsManagerBackend.update_secret_version_stage = _move_what_is_current  # type: ignore[method-assign]
main()
