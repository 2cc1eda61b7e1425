"""The log lines that users grep for, letter by letter as the contract spells them."""

from __future__ import annotations

import shlex

import pytest

from runner.report import events
from runner.report.progress import Line, display, lines
from runner.report.results import CacheStatistics, ClientStatistics, StepStatus
from tests.build import result

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (events.CacheLookup("scout", HASH, hit=True), "DEBUG",
         "agent_cache_hit agent_id=scout config_hash=0123456789ab"),
        (events.CacheLookup("scout", HASH, hit=False), "DEBUG",
         "agent_cache_miss agent_id=scout config_hash=0123456789ab"),
        (events.BudgetWarning("tokens", 80_000, 100_000), "WARNING",
         "budget_warning usage=80000 limit=100000 percent=80"),
        (events.BudgetReached("tokens", 100_500, 100_000), "ERROR", "budget_exceeded usage=100500 limit=100000"),
        (events.StepRetry("steps[0]", 1, "429: slow down", 1.234), "WARNING",
         'step_retry path=steps[0] attempt=1 reason="429: slow down" wait_s=1.23'),
        (events.Throttled("openai/m", 4, 0), "INFO", "throttled model=openai/m limit=4"),
        (events.Throttled("openai/m", 1, 20), "INFO", "throttled model=openai/m limit=1 wait_s=20"),
        (events.CircuitOpened("openai/m", 5, 30.0, "HTTP 503: gone"), "WARNING",
         'circuit_open model=openai/m failures=5 wait_s=30.0 reason="HTTP 503: gone"'),
        (events.UsageUnknown(), "WARNING",
         "usage_unknown a turn ended without a count; the budget counts its estimate"),
        (events.Compacted("steps[0]", 8, 120_000, 60_000), "INFO",
         "compacted path=steps[0] messages=8 before=120000 after=60000"),
        (events.CompactionFailed("steps[0]", 120_000, "an empty summary"), "WARNING",
         'compaction_failed path=steps[0] tokens=120000 reason="an empty summary"'),
        (events.Warned("notes.md cannot be written: no space left"), "WARNING",
         "notes.md cannot be written: no space left"),
        (events.RunStarted("nightly", "chain", 3, HASH), "INFO",
         "run_started name=nightly pattern=chain steps=3 config_hash=0123456789ab"),
        (events.StepStarted("steps[0]", "scout"), "DEBUG", "step_started path=steps[0] agent=scout"),
        (events.StepFinished(result(duration_ms=1500)), "INFO",
         "step_finished path=steps[0] agent=writer status=success time=1.5s tokens=10"),
        (events.StepFinished(result(status="failed", attempts=3, error="no answer")), "ERROR",
         'step_finished path=steps[0] agent=writer status=failed time=40ms tokens=10 attempts=3 error="no answer"'),
    ],
)  # fmt: skip
def test_an_event_is_told_in_one_line(event: events.Event, level: str, text: str) -> None:
    (found,) = lines(event)
    assert (found.level, found.text) == (level, text)


def test_a_bug_of_ours_is_told_with_its_traceback_line_by_line() -> None:
    assert lines(events.Crashed("Traceback:\n  in a\nKeyError: 'b'")) == [
        Line("ERROR", "Traceback:"),
        Line("ERROR", "  in a"),
        Line("ERROR", "KeyError: 'b'"),
    ]


@pytest.mark.parametrize(
    ("builds", "hits", "text"),
    [
        (1, 9, "Cache hit rate: 90% (9 hits, 1 miss)"),
        (3, 2, "Cache hit rate: 40% (2 hits, 3 misses)"),
        (0, 0, "Cache hit rate: 0% (0 hits, 0 misses)"),
    ],
)
def test_the_cache_is_told_as_the_guide_shows_it(builds: int, hits: int, text: str) -> None:
    cache, clients = lines(events.Statistics(CacheStatistics(builds, hits), ClientStatistics(1, 9)))
    assert cache == Line("INFO", text)
    assert clients == Line("INFO", "Clients: 1 created, 9 reused")


@pytest.mark.parametrize("said", ["it said \"no\" and 'never'", 'a "b', '"', "", "two words", "a=b c=d"])
def test_a_value_reads_back_as_one(said: str) -> None:
    (line,) = lines(events.StepRetry("steps[0]", 1, said, 0))
    pairs = dict(word.split("=", 1) for word in shlex.split(line.text.replace("'", ""))[1:])
    assert list(pairs) == ["path", "attempt", "reason", "wait_s"]


def test_answers_never_stand_in_the_log() -> None:
    event = events.StepFinished(result(response="the secret recipe", data={"recipe": "secret"}))
    assert not any("secret" in line.text for line in [*lines(event), *(display(event) or [])])


@pytest.mark.parametrize(("usage", "percent"), [(80, 80), (819, 819), (0, 0), (1, 1)])
def test_the_share_is_in_whole_percent(usage: int, percent: int) -> None:
    assert events.BudgetWarning("tokens", usage, 100).percent == percent


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        ("success", None, [Line("INFO", "  ✓     40 ms       10 tokens  steps[0]  writer")]),
        ("failed", "no answer", [
            Line("ERROR", "  ✗     40 ms       10 tokens  steps[0]  writer"),
            Line("ERROR", "    no answer"),
        ]),
    ],
)  # fmt: skip
def test_a_person_is_shown_each_step(status: StepStatus, error: str | None, told: list[Line]) -> None:
    assert display(events.StepFinished(result(status=status, error=error))) == told


def test_what_has_begun_stands_in_the_columns_of_what_has_ended() -> None:
    (begun,), (ended,) = (
        display(events.StepStarted("steps[0]", "writer")) or [],
        display(events.StepFinished(result())) or [],
    )
    assert begun.text.index("steps[0]  writer") == ended.text.index("steps[0]  writer")
