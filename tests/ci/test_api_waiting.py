"""When the host is asked again, and after how many seconds; what was to change something is never done twice."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ci.api import Api
from runner.ci.refusal import NoAnswer
from runner.ci.waiting import MOST_LIMITS, patient
from runner.stopping import Stop
from tests.ci.events import TOKEN
from tests.ci.test_api import answer, api
from tests.servers import Answer, WebServer

if TYPE_CHECKING:
    from collections.abc import Callable

DATE = "Tue, 20 Aug 2030 14:00:00 GMT"
NOON = 1913464800
"""The same, in seconds."""

GOOD = answer({"id": 1})
MUTATION = "fragment f on X { b } mutation { a }"


class Clock:
    """Time that goes by only while somebody sleeps; and what was said of it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.told: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def waiting(self, server: WebServer, seconds: float = 600.0) -> Api:
        """The API at a server, with so many seconds for all of it."""
        return api(server).waiting(patient(seconds, self.told.append, sleep=self.sleep, clock=lambda: self.now))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limit(status: int = 403, message: str = "API rate limit exceeded for installation.", **headers: str) -> Answer:
    return answer({"message": message}, status, **headers)


USED_UP = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(NOON + 90), "date": DATE}
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


# -- limits -----------------------------------------------------------------------------------------------------------

LIMITS = [
    (limit(**USED_UP), [91]),
    (limit(429, **USED_UP), [91]),
    (limit(**{**USED_UP, "x_ratelimit_reset": str(NOON - 90)}), [1]),
    (limit(message=SECONDARY, retry_after="17"), [17]),
    (limit(429, retry_after="0"), [1]),
    (limit(message=SECONDARY, **USED_UP, retry_after="5"), [5]),
    (limit(message=SECONDARY), [60]),
    (limit(429, message=""), [60]),
    (limit(message="You have triggered an abuse detection mechanism."), [60]),
    (limit(429, retry_after="soon"), [60]),
    (limit(429, retry_after="9" * 5000), [60]),
    (limit(x_ratelimit_remaining="0"), [60]),
    (limit(**{**USED_UP, "date": "yesterday"}), [60]),
]


@pytest.mark.parametrize(("said", "slept"), LIMITS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_limit_is_waited_for_as_long_as_the_host_says(
    clock: Clock, said: Answer, slept: list[float], method: str
) -> None:
    """Also of a wish: behind a limit nothing was done."""
    with WebServer([said, GOOD]) as server:
        one = clock.waiting(server)
        assert (one.get("pulls/7") if method == "GET" else one.send(method, "issues/7/comments", {})).id() == 1
        assert len(server.requests) == 2
    assert clock.slept == slept


def test_a_limit_without_a_time_is_waited_for_twice_as_long_each_time(clock: Clock) -> None:
    with WebServer([limit(429)] * 3 + [GOOD]) as server:
        clock.waiting(server).get("pulls/7")
    assert clock.slept == [60, 120, 240]


@pytest.mark.parametrize("query", ["query { a }", MUTATION])
@pytest.mark.parametrize(
    "errors",
    [
        {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]},
        {"errors": [{"type": "RATE_LIMIT", "message": "API rate limit already exceeded for user ID 1."}]},
        {"data": None, "errors": [{"message": SECONDARY}]},
        {"message": SECONDARY},
    ],
)
def test_the_limits_of_graphql_are_told_in_a_success_and_waited_for_too(
    clock: Clock, query: str, errors: dict[str, Any]
) -> None:
    with WebServer([answer(errors, **USED_UP), answer({"data": {"a": 1}})]) as server:
        assert clock.waiting(server).ask(query).at("a") == 1
    assert clock.slept == [91]


def test_a_mutation_of_which_some_may_be_done_is_not_sent_again_behind_a_limit(clock: Clock) -> None:
    some = {"data": {"a": {"id": 1}, "b": None}, "errors": [{"type": "RATE_LIMITED", "message": "rate limit exceeded"}]}
    with WebServer(answer(some, **USED_UP)) as server, pytest.raises(NoAnswer):
        clock.waiting(server).ask("mutation { a b }")
    assert len(server.requests) == 1


