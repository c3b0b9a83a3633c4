"""AB301: secrets in the code. What is found is named by its kind and line, and never shown.

detect-secrets knows how the keys of services look; a literal with a secret's name, and a URI with a password, are judged here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bootstrap.scan.risks.base import DagFile, Found
from bootstrap.scan.risks.literals import Named, named_literals

if TYPE_CHECKING:
    from detect_secrets.plugins.base import RegexBasedDetector

# Plugins of detect-secrets for keys that can't be mistaken, with what to call their finds. The others (IBM's, Artifactory's)
# go by the names of variables, as we do
_PLUGINS = {
    "aws.AWSKeyDetector": "an AWS access key",
    "azure_storage_key.AzureStorageKeyDetector": "an Azure storage key",
    "discord.DiscordBotTokenDetector": "a Discord bot token",
    "github_token.GitHubTokenDetector": "a GitHub token",
    "gitlab_token.GitLabTokenDetector": "a GitLab token",
    "jwt.JwtTokenDetector": "a JSON web token",
    "mailchimp.MailchimpDetector": "a Mailchimp key",
    "npm.NpmDetector": "an npm token",
    "openai.OpenAIDetector": "an OpenAI key",
    "private_key.PrivateKeyDetector": "a private key",
    "pypi_token.PypiTokenDetector": "a PyPI token",
    "sendgrid.SendGridDetector": "a SendGrid key",
    "slack.SlackDetector": "a Slack token",
    "square_oauth.SquareOAuthDetector": "a Square key",
    "stripe.StripeDetector": "a Stripe key",
    "telegram_token.TelegramBotTokenDetector": "a Telegram token",
    "twilio.TwilioKeyDetector": "a Twilio key",
}
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@'\"<>]*:(?P<password>[^\s/@'\"]+)@[^\s'\"]", re.IGNORECASE)
_CERTAIN = re.compile(
    r"(^|_)(password|passwd|pwd|passphrase|secret_access_key|secret_key|client_secret|api_?key|access_token|auth_token)$",
    re.IGNORECASE,
)  # names of secrets
_LIKELY = re.compile(
    r"(^|_)(secret|token|private_key|credentials?|auth|authorization|access_key)$", re.IGNORECASE
)  # … and of others
_PLACEHOLDER = re.compile(
    r"\{|\}|\$|%\(|%s|<|>|\*\*|xxx|\.\.\.|…|^(.)\1*$|change.?(me|it)|your|example|placeholder|dummy|fake|redacted|replace|insert"
    r"|to.?do|^(my|the|a|some|test|any|db)?[-_]?(user|username|login)?[-_]?"
    r"(pass|password|passwd|pwd|passphrase|secret|token|key|apikey|api[-_]?key|value|none|null|string|str|text|varchar|bool)$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"pass(word|wd)|secret|token|key|cred|version|projects?/|://|^arn:|^[a-z0-9]+([_-][a-z]+)+$|^[/.]|\.(json|pem|ya?ml|txt)$|\s",
    re.IGNORECASE,
)  # the name of a secret somewhere else: a Variable, a file, a Kubernetes secret; or a sentence
_TRIES = re.compile(r"^(test|foo|bar|baz|abc|abcd?1234?|1234*5*6*7*8*9*0*)$", re.IGNORECASE)
_TESTS = re.compile(r"(^|/)(tests?/|test_[^/]*$|conftest\.py$)|_test\.py$")  # whose passwords are made up
_RANDOM = 3.5  # bits per character; English words have less, and keys have more
_SHORTEST = 16  # of a text that only its name and its looks make a secret


def secrets(file: DagFile) -> Iterator[Found]:
    """Secrets of a file, each line once."""
    lines: dict[int, Found] = {}
    named = () if _TESTS.search(file.name) else (*_uris(file.source.text), *_literals(file))
    for found in (*_looks(file.source.text), *named):
        lines.setdefault(found.line, found)
    yield from lines.values()


def _found(line: int, kind: str, last: int = 0) -> Found:
    return Found(line, f"{kind} stands in the code", last=last)


@cache
def _plugins() -> list[tuple[RegexBasedDetector, str]]:
    made = []
    for name, kind in _PLUGINS.items():
        module, _, plugin = name.partition(".")
        made.append((getattr(import_module(f"detect_secrets.plugins.{module}"), plugin)(), kind))
    return made


def _looks(text: str) -> Iterator[Found]:
    """What looks like a service's key. A plugin is only asked of lines where its patterns match: asking of each is 100 times slower."""
    for plugin, kind in _plugins():
        for line in sorted(
            {_line(text, match.start()) for pattern in plugin.denylist for match in pattern.finditer(text)}
        ):
            shown = _text_of(text, line)
            if any(not _is_placeholder(str(secret)) for secret in plugin.analyze_string(shown)):
                yield _found(line, kind)


def _uris(text: str) -> Iterator[Found]:
    for match in _URI.finditer(text):
        if not _is_placeholder(unquote(match["password"])):
            yield _found(_line(text, match.start()), "a URI with a password")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _text_of(text: str, line: int) -> str:
    return text.split("\n", line)[line - 1]


def _literals(file: DagFile) -> Iterator[Found]:
    for literal in named_literals(file.source.tree):
        kind = _kind(literal)
        if kind:
            yield _found(literal.line, kind, literal.last)


def _kind(literal: Named) -> str:
    """What it is, as `a password`; "" for no secret."""
    if literal.name.upper().startswith("AIRFLOW_CONN_") and _has_password(literal.text):
        return "a connection with a password"
    if _is_placeholder(literal.text) or literal.text.casefold() == literal.name.casefold():
        return ""
    word = literal.name.rpartition(".")[2].casefold()
    if _CERTAIN.search(word) and (_takes_secrets(literal.call) or not _REFERENCE.search(literal.text)):
        return f"a literal {word}"
    if _LIKELY.search(word) and _is_random(literal.text.removeprefix("Bearer ").removeprefix("Basic ")):
        return f"a literal {word}"
    return ""


def _takes_secrets(call: str) -> bool:
    return call == "Connection" or call.endswith(("Hook", "Operator", "Sensor"))


def _has_password(connection: str) -> bool:
    """True for a connection as JSON with a password that is one; a URI's is found by itself."""
    try:
        fields = json.loads(connection)
    except ValueError:
        return False
    password = fields.get("password") if isinstance(fields, dict) else None
    return isinstance(password, str) and not _is_placeholder(password)


def _is_placeholder(text: str) -> bool:
    return not text.strip() or bool(_PLACEHOLDER.search(text)) or bool(_TRIES.search(text))


def _is_random(text: str) -> bool:
    from detect_secrets.filters.heuristic import is_potential_uuid, is_sequential_string
    from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString

    if len(text) < _SHORTEST or _REFERENCE.search(text) or is_potential_uuid(text) or is_sequential_string(text):
        return False
    mixed = any(each.isdigit() for each in text) and any(each.isalpha() for each in text)
    return mixed and Base64HighEntropyString(_RANDOM).calculate_shannon_entropy(text) > _RANDOM
