"""Each format is loaded back, as the one who takes it does, and read by Airflow: its values are those that were meant."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap.commands.render import FORMATS
from bootstrap.errors import UsageError
from bootstrap.render import formats
from tests.selection import examples
from tests.systems import require

Values: TypeAlias = Mapping[str, Mapping[str, str]]
KWARGS = {
    "url": "https://vault.example.com/%7Eteam/100%",
    "role": 'it\'s "q" {{ .Values.x }} }} {{{{ `a` \\ # ; | ~ , = ^ ü€😀\u2028\x7f\x85\u00a0 line\nbreak\t',
    "home": "$HOME ${HOME} $$ %(here)s %% ~",
    "kv_engine_version": 2,
    "list": [None, True, {"a": {"b": {}}}],
}
REMOVED = [("database", "sql_alchemy_conn")]
CANARY = "hvs.canary-4711"


def as_json(kwargs: object, **how: Any) -> str:
    return json.dumps(kwargs, **how).replace("$", r"\u0024")


VALUES: Values = {
    "secrets": {
        "backend": "airflow.providers.hashicorp.secrets.vault.VaultBackend",
        "backend_kwargs": as_json(KWARGS),
        "use_cache": "True",
    },
    "workers": {"secrets_backend_kwargs": as_json(KWARGS, ensure_ascii=False, indent=2)},
    "core": {"dags_folder": "$HOME/dags", "default_timezone": "no", "max_templated_field_length": "0o14"},
    "logging": {"log_format": '[%(asctime)s] {{ it\'s }} "q" # ; , | = ^ \\'},
    "email": {"subject_template": "~/x"},
}

# Airflow, in one child for all tests

CHILD = """
import json, os, sys
from airflow.configuration import AirflowConfigParser
from airflow._shared.configuration.parser import expand_env_var

print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    os.environ.update(asked["variables"])
    parser = AirflowConfigParser()
    parser.read_string(asked["cfg"])
    read = {}
    for section, options in asked["values"].items():
        for option, value in options.items():
            get = parser.getjson if option.endswith("backend_kwargs") else parser.get
            read.setdefault(section, {})[option] = [get(section, option), expand_env_var(value)]
    for name in asked["variables"]:
        del os.environ[name]
    print(json.dumps(read), flush=True)
"""


@dataclass(frozen=True)
class Airflow:
    """A running Airflow that reads options."""

    child: subprocess.Popen[str]

    def reads(self, values: Values, *, variables: Mapping[str, str] | None = None, cfg: str = "") -> None:
        """Assert that each option has its value: kwargs the same JSON, others the same text after Airflow's expansion."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({"values": values, "variables": variables or {}, "cfg": cfg}) + "\n")
        self.child.stdin.flush()
        found = json.loads(self.line())
        assert {name: set(options) for name, options in found.items()} == {n: set(o) for n, o in values.items()}
        for section, options in values.items():
            for option, value in options.items():
                read, expanded = found[section][option]
                assert read == (json.loads(value) if option.endswith("backend_kwargs") else expanded), (section, option)

    def line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline()


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")), "HOME": "/expanded"}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        made = Airflow(child)
        while made.line() != "ready\n":
            assert child.poll() is None
        yield made
        assert child.stdin is not None
        child.stdin.close()


# How each format is applied


def sourced(text: str, folder: Path, **before: str) -> dict[str, str]:
    """The environment of a real shell's child after it sourced the file."""
    file = folder / "airflow.env"
    file.write_text(text)
    done = subprocess.run(
        ["sh", "-euc", 'set -a; . "$0"; exec env -0', file], env=before, capture_output=True, check=True, text=True
    )
    assert done.stderr == ""
    rows = (row.partition("=") for row in done.stdout.split("\0") if row)
    return {name: value for name, _, value in rows if name.startswith("AIRFLOW__")}


def config_map(text: str) -> str:
    """The airflow.cfg that the chart makes of these values: its template, with `tpl` for the actions that we write."""
    document = yaml.safe_load(text)
    lines = ["data:", "  airflow.cfg: |-"]
    for section, options in document["config"].items():
        lines.append(f"    [{section}]")
        lines += [f"    {option} = {tpl(value)}" for option, value in options.items()]
        lines.append("    ")
    cfg: str = yaml.safe_load("\n".join(lines))["data"]["airflow.cfg"]
    return cfg


