"""What a check made is gone, however it ended: at its deadline, by ^C, by kill -9 of the whole run."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project, steps
from tests.systems import gcs, google_front

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400), pytest.mark.usefixtures("warm_command_line")]

EMAIL = "airflow@proj.iam.gserviceaccount.com"
MANIFEST = """
version: 1
airflow: {{home: airflow, env: {{STORAGE_EMULATOR_HOST: "{gcs}"}}}}
connections:
  cloud: {{conn_type: google_cloud_platform, checks: [{{gcs: {{bucket: smoke}}}}, {{gcs: {{bucket: smoke, read_only: true}}}}]}}
"""


@dataclass(frozen=True)
class World:
    """A project whose only connection writes into a bucket."""

    project: Project
    storage: gcs.Gcs
    front: google_front.Front
    variables: dict[str, str]

    @property
    def objects(self) -> list[str]:
        return self.storage.objects("smoke")

    def wait_for_object(self) -> None:
        deadline = time.monotonic() + 120
        while not self.objects:
            assert time.monotonic() < deadline, "the check never wrote anything"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[World]:
    with ExitStack() as stack:
        storage = stack.enter_context(gcs.running(tmp_path_factory.mktemp("gcs")))
        front = stack.enter_context(google_front.running(gcs_url=storage.url))
        storage.make_bucket("smoke")
        extra = {"project": "proj", "keyfile_dict": front.service_account(email=EMAIL, project="proj")}
        project = Project(tmp_path_factory.mktemp("cleaning")).with_airflow(template)
        project.write(MANIFEST.format(gcs=front.gcs_url))
        connection = json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
        made = World(project, storage, front, {"AIRFLOW_CONN_CLOUD": connection})
        assert made.objects == []
        yield made


@pytest.fixture
def hanging(world: World) -> Iterator[World]:
    """Reading the object back is never answered."""
    world.front.hang(EMAIL, "storage.objects.get")
    yield world
    world.front.answer_again(EMAIL, "storage.objects.get")


@pytest.mark.parametrize(
    "how", [pytest.param((), id="forked"), pytest.param(("--isolated",), id="isolated", marks=pytest.mark.slow)]
)
def test_a_check_killed_at_its_deadline_is_cleaned_up_after(hanging: World, how: tuple[str, ...]) -> None:
    code, checks, result = hanging.project.smoke("cloud.gcs", "--timeout", "6", *how, **hanging.variables)
    found = checks["cloud.gcs"]
    assert (code, found["cause"], steps(found)["write"]) == (1, "timeout", "failed"), result.text
    assert steps(found)["clean"] == "passed"
    assert hanging.objects == []


def test_an_interrupted_run_is_cleaned_up_after(hanging: World) -> None:
    process = hanging.project.start("smoke", "cloud.gcs", **hanging.variables)
    hanging.wait_for_object()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert hanging.objects == []
    assert _scratch(hanging) == []


def test_what_a_killed_run_left_goes_with_the_next(hanging: World) -> None:
    process = hanging.project.start("smoke", "cloud.gcs", **hanging.variables)
    hanging.wait_for_object()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert hanging.objects != []
    code, _, result = hanging.project.smoke("cloud.gcs-2", **hanging.variables)
    assert code == 0, result.text
    assert hanging.objects == []
    assert _scratch(hanging) == []


@pytest.mark.slow
def test_what_can_not_be_removed_is_said(world: World) -> None:
    world.front.deny(EMAIL, "storage.objects.delete")
    try:
        code, checks, result = world.project.smoke("cloud.gcs", **world.variables)
    finally:
        world.front.allow(EMAIL, "storage.objects.delete")
    found = checks["cloud.gcs"]
    assert (code, found["cause"], steps(found)["clean"]) == (1, "permission", "failed"), result.text
    [left] = world.objects
    assert left in found["warnings"][0]
    assert "storage.objects.delete" in found["hint"]
    gcs.call("DELETE", f"{world.storage.url}/storage/v1/b/smoke/o/{left}")


def _scratch(world: World) -> list[Any]:
    return list((world.project.manifest.parent / ".bootstrap" / "smoke").iterdir())
