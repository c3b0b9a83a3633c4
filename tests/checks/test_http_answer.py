"""What the check `http` makes of answers and redirects, at real servers, without Airflow around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from bootstrap.checks import _http_answer, _http_session, http
from bootstrap.checks.base import Diagnosed
from tests.systems import liar
from tests.systems.in_process import Answer, Request, http_server, json_answer, serving
from tests.systems.process import HOST

pytestmark = pytest.mark.airflow
SECRETS = {"Authorization": "Bearer CANARY", "X-API-Key": "CANARY", "Cookie": "sid=CANARY"}


class Hook:
    """What HttpHook has of an HttpHook; a mock, as Airflow's asks Airflow for its connection."""

    method = "GET"

    def __init__(self, url: str, **session: Any) -> None:
        self.url, self.session = url, session

    def get_conn(self) -> requests.Session:
        session = requests.Session()
        session.headers.update(self.session.get("headers", {}))
        session.auth, session.cert = self.session.get("auth"), self.session.get("cert")
        return session

    def url_from_endpoint(self, path: str) -> str:
        return f"{self.url}/{path}"


@contextmanager
def answering(answer: Any) -> Iterator[tuple[str, list[Request]]]:
    """A server's URL, and what it was asked."""
    asked: list[Request] = []

    def recorded(request: Request) -> Answer:
        asked.append(request)
        found: Answer = answer(request)
        return found

    with serving(http_server(recorded)) as port:
        yield f"http://{HOST}:{port}", asked


def get(hook: Hook, *, elsewhere: bool) -> requests.Response:
    with _http_session.guarded(hook, elsewhere=elsewhere).get_conn() as session:
        found: requests.Response = session.get(hook.url_from_endpoint("a"), timeout=10)
        return found


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("how", [{"auth": ("etl", "CANARY")}, {"headers": SECRETS}, {"headers": {"X-Own": "CANARY"}}])
def test_no_other_host_or_port_gets_what_the_connection_says(how: dict[str, Any], elsewhere: bool) -> None:  # noqa: FBT001
    with answering(lambda _: Answer(200)) as (there, asked):
        for address in (there, there.replace(HOST, "localhost")):
            with answering(lambda _, to=address: Answer(302, b"", [("Location", f"{to}/b")])) as (here, _):
                assert get(Hook(here, **how), elsewhere=elsewhere).status_code == (200 if elsewhere else 302)
    assert len(asked) == (2 if elsewhere else 0)
    assert not any("CANARY" in str(request.headers) or "Authorization" in request.headers for request in asked)


def test_a_client_certificate_is_shown_to_no_other_host() -> None:
    with (
        answering(lambda _: Answer(200)) as (there, asked),
        answering(lambda _: Answer(302, b"", [("Location", f"{there}/b")])) as (here, _),
    ):
        assert get(Hook(here, cert=__file__), elsewhere=True).status_code == 302
    assert not asked


def test_on_the_same_host_the_credential_goes_with_the_redirect() -> None:
    moved = lambda request: Answer(302, b"", [("Location", "/b")]) if request.path == "/a" else Answer(200)  # noqa: E731
    with answering(moved) as (here, asked):
        assert get(Hook(here, auth=("etl", "CANARY")), elsewhere=False).status_code == 200
    assert [("Authorization" in request.headers) for request in asked] == [True, True]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "asked"),
        (403, "asked"),
        (404, "asked"),
        (302, "asked"),
        (200, "unasked"),
        (204, "unasked"),
        (500, "unknown"),
        (429, "unknown"),
    ],
)
def test_a_stranger_is_asked_first_who_names_no_account(
    monkeypatch: pytest.MonkeyPatch, status: int, expected: str
) -> None:
    monkeypatch.setattr("requests.sessions.get_netrc_auth", lambda *_: ("netrc", "CANARY"))
    with answering(lambda _: Answer(status, b"", [("Location", "/b")])) as (here, asked):
        assert _http_session.asked(Hook(here, auth=("etl", "CANARY"), headers=SECRETS), "a") == expected
    (only,) = asked
    assert only.path == "/a"
    assert not {"Authorization", "Cookie", "X-API-Key"} & set(only.headers)


@pytest.mark.parametrize("how", [{"auth": ("etl", "CANARY")}, {"cert": __file__}, {"headers": {"X-API-Key": "CANARY"}}])
def test_a_login_a_certificate_and_a_secret_header_are_credentials(how: dict[str, Any]) -> None:
    with answering(lambda _: Answer(200)) as (here, _):
        assert _http_session.asked(Hook(here, **how), "a") == "unasked"