def tpl(value: object) -> str:
    """Go's template language, as far as an action is a raw string. Anything else in braces is an error there, too."""
    assert isinstance(value, str), "another type would be written in Go's way"
    rendered = re.sub(r"\{\{`([^`]*)`\}\}", "\0\\1\0", value)
    assert "{{" not in re.sub("\0.*?\0", "", rendered)
    return rendered.replace("\0", "")


def composed(text: str, folder: Path) -> dict[str, str]:
    """The environment that Docker Compose makes of the block."""
    file = folder / "docker-compose.yml"
    block = "".join(f"    {line}\n" for line in text.splitlines())
    file.write_text(f"version: '3'\nservices:\n  airflow:\n    image: apache/airflow\n{block}")
    done = subprocess.run(
        ["docker-compose", "-f", file, "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    service = yaml.safe_load(done.stdout)["services"]["airflow"]
    # `config` prints a file to be read again, so that each `$` is two.
    return {name: value.replace("$$", "$") for name, value in service["environment"].items()}


def overrides(text: str) -> dict[str, str]:
    """What gcloud makes of the arguments that a real shell gives it: `gcloud topic escaping`."""
    shell = ["sh", "-euc", 'gcloud() { printf "%s\\0" "$@"; }; eval "$0"', text]
    *words, _ = subprocess.run(shell, capture_output=True, check=True, text=True).stdout.split("\0")
    head = "composer environments update ENVIRONMENT --location LOCATION --update-airflow-configs"
    assert " ".join(words).partition("=")[0] == head
    value = words[-1].partition("=")[2]
    delimiter = ","
    if value.startswith("^") and "^" in value[1:]:
        delimiter, _, value = value[1:].partition("^")
    return dict(item.partition("=")[::2] for item in value.split(delimiter))


def composer_cfg(text: str) -> str:
    """The overrides as lines of an airflow.cfg."""
    keys = {tuple(key.split("-", 1)): value for key, value in overrides(text).items()}
    sections = {section: {o: v for (s, o), v in keys.items() if s == section} for section, _ in keys}
    return "".join(
        f"[{section}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for section, options in sections.items()
    )


def mwaa_variables(text: str) -> dict[str, str]:
    """The variables that MWAA makes of the options, which the service's own model must take."""
    options = json.loads(text)
    shape = Session().get_service_model("mwaa").operation_model("UpdateEnvironment").input_shape
    report = ParamValidator().validate({"Name": "airflow", "AirflowConfigurationOptions": options}, shape)
    assert not report.has_errors(), report.generate_report()
    model = shape.members["AirflowConfigurationOptions"]
    for name, value in options.items():  # what the service checks, and botocore leaves to it
        for shown, kind in ((name, model.key.metadata), (value, model.value.metadata)):
            assert re.fullmatch(kind["pattern"], shown)
            assert kind["min"] <= len(shown) <= kind["max"]
    return {f"AIRFLOW__{'__'.join(name.split('.', 1)).upper()}": value for name, value in options.items()}


Applied: TypeAlias = Callable[[str, Path], dict[str, Any]]
APPLIED: dict[str, Applied] = {
    "env": lambda text, folder: {"variables": sourced(text, folder)},
    "helm": lambda text, _: {"cfg": config_map(text)},
    "compose": lambda text, folder: {"variables": composed(text, folder)},
    "composer": lambda text, _: {"cfg": composer_cfg(text)},
    "mwaa": lambda text, _: {"variables": mwaa_variables(text)},
}


# All values at once


def takes(name: str) -> Values:
    """What of VALUES the format takes: Composer has a dags_folder of its own, and its `%` is for the user to look at."""
    if name != "composer":
        return VALUES
    return {section: options for section, options in VALUES.items() if section not in {"core", "logging"}}


def test_every_format_is_tried() -> None:
    assert set(APPLIED) == set(formats.NAMES)
    assert list(FORMATS) == ["cfg", *formats.NAMES]


@pytest.mark.airflow
@pytest.mark.parametrize("name", formats.NAMES)
def test_airflow_reads_what_was_meant(name: str, airflow: Airflow, tmp_path: Path) -> None:
    if name == "compose":
        require("docker-compose", "make system-deps")
    airflow.reads(takes(name), **APPLIED[name](formats.text(name, takes(name), REMOVED), tmp_path))


@pytest.mark.airflow
def test_composer_may_write_its_overrides_as_variables(airflow: Airflow) -> None:
    made = overrides(formats.text("composer", takes("composer")))
    variables = {f"AIRFLOW__{key.replace('-', '__', 1).upper()}": value for key, value in made.items()}
    airflow.reads(takes("composer"), variables=variables)


# Any value

printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="$~\ufeff")
hostile = st.sampled_from(["'", '"', "%", "%(", "{{", "}}", "{", ",", "|", "=", "^", "#", ";", "\\", "`", " ", "\\n"])
plain = st.lists(st.one_of(hostile, st.text(printable, max_size=3)), max_size=12).map("".join).map(str.strip)
anything = st.one_of(plain, st.text(max_size=5), st.none(), st.booleans(), st.integers())
kwargs = st.builds(
    as_json,
    st.dictionaries(st.text(max_size=5), st.one_of(anything, st.lists(anything, max_size=2)), max_size=3),
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 1, "\t"]),
)
options = st.fixed_dictionaries({"backend": plain, "backend_kwargs": kwargs, "use_cache": plain})
values = st.fixed_dictionaries({"secrets": options, "workers": options, "a.b": st.fixed_dictionaries({"o_1": plain})})
SLOW = settings(
    max_examples=examples(100),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.airflow
@SLOW
@given(values=values)
@pytest.mark.parametrize("name", ["env", "helm"])
def test_airflow_reads_any_value(name: str, values: Values, airflow: Airflow, tmp_path: Path) -> None:
    airflow.reads(values, **APPLIED[name](formats.text(name, values), tmp_path))


@pytest.mark.airflow
@SLOW
@given(values=values)
def test_airflow_reads_any_value_that_composer_takes(values: Values, airflow: Airflow) -> None:
    without = {name: {key: value.replace("%", "") for key, value in values[name].items()} for name in ("secrets",)}
    text = formats.text("composer", without)
    assert "has a %" not in text
    airflow.reads(without, cfg=composer_cfg(text))
    assert set(overrides(text).values()) >= {without["secrets"]["backend"], without["secrets"]["use_cache"]}


@pytest.mark.airflow
@SLOW
@given(values=values)
def test_airflow_reads_any_value_that_mwaa_takes(values: Values, airflow: Airflow) -> None:
    ascii_only = {
        name: {
            key: value if key == "backend_kwargs" else value.encode("ascii", "ignore").decode().strip() or "x"
            for key, value in values[name].items()
        }
        for name in ("secrets", "workers")
    }
    airflow.reads(ascii_only, variables=mwaa_variables(formats.text("mwaa", ascii_only)))


def readable(value: str) -> str:
    """Without the line breaks that `docker-compose config` takes right and prints wrong: "a\\Nb" as 'a, a break, and b'."""
    return re.sub("[\x85\u2028\u2029]", "", value)


@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\u2029"])
def test_line_breaks_of_unicode_are_escaped_for_compose(sign: str) -> None:
    text = formats.text("compose", {"core": {"option": f"a{sign}b"}})
    assert sign not in text
    assert yaml.safe_load(text)["environment"] == {"AIRFLOW__CORE__OPTION": f"a{sign}b"}


@pytest.mark.airflow
@settings(SLOW, max_examples=3)  # a start of Docker Compose each
@given(many=st.lists(plain, min_size=40, max_size=40), json_texts=st.lists(kwargs, min_size=20, max_size=20))
def test_airflow_reads_any_value_from_compose(
    many: list[str], json_texts: list[str], airflow: Airflow, tmp_path: Path
) -> None:
    require("docker-compose", "make system-deps")
    values = {
        "core": {f"option_{index}": readable(value) for index, value in enumerate(many)},
        "json": {f"x{index}_backend_kwargs": readable(value) for index, value in enumerate(json_texts)},
    }
    airflow.reads(values, variables=composed(formats.text("compose", values), tmp_path))


# What must not be set


def test_env_unsets_what_would_win(tmp_path: Path) -> None:
    text = formats.text("env", {"database": {"sql_alchemy_conn_secret": "db"}}, REMOVED)
    found = sourced(text, tmp_path, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite://", AIRFLOW__CORE__X="theirs")
    assert found == {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET": "db", "AIRFLOW__CORE__X": "theirs"}


def test_helm_switches_off_the_charts_own_variables() -> None:
    removed = [("database", "sql_alchemy_conn"), ("core", "fernet_key"), ("smtp", "smtp_password")]
    text = formats.text("helm", {"core": {"fernet_key_secret": "fernet"}}, removed)
    assert yaml.safe_load(text) == {
        "config": {"core": {"fernet_key_secret": "fernet"}},
        "enableBuiltInSecretEnvVars": {
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN": False,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": False,
            "AIRFLOW__CORE__FERNET_KEY": False,
        },
    }
    assert all(f"[{section}] {option} must not be set" in text for section, option in removed)


def test_compose_says_what_must_not_be_set() -> None:
    text = formats.text("compose", {"database": {"sql_alchemy_conn_cmd": "x"}}, REMOVED)
    assert "# AIRFLOW__DATABASE__SQL_ALCHEMY_CONN must not be set" in text
    assert yaml.safe_load(text) == {"environment": {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "x"}}


def test_composer_leaves_out_what_it_would_refuse_and_says_so() -> None:
    values = {"database": {"sql_alchemy_conn_secret": "db"}, "sentry": {"sentry_dsn_secret": "dsn"}}
    text = formats.text("composer", values, [*REMOVED, ("sentry", "sentry_dsn")])
    assert overrides(text) == {"sentry-sentry_dsn_secret": "dsn"}
    assert "# left out, since Composer sets it itself: [database] sql_alchemy_conn_secret" in text
    assert "# must not be set besides: [sentry] sentry_dsn;" in text
    only = formats.text("composer", {"core": {"fernet_key": "x"}})
    assert all(line.startswith("#") for line in only.splitlines())


def test_composer_says_which_value_has_a_percent_sign() -> None:
    values = {"logging": {"log_format": "%(asctime)s"}, "secrets": {"backend_kwargs": '{"url": "100%"}'}}
    said = [line for line in formats.text("composer", values).splitlines() if "has a %" in line]
    assert len(said) == 1
    assert "get-value logging log_format" in said[0]


# What a format can't hold

REFUSED = [
    ("env", "core", "a-b", "x", "no environment variable can have its name"),
    ("env", "core", "x", f"{CANARY}\0", "character of code 0"),
    ("compose", "core", "x", f"{CANARY}\0", "character of code 0"),
    ("helm", "core", "x", f"{CANARY}\n[core]", "line break"),
    ("helm", "core", "x", f"{CANARY}\u2028", "line break"),
    ("helm", "core", "x", f" {CANARY}", "begins or ends with a space"),
    ("helm", "core]", "x", CANARY, "as it is"),
    ("helm", "core", "x = y", CANARY, "as it is"),
    ("composer", "core", "x", f"{CANARY}\r", "line break"),
    ("composer", "a.b", "x", CANARY, "doesn't take its name"),
    ("composer", "a-b", "x", CANARY, "doesn't take its name"),
    ("composer", "core", "X", CANARY, "doesn't take its name"),
    ("mwaa", "core", "x", f"{CANARY}ü", "ASCII alone"),
    ("mwaa", "core", "x", "", "no empty value"),
    ("mwaa", "core", "fernet_key_secret", CANARY, "sets it itself"),
    ("mwaa", "database", "sql_alchemy_conn_cmd", CANARY, "sets it itself"),
    ("mwaa", "core", "x", "x" * 65537, "65536 characters"),
    ("mwaa", "Core", "x", CANARY, "lower-case"),
    ("mwaa", "core", "x" * 60, CANARY, "64"),
]


@pytest.mark.parametrize(("name", "section", "option", "value", "said"), REFUSED)
def test_what_a_format_cannot_hold_is_an_error_without_the_value(
    name: str, section: str, option: str, value: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        formats.text(name, {section: {option: value}})
    assert f"[{section}] {option}" in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint
    assert CANARY not in caught.value.message + caught.value.hint


def test_a_format_without_options_is_still_one(tmp_path: Path) -> None:
    texts = {name: formats.text(name, {}) for name in formats.NAMES}
    assert sourced(texts["env"], tmp_path) == {}
    assert yaml.safe_load(texts["helm"]) == {"config": {}}
    assert yaml.safe_load(texts["compose"]) == {"environment": {}}
    assert json.loads(texts["mwaa"]) == {}
    assert "gcloud" not in texts["composer"]
