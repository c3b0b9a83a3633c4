"""A class's arguments are read from its source, wherever its `**kwargs` go; nothing of it runs."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from bootstrap.providers.python_source import Sources
from bootstrap.render.backend_kwargs.check import Checked, check
from bootstrap.render.backend_kwargs.signature import Reader, Signature

BASE = """
import sys
sys.exit("this module was imported")

class Base:
    def __init__(self, url: str, retries: int = 3):
        pass

class Client:
    def __init__(self, /, timeout=5, **options):
        if "debug" in options:
            options.pop("debug")
        self._options = options

    def connect(self):
        return self._options["proxy"]
"""


def written(folder: Path, **modules: str) -> None:
    for name, text in {"nobodys_base": BASE, **modules}.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))


def checked(folder: Path, body: str, **kwargs: object) -> Checked:
    """A class with this body, in a module that can't be imported."""
    written(folder, mine="from nobodys_base import Base, Client\n\n" + textwrap.dedent(body))
    return check("mine.Backend", kwargs, folders=[folder])


def names(answer: Checked) -> tuple[list[str], list[str]]:
    return [problem.kwarg for problem in answer.problems], [warning.kwarg for warning in answer.warnings]


def signature(folder: Path, body: str) -> Signature:
    checked(folder, body)
    sources = Sources([folder])
    module = sources.module("mine")
    definition = sources.find(module, "Backend") if module else None
    assert definition is not None
    return Reader(sources, {}).signature(definition)


WAYS = {  # a class, the arguments that it takes, and whether it may take others
    "no constructor": ("class Backend: pass", "", False),
    "its base's constructor": ("class Backend(Base): pass", "url retries", False),
    "super": (
        """
        class Backend(Base):
            def __init__(self, path="x", **kwargs):
                super().__init__(retries=1, **kwargs)
        """,
        "path url",
        False,
    ),
    "super, over a class without a constructor": (
        """
        class Mixin: pass
        class Backend(Mixin, Base):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
        """,
        "url retries",
        False,
    ),
    "a base by its name": (
        """
        class Backend(Base):
            def __init__(self, **kwargs):
                Base.__init__(self, **kwargs)
        """,
        "url retries",
        False,
    ),
    "a base that isn't there": (
        """
        from nowhere import Unknown
        class Backend(Unknown):
            def __init__(self, path, **kwargs):
                super().__init__(**kwargs)
        """,
        "path",
        True,
    ),
    "a client": (
        """
        class Backend:
            def __init__(self, path, **kwargs):
                self.client = Client(5, **kwargs)
        """,
        "path debug proxy",
        False,
    ),
    "a client that is made later": (
        """
        import nobodys_base as other
        class Backend:
            def __init__(self, *, path, **kwargs):
                self._kwargs: dict = kwargs
            @property
            def client(self):
                return other.Client(**self._kwargs)
        """,
        "path timeout debug proxy",
        False,
    ),
    "a client that a method imports": (
        """
        class Backend:
            def __init__(self, **kwargs):
                self._kwargs = kwargs
            def client(self):
                from nobodys_base import Client as Made
                return Made(**self._kwargs)
        """,
        "timeout debug proxy",
        False,
    ),
    "a client by default": (
        """
        class Backend:
            def __init__(self, client=Client, **kwargs):
                client(timeout=1, **kwargs)
        """,
        "client debug proxy",
        False,
    ),
    "a method": (
        """
        class Backend:
            def __init__(self, **kwargs):
                self._connect(**kwargs)
            def _connect(self, host, *, port=1, **rest):
                pass
        """,
        "host port",
        False,
    ),
    "keys": (
        """
        class Backend:
            def __init__(self, **kwargs):
                self.a, self.b = kwargs["a"], kwargs.get("b")
                del kwargs["c"]
        """,
        "a b c",
        False,
    ),
    "nothing": ("class Backend:\n    def __init__(self, path=None, **kwargs): pass", "path", False),
    "a loop": (
        """
        class Backend:
            def __init__(self, **kwargs):
                for name, value in kwargs.items():
                    setattr(self, name, value)
        """,
        "",
        True,
    ),
    "a mapping that is handed on": (
        """
        class Backend:
            def __init__(self, **kwargs):
                self.options = kwargs
            def client(self):
                return Client(self.options)
        """,
        "",
        True,
    ),
    "a function that isn't known": (
        """
        class Backend:
            def __init__(self, **kwargs):
                make(**kwargs)
        """,
        "",
        True,
    ),
    "itself": (
        """
        class Backend:
            def __init__(self, path, **kwargs):
                self.other = Backend(path, **kwargs)
        """,
        "path",
        True,
    ),
    "a decorator": ("@dataclass\nclass Backend:\n    path: str", "", True),
}


@pytest.mark.parametrize(("body", "takes", "is_open"), WAYS.values(), ids=WAYS)
def test_where_the_arguments_go(tmp_path: Path, body: str, takes: str, is_open: bool) -> None:  # noqa: FBT001
    found = signature(tmp_path, body)
    assert (sorted(found.parameters), found.open) == (sorted(takes.split()), is_open)


