"""JSON for Amazon MWAA's `airflow-configuration-options`.

What keys and values may be: ConfigKey and ConfigValue in botocore's model of the service. What it makes of them, variables
of the form AIRFLOW__SECTION__OPTION, and which it sets itself: its container's entry point, aws/amazon-mwaa-docker-images.
"""

from __future__ import annotations

import json
import re

from bootstrap.render.formats import Removed, Values, cannot_hold, each, one_line

_KEY = re.compile(r"[a-z]+([a-z0-9._]*[a-z0-9_]+)?")
_VALUE = re.compile(r"[ -~]+")
_ITS_OWN = re.compile(r"(core\.fernet_key|database\.sql_alchemy_conn)(_cmd|_secret)?")
_LONGEST_KEY, _LONGEST_VALUE = 64, 65536


def text(values: Values, removed: Removed) -> str:  # noqa: ARG001  JSON has no comment to say it in
    """One object, `SECTION.OPTION` → value."""
    options = {_key(section, option): _value(section, option, value) for section, option, value in each(values)}
    return json.dumps(options, indent=2) + "\n"


def _key(section: str, option: str) -> str:
    key = f"{section}.{option}"
    if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
        raise cannot_hold(
            section, option, f"MWAA takes names of {_LONGEST_KEY} lower-case letters, digits and _ at most"
        )
    if _ITS_OWN.fullmatch(key):
        raise cannot_hold(section, option, "MWAA sets it itself, by a variable that wins")
    return key


def _value(section: str, option: str, value: str) -> str:
    held = one_line(section, option, value, escaped=lambda character: not character.isascii())
    if not _VALUE.fullmatch(held):
        raise cannot_hold(section, option, "MWAA takes ASCII alone, and no empty value")
    if len(held) > _LONGEST_VALUE:
        raise cannot_hold(section, option, f"MWAA takes {_LONGEST_VALUE} characters at most")
    return held
