"""How often the garbage collector looks while a run goes on: a test of the interpreter's own counts."""

from __future__ import annotations

import gc

import pytest

from runner.garbage import THRESHOLDS, WHILE_STARTING, seldom_collected


def work() -> int:
    """What 10,000 objects that live on cost in collections."""
    before = sum(one["collections"] for one in gc.get_stats())
    kept = [[] for _ in range(10_000)]  # type: ignore[var-annotated]
    assert kept
    return sum(one["collections"] for one in gc.get_stats()) - before


def test_while_a_run_goes_on_nothing_is_looked_through_for_a_few_thousand_objects() -> None:
    usual = work()
    with seldom_collected():
        seldom = work()
    assert usual >= 5  # newer versions of Python wait for more
    assert seldom <= 1


def test_what_was_there_before_is_left_out_and_comes_back() -> None:
    gc.collect()
    before = len(gc.get_objects())
    with seldom_collected():
        assert len(gc.get_objects()) < before / 100
        assert gc.get_freeze_count() >= before
    assert (gc.get_freeze_count(), len(gc.get_objects()) >= before) == (0, True)


def test_the_process_of_a_host_is_left_as_it_was_found() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold() == before


def test_what_comes_after_a_run_is_not_the_start_any_more() -> None:
    before = gc.get_threshold()
    gc.set_threshold(WHILE_STARTING)
    try:
        with seldom_collected():
            pass
        assert gc.get_threshold()[0] == THRESHOLDS[0]
    finally:
        gc.set_threshold(*before)


def test_circles_are_still_found() -> None:
    """Else a run would grow for as long as it goes on."""

    class Circle:
        alive = 0

        def __init__(self) -> None:
            self.me, Circle.alive = self, Circle.alive + 1

        def __del__(self) -> None:
            Circle.alive -= 1

    with seldom_collected():
        for _ in range(100_000):
            Circle()
        assert Circle.alive < 50_000