def test_types_values_and_what_is_needed(tmp_path: Path) -> None:
    body = """
    from typing import Literal, Optional, Union
    LEVELS = ("low", "high")
    class Backend:
        '''Mine.

        :param old: (Deprecated) Write `path`
            instead.
        :param off: a path; if set to None, nothing is asked.
        '''
        def __init__(self, path: str, on: bool = True, number: Optional[int] = None, factor: float = 1.5,
                     many: "list[str] | None" = None, table: Union[dict, str] = "", old: str = "", off: str = "x",
                     mode: Literal["a", "b"] = "a", level="low", own: Path = None):
            if level not in LEVELS:
                raise ValueError
    """
    fine = {"path": "x", "on": False, "number": 1, "factor": 2, "many": ["a"], "table": {}, "off": None, "own": 1}
    assert names(checked(tmp_path, body, **fine)) == ([], [])
    wrong = {
        "on": "true",
        "number": True,
        "factor": "2",
        "many": [1],
        "table": [],
        "old": None,
        "mode": "c",
        "level": 1,
    }
    assert names(checked(tmp_path, body, **wrong)) == ([*wrong, "path"], ["old"])
    hints = {problem.kwarg: problem.hint for problem in checked(tmp_path, body, **wrong).problems}
    assert hints["on"] == "write true or false, without quotes"
    assert hints["level"] == "there are: low, high"
    assert hints["path"] == "add path"
    assert checked(tmp_path, body, path="x", old="x").warnings[0].hint == "Write `path` instead."
    given = check("mine.Backend", {}, {"path", "number"}, [tmp_path])
    assert [problem.message for problem in given.problems] == [
        "number takes a whole number, and from the environment it comes as text"
    ]


def test_what_a_call_needs_that_may_never_happen_is_not_needed(tmp_path: Path) -> None:
    body = """
    class Backend:
        def __init__(self, remote=False, **kwargs):
            if remote:
                Base(**kwargs)
    """
    assert names(checked(tmp_path, body)) == ([], [])
    assert names(checked(tmp_path, body, url=1)) == (["url"], [])


def test_a_deprecation_in_the_code(tmp_path: Path) -> None:
    body = """
    import warnings
    class Backend:
        def __init__(self, path=None, old=None):
            if old is not None:
                warnings.warn("`old` is deprecated. Write `path`, please.", SomeDeprecationWarning, stacklevel=2)
    """
    answer = checked(tmp_path, body, old="x")
    assert [(warning.kwarg, warning.hint) for warning in answer.warnings] == [("old", "Write `path`, please.")]


def test_an_unknown_argument_of_an_open_class_is_a_warning(tmp_path: Path) -> None:
    body = "class Backend:\n    def __init__(self, connections_path='x', **kwargs): make(**kwargs)"
    answer = checked(tmp_path, body, conections_path="x")
    assert names(answer) == ([], ["conections_path"])
    assert answer.warnings[0].hint == "did you mean connections_path?"
    assert answer.source == "mine (installed)"


def test_a_class_of_ones_own_has_the_rules_of_the_one_that_it_is_derived_from(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        from airflow.providers.hashicorp.secrets.vault import VaultBackend
        class Backend(VaultBackend):
            def __init__(self, team: str = "etl", **kwargs):
                super().__init__(**kwargs)
        """)
    )
    answer = check("mine.Backend", {"auth_type": "approle", "timeout": 3, "taem": "x"}, folders=[tmp_path, *sys.path])
    assert names(answer) == (["taem", "role_id"], ["secret_id"])
    assert answer.problems[0].hint == "did you mean team?"


def test_modules_that_lead_to_others(tmp_path: Path) -> None:
    package = tmp_path / "company"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from .inner import Backend as Backend\n")
    (package / "inner" / "__init__.py").write_text("from ..real import Old\nBackend = Old\n")
    (package / "real.py").write_text("class Old:\n    def __init__(self, path): pass\n")
    assert names(check("company.Backend", {"path": "x"}, folders=[tmp_path])) == ([], [])
    assert names(check("company.Backend", {"pth": "x"}, folders=[tmp_path])) == (["pth", "path"], [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Backend(:", "can't be read"),
        ("Backend = type('Backend', (), {})", "it can't be read"),
        ("from nobodys_base import *", "it can't be read"),
        ("def __getattr__(name): ...", "it can't be read"),
    ],
)
def test_a_class_that_can_not_be_read_is_not_checked(tmp_path: Path, text: str, says: str) -> None:
    written(tmp_path, mine=text)
    answer = check("mine.Backend", {"a": 1}, folders=[tmp_path])
    assert (names(answer), answer.source) == (([], [""]), "")
    assert says in answer.warnings[0].message


def test_a_module_that_its_package_makes_is_not_a_mistake(tmp_path: Path) -> None:
    """As Airflow's packages do with the old names of modules."""
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "__init__.py").write_text('OLD = {"vault": "elsewhere"}\n')
    (tmp_path / "company" / "secrets.py").write_text("")
    assert names(check("company.vault.Backend", {}, folders=[tmp_path])) == ([], [""])
    answer = check("company.secret.Backend", {}, folders=[tmp_path])
    assert [problem.hint for problem in answer.problems] == ["did you mean company.secrets.Backend?"]
