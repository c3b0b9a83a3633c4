"""For tests that have the fixture `airflow_session`, and need an Airflow that is no fork of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootstrap.airflow.session import AirflowSession


@contextmanager
def apart(session: AirflowSession) -> Iterator[None]:
    """Meanwhile, each Airflow is started for itself."""
    session.leave()
    try:
        yield
    finally:
        session.__enter__()
