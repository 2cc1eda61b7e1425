"""The benchmarks measure what they say, count what came, and fail where a limit does not hold."""

from __future__ import annotations

import asyncio
import http.client
import importlib
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks import children
from benchmarks import server as server_module
from benchmarks.__main__ import CASES, EXTRA, judged, main
from benchmarks.calls import answers, calls, throttled
from benchmarks.children import Job, bare, engine
from benchmarks.image import image
from benchmarks.job import job
from benchmarks.measure import ROOT, Ended
from benchmarks.page import NUMBERS, PAGE, page
from benchmarks.parallel import parallel
from benchmarks.recordings import recordings
from benchmarks.row import Figure, Limit, Row, of_json, table
from benchmarks.scale import branches, large, scale
from benchmarks.seed import caching, pooling, statistics
from benchmarks.server import Service
from benchmarks.specs import WARM_UP, wide
from benchmarks.start import start
from runner.main import main as runner_main

# -- the server -------------------------------------------------------------------------------------------------------


def ask(connection: http.client.HTTPConnection, question: str, **changed: object) -> tuple[int, bytes]:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": question}], **changed}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": "Bearer none"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def connected(url: str) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10))


def test_the_server_counts_what_came_and_not_what_warmed_up():
    with threaded(Job({}, 3, delay_s=0.001)) as (url, counts), connected(url) as one, connected(url) as other:
        assert ask(one, WARM_UP)[0] == 200
        assert [ask(connection, f"task {number}")[0] for number, connection in enumerate((one, one, other))] == [
            200
        ] * 3
    assert {name: counts[name] for name in ("requests", "questions", "connections", "most", "odd")} == {
        "requests": 3,
        "questions": 3,
        "connections": 2,
        "most": 1,
        "odd": 0,
    }


def test_the_server_never_answers_early():
    with threaded(Job({}, 1, delay_s=0.02)) as (url, counts), connected(url) as one:
        for number in range(5):
            ask(one, f"task {number}")
    assert 0 <= counts["late_ms"] < 10


@pytest.mark.parametrize(
    "changed", [{"stream": False}, {"messages": []}, {"model": None}, {"messages": [{"role": "user", "content": " "}]}]
)
def test_the_server_refuses_and_counts_what_no_client_would_ask(changed: dict[str, object]):
    with threaded(Job({}, 1, delay_s=0)) as (url, counts), connected(url) as one:
        assert ask(one, "task", **changed)[0] == 400
    assert (counts["odd"], counts["requests"]) == (1, 0)


def test_the_server_says_what_a_model_is_to_say_and_tells_usage_where_it_is_asked_to():
    with threaded(Job({}, 2, delay_s=0, said={"lead": "split it"})) as (url, _), connected(url) as one:
        told = [
            ask(one, "task", **more)[1] for more in ({}, {"model": "lead"}, {"stream_options": {"include_usage": True}})
        ]
    assert [b"split it" in body for body in told] == [False, True, False]
    assert [b"total_tokens" in body for body in told] == [False, False, True]
    assert all(body.endswith(b"data: [DONE]\n\n") for body in told)


# -- the cases --------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is measured runs in this process, which has imported it: the cases are tried, not their figures."""
    monkeypatch.setattr("benchmarks.measure.python", here)
    monkeypatch.setattr("benchmarks.children.server", threaded)


def here(
    *arguments: str, stdin: str = "", cwd: Path = ROOT, code: int = 0, environ: dict[str, str] | None = None
) -> Ended:
    printed, before = io.StringIO(), time.perf_counter()
    match arguments:
        case "-c", program:
            compile(program, "<program>", "exec")
        case "-m", module, *given:
            with redirect_stdout(printed), pytest.MonkeyPatch.context() as patched:
                patched.setattr(sys, "stdin", io.StringIO(stdin))
                importlib.import_module(module).main(*given)
        case script, *given:
            assert script == children.ENTRYPOINT
            log = io.StringIO()
            assert runner_main(given, environ or {}, cwd=cwd, stdout=printed, stderr=log) == code, log.getvalue()
    return Ended(time.perf_counter() - before, 0.001, 1.0, printed.getvalue())


@contextmanager
def threaded(job: Job) -> Iterator[tuple[str, dict[str, float]]]:
    service, counts = Service(job.delay_s, job.words, job.served, job.said), dict[str, float]()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def stop(listening: asyncio.Server) -> None:
        listening.close()
        await asyncio.sleep(0.002)  # for clients that are closing their side
        loop.stop()

    listening, url = asyncio.run_coroutine_threadsafe(server_module.listening(service), loop).result()
    try:
        yield url, counts
    finally:
        counts |= service.told()
        asyncio.run_coroutine_threadsafe(stop(listening), loop)
        thread.join()
        loop.close()


TINY: dict[str, Callable[[], Iterator[Row]]] = {
    "start": lambda: start(1, 3),
    "job": lambda: job(1, 2),
    "calls": lambda: calls(1, 2, (2, 3), 0.001),
    "answers": lambda: answers(1, ((2, 3),), 0.001),
    "scale": lambda: scale(1, 2, 3, 4),
    "branches": lambda: branches(1, 2, 3),
    "parallel": lambda: parallel(1, 1, 0.001),
    "caching": lambda: caching(1, 0.001),
    "pooling": lambda: pooling(1, 6, 0.001),
    "statistics": statistics,
    "throttled": lambda: throttled(1, 6, 4, 2, 0.001),
    "recordings": lambda: recordings(1, (2,), 2),
    "image": lambda: image(tag="strands-action:that-nobody-built"),
    "large": lambda: large(1, 2, 3),
}


