"""The scratch home: everything that an Airflow which parses DAGs may write to, and the environment of its processes."""

from __future__ import annotations

import contextlib
import os
import site
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.domain.secret import is_sensitive
from bootstrap.scan.run.job import MARK
from bootstrap.scan.sources.roots import project_roots
from bootstrap.util import children
from bootstrap.util.urls import has_login

_BACKEND = "bootstrap.scan.run.recorder.Recorder"
_AIRFLOWS = ("AIRFLOW__", "AIRFLOW_", "_AIRFLOW")
_LEADS_TO_SECRETS = frozenset(  # files, profiles and agents of the user's
    (
        *("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "AWS_PROFILE", "AWS_CONFIG_FILE", "PGPASSFILE", "NETRC"),
        *(
            "AWS_SHARED_CREDENTIALS_FILE",
            "AZURE_CONFIG_DIR",
            "KUBECONFIG",
            "DOCKER_CONFIG",
            "BOTO_CONFIG",
            "PGSERVICEFILE",
        ),
        *(
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
    )
)
_BESIDE = (
    "dags",
    "include",
    "plugins",
    "src",
    "config",
    "data",
    "sql",
)  # what code opens by a path from Airflow's home


@dataclass(frozen=True)
class Home:
    """`folder` holds all the others: `airflow` is the AIRFLOW_HOME and the current folder, `out` has what was seen."""

    folder: Path

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.folder / "airflow"

    @property
    def out(self) -> Path:
        """What was seen."""
        return self.folder / "out"


@contextlib.contextmanager
def scratch_home(dags: Path) -> Iterator[Home]:
    """A new one, gone afterwards. The project's folders are in it as links, so that relative paths lead to them."""
    with tempfile.TemporaryDirectory(prefix="airflow-bootstrap-scan-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder).resolve())
        for each in (home.airflow, home.out, home.folder / "home", home.folder / "tmp"):
            each.mkdir()
        for name in _BESIDE:
            target = dags if name == dags.name else dags.parent / name
            if target.is_dir():
                (home.airflow / name).symlink_to(target)
        if not (home.airflow / "dags").exists():
            (home.airflow / "dags").symlink_to(dags)
        yield home


def environment(home: Home, dags: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process, with the manifest's `variables`, and without the user's Airflow, secrets and home."""
    given = {name: value for name, value in {**children.environment(), **variables}.items() if _is_passed_on(name)}
    return {
        **{name: MARK if is_sensitive(name) or has_login(value) else value for name, value in given.items()},
        **({"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}),  # it is looked for in HOME
        "PATH": os.pathsep.join([given.get("PATH", os.defpath), str(Path(sys.executable).parent)]),
        "HOME": str(home.folder / "home"),
        "TMPDIR": str(home.folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",  # beside the user's modules
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONFIG": str(home.airflow / "airflow.cfg"),
        "SCARF_ANALYTICS": "false",
        **_options(home, dags),
    }


def _options(home: Home, dags: Path) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_plugins(home, dags)),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "0",  # the deadline is ours
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS": "True",
        "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "100",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.airflow / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home.airflow / "logs"),
        "AIRFLOW__SECRETS__BACKEND": _BACKEND,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _plugins(home: Home, dags: Path) -> Path:
    """The user's, else the project's, else none."""
    said = os.environ.get("AIRFLOW__CORE__PLUGINS_FOLDER")
    found = [root for root in project_roots(dags) if root.name == "plugins"]
    return Path(said) if said else found[0] if found else home.airflow / "plugins"


def _is_passed_on(name: str) -> bool:
    return not name.startswith(_AIRFLOWS) and name not in _LEADS_TO_SECRETS
