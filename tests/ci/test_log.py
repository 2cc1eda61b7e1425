"""What libraries and Python itself print while a run goes on becomes lines of the log."""

from __future__ import annotations

import gc
import io
import logging
import sys
import threading
import warnings

import pytest

from runner.ci.commands import MAX_LINE
from runner.log import Log
from tests.build import NOON
from tests.container.runner_parser import parse_log
from tests.hostile import COMMANDS, huge

AT = "2026-01-02T12:00:00Z"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Log:
    return Log(stream, lambda: NOON, lambda text: text.replace("hunter22", "***"))


def test_what_is_printed_becomes_lines_of_the_log(log: Log, stream: io.StringIO) -> None:
    with log.taking_over():
        print("one hunter22", "two", sep="\n", end="")
        print(" and more\n\n::error::three")
        print("four", end="", file=sys.stderr)
    assert stream.getvalue().splitlines() == [
        f"{AT} INFO one ***",
        f"{AT} INFO two and more",
        f"{AT} INFO : :error::three",
        f"{AT} WARNING four",
    ]


def test_no_channel_of_a_library_is_a_way_past_the_guard(
    log: Log, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an exception that nobody caught pytest has ears of its own, which are taken off."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    hostile = "\n".join(COMMANDS.values())

    class Dying:
        def __del__(self) -> None:
            raise ValueError(hostile)

    def failing() -> None:
        raise ValueError(hostile)

    with log.taking_over(), warnings.catch_warnings():
        warnings.simplefilter("always")
        print(hostile)
        sys.stderr.write(hostile)
        logging.getLogger("a library").error(hostile)
        warnings.warn(hostile, stacklevel=1)
        thread = threading.Thread(target=failing)
        thread.start()
        thread.join()
        one = Dying()
        del one
        gc.collect()
        sys.__excepthook__(ValueError, ValueError(hostile), None)
    told = stream.getvalue()
    assert parse_log(told) == []
    assert told.count("WARNING ValueError: ") == 3
    assert all(line.startswith(AT) for line in told.splitlines())


def test_a_library_that_does_not_log_right_goes_on(log: Log, stream: io.StringIO) -> None:
    with log.taking_over():
        logging.getLogger("a library").error("%d hunter22\n::error::a", "no number")
    assert stream.getvalue().splitlines() == [
        f"{AT} ERROR a library: %d *** ::error::a (TypeError: %d format: a real number is required, not str)"
    ]


def test_behind_it_everything_is_as_it_was(log: Log) -> None:
    before = (sys.stdout, sys.stderr, logging.getLogger().handlers[:], logging.getLogger().level, warnings.showwarning)
    with log.taking_over():
        pass
    root = logging.getLogger()
    assert before == (sys.stdout, sys.stderr, root.handlers[:], root.level, warnings.showwarning)


def test_a_line_without_an_end_does_not_wait_for_it(log: Log, stream: io.StringIO) -> None:
    with log.taking_over():
        sys.stdout.write(huge())
        assert len(stream.getvalue()) < MAX_LINE + 100
        for _ in range(3 * MAX_LINE):
            sys.stdout.write("a")
        assert stream.getvalue().count("\n") == 3


def test_threads_do_not_end_each_others_lines(log: Log, stream: io.StringIO) -> None:
    with log.taking_over():
        print("one", end=" ")
        thread = threading.Thread(target=print, args=["another"])
        thread.start()
        thread.join()
        print("line")
    assert stream.getvalue().splitlines() == [f"{AT} INFO another", f"{AT} INFO one line"]