def test_without_a_credential_nobody_is_asked() -> None:
    with answering(lambda _: Answer(200)) as (here, asked):
        assert _http_session.asked(Hook(here, headers={"Accept": "x"}), "a") == "none"
    assert not asked


def judged(content: object, **params: Any) -> None:
    with answering(lambda _: content if isinstance(content, Answer) else json_answer(200, content)) as (here, _):
        response = requests.get(here, stream=True, timeout=10)
        _http_answer.require(response, http.Params(**params))


STATUS = {"sealed": False, "version": 2, "data": {"items": [{"id": 1, "name": "a"}, {"id": 2}]}, "none": None}


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"sealed": False},
        {"version": 2, "none": None},
        {"data": {"items": [{"id": 2}]}},
        {"data": {"items": [{"id": 2}, {"name": "a"}]}},
        {"data": {"items": []}},
    ],
)
def test_expect_json_is_a_part_of_the_answer(wanted: object) -> None:
    judged(STATUS, expect_json=wanted)


@pytest.mark.parametrize(
    ("content", "wanted", "says"),
    [
        (STATUS, {"sealed": True}, "the answer.sealed isn't true"),
        (STATUS, {"sealed": 0}, "the answer.sealed isn't 0"),
        (STATUS, {"version": "2"}, 'the answer.version isn\'t "2"'),
        (STATUS, {"nope": None}, "the answer has no 'nope'"),
        (STATUS, {"data": {"items": [{"id": 3}]}}, 'the answer.data.items has no item {"id": 3}'),
        (STATUS, {"data": []}, "the answer.data is no list"),
        (STATUS, [], "the answer is no list"),
        (STATUS, None, "the answer isn't null"),
        ([], {}, "the answer is no object"),
        (None, {}, "the answer is no object"),
        (
            Answer(200, b"<html>", [("Content-Type", "text/html; charset=x")]),
            {},
            "the answer is no JSON, but text/html",
        ),
        (Answer(200), None, "the answer is no JSON, but nothing"),
        (Answer(200, b"[" * 10**6), [], "the answer is no JSON"),
    ],
)
def test_expect_json_says_where_the_answer_differs(content: object, wanted: object, says: str) -> None:
    with pytest.raises(Diagnosed) as raised:
        judged(content, expect_json=wanted)
    assert str(raised.value).startswith(says)


def test_expect_status_is_a_number_or_a_list() -> None:
    judged(Answer(404), expect_status=[200, 404])
    with pytest.raises(Diagnosed, match=r"500 .*instead of 200 or 404"):
        judged(Answer(500), expect_status=[200, 404])
    with pytest.raises(ValidationError):
        http.Params(expect_status=[])


def test_a_text_and_json_are_expected_of_one_answer() -> None:
    judged(STATUS, expect_json={"sealed": False}, expect_text='"version": 2')
    with pytest.raises(Diagnosed, match="no '3'"):
        judged(STATUS, expect_json={"sealed": False}, expect_text="3")


def test_what_is_expected_makes_a_page_the_right_one() -> None:
    page = liar.ANSWERS["html"](SimpleNamespace(target="/"))  # type: ignore[arg-type]
    judged(page, expect_text="sign in")
    with pytest.raises(Diagnosed, match="asks to sign in"):
        judged(page, expect_status=200)


@pytest.mark.parametrize(
    ("first", "last", "same"),
    [
        ("http://a/x", "https://a/x", True),
        ("http://a:80/x", "https://a:443/x", True),
        ("https://a/x", "http://a/x", False),
        ("http://a:8080/x", "https://a:8443/x", False),
        ("http://a/x", "http://a:8080/x", False),
        ("http://A/x", "http://a/x", True),
        ("http://a/x", "http://a.b/x", False),
        ("https://a:444/x", "https://a/x", False),
    ],
)
def test_an_origin_is_a_scheme_a_host_and_a_port(first: str, last: str, same: bool) -> None:  # noqa: FBT001
    assert _http_session.same_origin(first, last) is same


def test_a_changed_query_is_another_address() -> None:
    with ExitStack() as stack:
        url = stack.enter_context(liar.speaking_http("query"))
        response = requests.get(f"{url}/api", stream=True, timeout=10)
        with pytest.raises(Diagnosed, match=r"/api redirects to http://.*/api\?login=…$"):
            _http_answer.require(response, http.Params())