def test_every_wait_is_told_before_it_begins(clock: Clock) -> None:
    with WebServer([limit(**USED_UP), limit(message=SECONDARY), Answer(status=502), GOOD]) as server:
        clock.waiting(server).get("pulls/7/files")
    assert clock.told == [
        "the host's rate limit is reached; waiting 91 s before pulls/7/files is asked again",
        "the host's secondary rate limit is reached; waiting 120 s before pulls/7/files is asked again",
        "the host answers with status 502; waiting 1 s before pulls/7/files is asked again",
    ]


def test_a_limit_that_lasts_longer_than_is_left_of_the_time_is_not_waited_for(clock: Clock) -> None:
    with (
        WebServer(limit(429, retry_after="60")) as server,
        pytest.raises(NoAnswer, match="more than there is time for"),
    ):
        clock.waiting(server, 100).get("pulls/7")
    assert clock.slept == [60]


def test_a_limit_that_lasts_longer_than_there_is_time_is_told_at_once(clock: Clock) -> None:
    with WebServer(limit(**USED_UP)) as server, pytest.raises(NoAnswer) as caught:
        clock.waiting(server, 90).get("pulls/7")
    told = "the host's rate limit is reached, and to wait 91 s for pulls/7 is more than there is time for"
    assert (str(caught.value), caught.value.status, clock.slept) == (told, 403, [])


def test_a_host_that_always_says_soon_is_not_asked_for_ever(clock: Clock) -> None:
    with WebServer(limit(429, retry_after="1")) as server:
        with pytest.raises(NoAnswer, match="rate limit is reached"):
            clock.waiting(server).get("pulls/7")
        assert len(server.requests) == MOST_LIMITS + 1


def test_behind_the_deadline_nothing_is_asked(clock: Clock) -> None:
    with WebServer(GOOD) as server:
        one = clock.waiting(server, 10)
        clock.now += 11
        with pytest.raises(NoAnswer, match="the time for asking the host is over"):
            one.send("POST", "issues/7/comments", {})
        assert server.requests == []


def test_who_has_no_patience_waits_for_nothing() -> None:
    begun = time.monotonic()
    with WebServer(limit(**USED_UP)) as server, pytest.raises(NoAnswer, match="rate limit"):
        api(server).get("pulls/7")
    with WebServer(answer({}, 503, retry_after="30")) as server, pytest.raises(NoAnswer, match="status 503"):
        api(server).get("pulls/7")
    assert time.monotonic() - begun < 1


# -- failures ---------------------------------------------------------------------------------------------------------

CUT = Answer(raw=b'{"id": 1}', reset="during")
FAILURES = [Answer(status=500), Answer(status=502), answer({}, 503), Answer(reset="before"), CUT]


@pytest.mark.parametrize("failure", FAILURES, ids=["500", "502", "503", "reset", "cut"])
def test_a_question_that_fails_is_asked_three_times_more(clock: Clock, failure: Answer) -> None:
    with WebServer([failure, failure, failure, GOOD]) as server:
        assert clock.waiting(server).get("pulls/7").id() == 1
    assert clock.slept == [1, 4, 15]
    with WebServer(failure) as server:
        with pytest.raises(NoAnswer) as caught:
            clock.waiting(server).get("pulls/7")
        assert len(server.requests) == 4
    assert not caught.value.lost


def test_a_host_that_says_when_it_is_back_is_left_alone_until_then(clock: Clock) -> None:
    with WebServer([answer({}, 503, retry_after="30"), GOOD]) as server:
        clock.waiting(server).get("pulls/7")
    assert clock.slept == [30]


@pytest.mark.parametrize("failure", FAILURES, ids=["500", "502", "503", "reset", "cut"])
@pytest.mark.parametrize("kind", ["POST", "PATCH", "DELETE", "mutation"])
def test_a_wish_that_fails_is_never_sent_again_and_nobody_knows_whether_it_was_done(
    clock: Clock, failure: Answer, kind: str
) -> None:
    with WebServer(failure) as server:
        one = clock.waiting(server)
        with pytest.raises(NoAnswer) as caught:
            one.ask(MUTATION) if kind == "mutation" else one.send(kind, "issues/7/comments", {"body": "once"})
        assert len(server.requests) == 1
    assert caught.value.lost
    assert clock.slept == []


