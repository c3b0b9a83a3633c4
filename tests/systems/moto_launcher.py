"""Starts moto, with a correction: it signs a GET without a body as if its headers were one, and refuses it.

Lambda's API has such GETs; S3's requests carry a digest of their own, which moto heeds.
"""

from moto.iam.access_control import IAMRequest
from moto.server import main

_signed = IAMRequest._create_aws_request


def _without_headers_as_body(self: IAMRequest) -> object:
    if self._method == "GET":
        self._data = {}
    return _signed(self)


IAMRequest._create_aws_request = _without_headers_as_body  # type: ignore[assignment,method-assign]
main()
