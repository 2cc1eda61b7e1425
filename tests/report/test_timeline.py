"""The pictures of a run: right, small, and with labels that Mermaid cannot misread."""

from __future__ import annotations

import re

import pytest

from runner.report.timeline import MOST, flow, gantt
from tests.build import result, skipped

HOSTILE = ['a"];click b', "a:b;c", "end", "a[0]", "x<script>", "a\nb", "%%{init}%%", "a`b`", "a-->b", "a#quot;b", "(a)"]


def bars(picture: str) -> list[str]:
    return [line.strip() for line in picture.splitlines()[3:]]


def test_a_bar_begins_and_ends_with_its_step() -> None:
    steps = [result("steps[0]"), result("steps[1]", after_ms=40, duration_ms=60, status="failed")]
    assert gantt(steps).splitlines()[0] == "gantt"
    assert bars(gantt(steps)) == ["steps 0 :active, 0, 40", "steps 1 :crit, 40, 100"]


def test_time_begins_with_the_first_step_whatever_their_order() -> None:
    steps = [result("tasks.late", after_ms=30, duration_ms=10), result("tasks.early")]
    assert bars(gantt(steps)) == ["tasks.late :active, 30, 40", "tasks.early :active, 0, 40"]


def test_a_step_that_took_no_time_can_be_seen() -> None:
    assert bars(gantt([result(duration_ms=0)])) == ["steps 0 :active, 0, 1"]


def test_a_step_that_never_began_has_no_bar() -> None:
    assert len(bars(gantt([result(), skipped("steps[1]")]))) == 1
    assert gantt([skipped()]) == ""


def test_the_flow_shows_every_step_and_what_it_waited_for() -> None:
    steps = [result("tasks.a"), result("tasks.b", agent="critic", status="failed")]
    lines = [line.strip() for line in flow(steps, {"tasks.a": (), "tasks.b": ("tasks.a",)}).splitlines()]
    assert lines[:4] == [
        "flowchart LR",
        's0["tasks.a<br/>writer"]:::success',
        's1["tasks.b<br/>critic"]:::failed',
        "s0 --> s1",
    ]
    assert {line.split()[1] for line in lines[4:]} == {"success", "failed", "cancelled", "skipped", "paused"}


def test_no_steps_no_pictures() -> None:
    assert (gantt([]), flow([], {})) == ("", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_cannot_be_read_as_mermaid(name: str) -> None:
    step = result(f"tasks.{name}", agent=name)
    (bar,) = bars(gantt([step]))
    assert re.fullmatch(r"[\w .\-]+ :active, 0, 40", bar)
    node = flow([step], {}).splitlines()[1]
    assert re.fullmatch(r' {4}s0\["[\w .\-]+<br/>[\w .\-]+"\]:::success', node)


def test_large_runs_have_small_pictures() -> None:
    steps = [result(f"steps[{number}]") for number in range(1000)]
    needs = {f"steps[{number + 1}]": (f"steps[{number}]",) for number in range(999)}
    assert len(bars(gantt(steps))) == MOST
    picture = flow(steps, needs)
    assert len(re.findall(r"s\d+\[", picture)) == MOST
    assert len(re.findall("-->", picture)) == MOST - 1
    shown = set(re.findall(r"(s\d+)\[", picture))
    assert {end for line in picture.splitlines() if "-->" in line for end in line.split() if end != "-->"} <= shown
