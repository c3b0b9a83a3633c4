from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bootstrap.util.retrying import TokenBucket, retried


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionResetError) -> None:
        self.left = failures
        self.asked: list[float] = []
        self.error = error

    def __call__(self) -> str:
        self.asked.append(time.monotonic())
        if self.left:
            self.left -= 1
            raise self.error(f"failure {self.left}")
        return "answer"


def may_help(err: BaseException) -> float | None:
    return 0.0 if isinstance(err, ConnectionResetError) else None


def test_what_can_be_retried_is_asked_again() -> None:
    request = Flaky(3)
    assert retried(request, may_help) == "answer"
    assert len(request.asked) == 4


def test_what_cannot_be_retried_is_asked_once() -> None:
    request = Flaky(1, ValueError)
    with pytest.raises(ValueError, match="failure 0"):
        retried(request, may_help)
    assert len(request.asked) == 1


def test_the_last_error_is_raised_before_the_time_is_up() -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionResetError, match="failure"):
        retried(Flaky(10**6), may_help, give_up=1.0)
    assert time.monotonic() - began < 60


def test_a_server_that_says_how_long_to_wait_is_heard() -> None:
    request = Flaky(1)
    retried(request, lambda err: 0.5 if may_help(err) is not None else None)
    assert request.asked[1] - request.asked[0] >= 0.5


def test_waits_of_many_clients_differ() -> None:
    def gap(_: int) -> float:
        request = Flaky(1)
        retried(request, may_help)
        return round(request.asked[1] - request.asked[0], 3)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(gap, range(8)))) > 1


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(per_minute=6000, burst=10)
    began = time.monotonic()
    taken: list[float] = []
    lock = threading.Lock()

    def take() -> None:
        bucket.take()
        with lock:
            taken.append(time.monotonic() - began)

    with ThreadPoolExecutor(16) as pool:
        for _ in range(60):
            pool.submit(take)
    assert sum(at < 0.05 for at in taken) <= 16  # the burst, and what its rate gives meanwhile
    assert 0.45 <= max(taken) < 60


def test_a_bucket_fills_no_further_than_its_burst() -> None:
    bucket = TokenBucket(per_minute=6000, burst=2)
    time.sleep(0.2)  # twenty tokens' time
    began = time.monotonic()
    for _ in range(12):
        bucket.take()
    assert time.monotonic() - began >= 0.09
