"""The wheel stands on its own: in an empty environment it has its templates and renders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bootstrap import __version__
from tests.project import ROOT

MANIFEST = """
version: 1
stores: {team: {kind: vault, url: "https://vault.example.com", mount: airflow}}
backend: {store: team}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(lambda name: (ROOT / name).is_file(), listed.splitlines()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_package_and_its_templates_and_nothing_else(wheel: Path) -> None:
    assert __version__ in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert "bootstrap/templates/airflow.cfg.j2" in names
    assert "bootstrap/templates/backends.json" in names
    assert "bootstrap/templates/starter.yaml" in names
    assert "bootstrap/smoke/dags/airflow_bootstrap_smoke.py" in names
    assert {name.split("/")[0] for name in names} == {
        "airflow_bootstrap.py",
        "bootstrap",
        f"airflow_bootstrap-{__version__}.dist-info",
    }


def test_it_renders_in_an_empty_environment_without_airflow(wheel: Path, tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "HOME": str(tmp_path), "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", _cache())}
    subprocess.run([uv, "venv", "-q", tmp_path / "venv"], check=True, env=environment)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, wheel], check=True, env=environment)
    (tmp_path / "bootstrap.yaml").write_text(MANIFEST)
    done = subprocess.run(
        [python.with_name("airflow-bootstrap"), "render", "-o", "-"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"url": "https://vault.example.com"' in done.stdout
    missing = subprocess.run([python, "-c", "import airflow"], capture_output=True, check=False)
    assert missing.returncode == 1


def _cache() -> str:
    return str(Path("~/.cache/uv").expanduser())