@pytest.mark.parametrize("content", ["", "<html>", "[1]", '{"data": null}', '{"data": {"a": '])
def test_a_mutation_whose_answer_says_nothing_may_have_been_done(clock: Clock, content: str) -> None:
    with WebServer(content) as server, pytest.raises(NoAnswer) as caught:
        clock.waiting(server).ask(MUTATION)
    assert caught.value.lost


def test_a_wish_to_a_host_that_is_not_there_is_not_lost() -> None:
    with pytest.raises(NoAnswer) as caught:
        Api("http://127.0.0.1:9", "octocat/hello", TOKEN).send("POST", "issues/7/comments", {})
    assert not caught.value.lost


def test_a_wish_that_is_refused_is_not_lost(clock: Clock) -> None:
    with WebServer(answer({"message": "Validation Failed"}, 422)) as server, pytest.raises(NoAnswer) as caught:
        clock.waiting(server).send("POST", "pulls/7/reviews", {})
    assert (caught.value.status, caught.value.lost) == (422, False)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Something went wrong while executing your query on 2030-08-20. Please include `A:B`…"},
        {"type": "SERVICE_UNAVAILABLE", "message": "busy"},
    ],
)
def test_a_query_that_went_wrong_inside_the_host_is_asked_again_and_a_mutation_is_not(
    clock: Clock, error: dict[str, str]
) -> None:
    wrong = answer({"data": None, "errors": [error]})
    with WebServer([wrong, answer({"data": {"a": 1}})]) as server:
        assert clock.waiting(server).ask("query { a }").at("a") == 1
    with WebServer(wrong) as server:
        with pytest.raises(NoAnswer) as caught:
            clock.waiting(server).ask(MUTATION)
        assert (len(server.requests), caught.value.lost) == (1, True)


# -- while it waits ---------------------------------------------------------------------------------------------------


def test_a_signal_ends_a_wait_at_once() -> None:
    """As it is heard before a run listens for it."""

    def soon() -> None:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    begun, stop = time.monotonic(), Stop(lambda code: None)
    with WebServer(limit(429)) as server, stop.catching(), pytest.raises(KeyboardInterrupt):
        api(server).waiting(patient(600, lambda told: threading.Thread(target=soon).start())).get("pulls/7")
    assert time.monotonic() - begun < 5


# -- any answer at all ------------------------------------------------------------------------------------------------

HEADERS = st.sampled_from(
    ["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "date", "x-accepted-github-permissions"]
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40) | st.sampled_from(
    ["0", "-1", "1e9", "9" * 400, DATE, "pull_requests=write; x", ";;=,="]
)
BODIES = st.binary(max_size=80) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "errors", "type", "data"]), inner),
    max_leaves=8,
).map(lambda one: json.dumps(one).encode())


@pytest.fixture(scope="module")
def scripted() -> Any:
    """A server whose answer is set anew each time."""
    said: list[Answer] = []
    with WebServer(lambda request: said[-1]) as server:
        yield server, said.append


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    status=st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500]),
    headers=st.dictionaries(HEADERS, VALUES),
    body=BODIES,
    question=st.sampled_from(["get", "pages", "send", "query", "mutation"]),
)
def test_whatever_is_answered_it_ends_in_an_answer_or_in_none(
    scripted: tuple[WebServer, Callable[[Answer], None]],
    status: int,
    headers: dict[str, str],
    body: bytes,
    question: str,
) -> None:
    server, say = scripted
    say(Answer(raw=body, status=status, headers=headers))
    clock = Clock()
    one = clock.waiting(server, 100)
    asking = {
        "get": lambda: one.get("pulls/7"),
        "pages": lambda: [*one.pages("pulls")],
        "send": lambda: one.send("PATCH", "pulls/7", {}),
        "query": lambda: one.ask("query { a }"),
        "mutation": lambda: one.ask(MUTATION),
    }
    before = len(server.requests)
    with suppress(NoAnswer):
        asking[question]()
    assert sum(clock.slept) < 100
    assert len(server.requests) - before == 1 or clock.slept