def test_every_case_is_tried():
    assert {*TINY} == {*CASES, *EXTRA}


@pytest.mark.usefixtures("in_one_process")
@pytest.mark.parametrize("name", TINY)
def test_a_case_yields_rows_that_say_all_there_is_to_say(name: str):
    rows = [*TINY[name]()]
    assert len({row.name for row in rows}) == len(rows) > 0
    for row in rows:
        assert row.case == name
        assert row.why if row.figure is None else (row.floor is not None or row.by == "value")
        assert of_json(json.loads(json.dumps(row.as_json()))) == row
        assert (row.figure.what if row.figure else row.why) in table([row])


def test_a_row_of_the_engine_is_what_its_process_and_the_server_counted():
    done = engine(Job(wide(4), 4, 2, 0.001, runs=2))
    assert done.counted("builds", "hits", "clients", "connections", "requests", "in flight") == {
        "builds": 1,
        "hits": 3,
        "clients": 1,
        "connections": 2,
        "requests": 4,
        "in flight": 2,
    }
    assert len(done.seconds) == 2
    assert done.peak_mib > 20


def test_a_floor_asks_the_server_as_often_as_the_engine_would():
    done = bare("raw", 4, 2, delay_s=0.001)
    assert done.counted("connections", "requests", "in flight") == {"connections": 2, "requests": 4, "in flight": 2}


@pytest.mark.parametrize("came", [{"questions": 1}, {"requests": 1}, {"odd": 1}])
def test_nothing_is_measured_of_who_asked_less_than_there_was_to_ask(came: dict[str, float]):
    with pytest.raises(AssertionError, match=f"'{next(iter(came))}': 1"):
        children.asked({"requests": 2, "questions": 2, "odd": 0} | came, Job({}, 2))


# -- limits -----------------------------------------------------------------------------------------------------------


def row(seconds: float, limit: Limit | None, **more: Any) -> Row:
    return Row("one", "start", Figure("it", (99.0, seconds, 0.0)), Figure("its floor", (1.0,)), limit=limit, **more)


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (row(1.2, Limit("≤", 1.2)), "holds"),
        (row(1.21, Limit("≤", 1.2)), "FAILS"),
        (row(9.2, Limit("≥", 9.3)), "FAILS"),
        (row(9.0, Limit("≥", 9)), "holds"),
        (row(2, Limit("=", 2)), "holds"),
        (row(2.1, Limit("=", 2)), "FAILS"),
        (row(2, Limit("≤", 1), by="difference"), "holds"),
        (row(2, Limit("≤", 1), by="value"), "FAILS"),
        (row(2, None), ""),
        (Row("one", "image", limit=Limit("≤", 1), why="no engine"), "not measured"),
    ],
)
def test_a_limit_holds_or_fails_by_the_median(one: Row, verdict: str):
    assert one.verdict == verdict
    assert judged([one]) == (verdict == "FAILS")


def test_a_limit_that_does_not_hold_is_told_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    rows = [row(1, Limit("≤", 1)), row(2, Limit("≤", 1))]
    monkeypatch.setitem(CASES, "start", lambda: iter(rows))
    assert main(["start", "--json", str(tmp_path / "rows.json")]) == 1
    told = capsys.readouterr()
    assert "one: 2.00 is not ≤ 1" in told.err
    assert "| it | 2.000 s | its floor | 1.000 s | 2.00 | ≤ 1 | FAILS |  |" in told.out
    written = json.loads((tmp_path / "rows.json").read_text())
    assert [of_json(one) for one in written["rows"]] == rows
    assert written["environment"]["cpus"] >= 1


def test_a_case_that_there_is_not_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]):
    assert main(["strat"]) == 2
    assert "no such case: strat; there are: start, job, " in capsys.readouterr().err


# -- the page ---------------------------------------------------------------------------------------------------------

WRITTEN = json.loads(NUMBERS.read_text())


def test_the_numbers_of_the_page_are_those_beside_it():
    assert PAGE.read_text() == page(WRITTEN), (
        "run `make bench WRITE=1`, or `python -m benchmarks.page` after other words"
    )


def test_every_figure_stands_on_the_page():
    told = PAGE.read_text()
    rows = [of_json(one) for one in WRITTEN["rows"]]
    assert [row.name for row in rows if row.figure and row.figure.told not in told] == []


def test_every_case_stands_on_the_page():
    assert {*CASES} == {one["case"] for one in WRITTEN["rows"]} - {*EXTRA}


def test_a_page_is_not_written_of_some_cases_only(capsys: pytest.CaptureFixture[str]):
    assert main(["start", "--write"]) == 2
    assert "--write goes without names" in capsys.readouterr().err


def test_a_whole_measurement_is_written_to_the_page_and_beside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    rows = [of_json({**one, "counted": {**one["counted"], "marks": 7}}) for one in WRITTEN["rows"]]
    for name in CASES:
        monkeypatch.setitem(CASES, name, lambda name=name: iter([one for one in rows if one.case == name]))
    monkeypatch.setattr("benchmarks.__main__.NUMBERS", tmp_path / "numbers.json")
    monkeypatch.setattr("benchmarks.__main__.PAGE", tmp_path / "page.md")
    assert main(["--write"]) == judged(rows)
    assert (tmp_path / "page.md").read_text() == page(json.loads((tmp_path / "numbers.json").read_text()))
    assert "7 marks" in (tmp_path / "page.md").read_text()
