"""Service accounts as Google keeps them: keys, access tokens, and what an account may not do."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .in_process import json_answer

if TYPE_CHECKING:
    from .in_process import Answer, Request

# Where real keys are presented. google-auth signs for this audience whatever the key's token_uri says.
TOKEN_URI = "https://oauth2.googleapis.com/token"

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TOKEN_SECONDS = 3600
_KEY_BITS, _EXPONENT = 2048, 65537
_BAD_SIGNATURE = "Invalid JWT Signature."
_BAD_TIME = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class InvalidGrant(Exception):
    """A JWT that Google would not take, with Google's words for it."""


@dataclass
class Key:
    """What Google keeps of a key. `refusals`: so many more requests for a token are refused, as of a key that isn't known
    everywhere yet; `hidden`: so many more listings are without it; `used`: when it last brought a token.
    """

    id: str
    email: str
    project: str
    public: rsa.RSAPublicKey = field(repr=False)
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    disabled: bool = False
    uploaded: bool = False
    refusals: int = 0
    hidden: int = 0
    used: datetime | None = None


@dataclass
class Accounts:
    """The accounts that one server knows; `token_uri` is where their keys are presented."""

    token_uri: str = TOKEN_URI
    projects: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict, repr=False)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)
    _denied: set[tuple[str, str]] = field(default_factory=set)

    def service_account(self, email: str, project: str) -> dict[str, str]:
        """Return a new key of this account, made at need, as the content of its JSON file."""
        private = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
        key_id = secrets.token_hex(20)
        self.projects[email] = project
        self.keys[key_id] = Key(key_id, email, project, private.public_key())
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": key_id,
            "private_key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "client_email": email,
            "client_id": str(secrets.randbelow(10**21)),
            "token_uri": self.token_uri,
            "universe_domain": "googleapis.com",
        }

    def delete_key(self, key_id: str) -> None:
        """Forget a key; as with Google, the access tokens that it has brought live on."""
        del self.keys[key_id]

    def deny(self, email: str, permission: str) -> None:
        """Take a permission from an account; else it has all."""
        self._denied.add((email, permission))

    def allow(self, email: str, permission: str) -> None:
        """Give a permission back."""
        self._denied.discard((email, permission))

    def may(self, email: str, permission: str) -> bool:
        """Tell whether the account has the permission."""
        return (email, permission) not in self._denied

    def answer_token(self, request: Request) -> Answer:
        """Answer a POST of the token endpoint (RFC 7523)."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != _GRANT:
            refusal = {"error": "unsupported_grant_type", "error_description": "Invalid grant_type: "}
            return json_answer(HTTPStatus.BAD_REQUEST, refusal)
        try:
            email = self._verified(form.get("assertion", ""), audience=TOKEN_URI)["iss"]
        except InvalidGrant as error:
            refusal = {"error": "invalid_grant", "error_description": str(error)}
            return json_answer(HTTPStatus.BAD_REQUEST, refusal)
        granted = {"access_token": self.token(email), "expires_in": _TOKEN_SECONDS - 1, "token_type": "Bearer"}
        return json_answer(HTTPStatus.OK, granted)

    def token(self, email: str) -> str:
        """Give an access token of this account, as its key would bring."""
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._tokens[token] = (email, time.monotonic() + _TOKEN_SECONDS)
        return token

    def email(self, bearer: str | None, audience: str = "") -> str | None:
        """Return whose token this is, None if nobody's.

        A token is one that we gave, or a JWT that its account signed itself for `audience`, the URL of
        a service, or for a scope (Google's AIP-4111; what gRPC clients send).
        """
        email, end = self._tokens.get(bearer or "", ("", 0.0))
        if time.monotonic() < end:
            return email
        try:
            claims = self._verified(bearer or "")
        except InvalidGrant:
            return None
        meant = claims["aud"] == audience if "aud" in claims else _SCOPE in claims.get("scope", "").split()
        return str(claims["iss"]) if meant and claims.get("sub") == claims["iss"] else None

    def _verified(self, token: str, audience: str | None = None) -> dict[str, Any]:
        """Return the claims of a JWT that one of our accounts signed. Raises InvalidGrant."""
        options: Any = {"require": ["iss", "iat", "exp"], "verify_aud": audience is not None}
        try:
            key = self._key(token)
            claims: dict[str, Any] = jwt.decode(
                token, key.public, algorithms=["RS256"], audience=audience, issuer=key.email, options=options
            )
        except jwt.InvalidAudienceError as error:
            raise InvalidGrant("Invalid JWT: Failed audience check.") from error
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError, jwt.MissingRequiredClaimError) as error:
            raise InvalidGrant(_BAD_TIME) from error
        except jwt.PyJWTError as error:
            raise InvalidGrant(_BAD_SIGNATURE) from error
        if claims["exp"] - claims["iat"] > _TOKEN_SECONDS:
            raise InvalidGrant(_BAD_TIME)
        key.used = datetime.now(timezone.utc)
        return claims

    def _key(self, token: str) -> Key:
        """Return the key that a JWT says it is signed with. Raises InvalidGrant, jwt.PyJWTError."""
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        if issuer not in self.projects:
            raise InvalidGrant("Invalid grant: account not found")
        key = self.keys.get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None or key.disabled:
            raise InvalidGrant(_BAD_SIGNATURE)
        if key.refusals > 0:
            key.refusals -= 1
            raise InvalidGrant(_BAD_SIGNATURE)
        return key
