"""What a test calls as `workflow`: finds the file and its recordings, runs it, and says how recordings are mended."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from runner.ci.commands import printable
from runner.credentials import scrubber
from runner.errors import RecordingProblem, RunCancelled, RunnerError, UsageError
from runner.inputs import ActionInputs
from runner.report.progress import lines
from runner.report.verdicts import VERDICTS
from runner.tape.store import safe_name
from runner.testing.harness import Harness
from runner.testing.view import Report

if TYPE_CHECKING:
    from datetime import datetime

    from runner.credentials.scrub import Scrubber
    from runner.report.events import Event
    from runner.report.progress import Level
    from runner.testing.harness import Ran

LOG: Final = logging.getLogger("strands_action")
"""Shown by pytest beside a test that failed."""

TOOLS: Final = ("recorded", "live")
UNUSED: Final = ("fail", "allow")


@dataclass(frozen=True, repr=False)
class Session:
    """What the tests of one process have in common. `record` is the option; `taken` says whose a directory of
    recordings is, and what its run was given; `anew` are those that were recorded by a test before."""

    root: Path
    record: str
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    taken: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    anew: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class _Run:
    """What a test asks for: the file's name from the root, what the run is given, and which tools it has."""

    file: str
    variables: Mapping[str, Any]
    hitl_response: str | None
    tools: str

    @property
    def given(self) -> str:
        """The same text for the same things; empty where there are none."""
        things = [dict(self.variables), self.hitl_response]
        return json.dumps(things, sort_keys=True) if any(things) else ""


@dataclass(frozen=True, repr=False)
class Workflow:
    """The fixture's value. `test` is the test's id as pytest is told it, `name` its name, `directory` that of its
    file. `tally` is plain data for the end of all tests: `made`, how many recordings of each verdict by their
    directory, and `stale`, the kind of `--record` that mends them."""

    session: Session
    test: str
    name: str
    directory: Path
    tally: dict[str, Any] = field(default_factory=dict)

    def __call__(
        self,
        spec: str | os.PathLike[str],
        *,
        variables: Mapping[str, Any] | None = None,
        hitl_response: str | Mapping[str, str] | None = None,
        recordings: str | None = None,
        tools: Literal["recorded", "live"] = "recorded",
        unused: Literal["fail", "allow"] = "fail",
    ) -> Report:
        """Run a workflow file on its recordings, or record it where pytest was asked to.

        `spec` is a path from the directory of the test's file, or from pytest's rootdir. `hitl_response` is the answer
        at human gates, or answers by their paths. `recordings` is a directory below `fixtures/<workflow name>/` beside
        the file; by default that directory itself, and for a run with `variables` or `hitl_response` one that is called
        as the test is. With `tools="live"` the real tools are used, and have to give
        what they gave. `unused="allow"` forgives recordings that nothing asked for.

        A run that fails is a report that says so. Raises RunnerError for one that cannot begin, and RecordingProblem
        for recordings that are missing, stale or unused.
        """
        __tracebackhide__ = True
        try:
            _one_of("tools", tools, TOOLS)
            _one_of("unused", unused, UNUSED)
            run = _Run(self._file(spec), _plain(variables), _response(hitl_response), tools)
            return self._report(run, recordings, strict=unused == "fail")
        except RecordingProblem as problem:
            self.tally["stale"] = _mending(tools)
            raise _readable(problem) from None
        except RunnerError as error:
            raise _readable(error) from None

    def __repr__(self) -> str:
        return f"<workflow --record={self.session.record}>"  # shown beside a test that failed

    def _report(self, run: _Run, recordings: str | None, *, strict: bool) -> Report:
        if recordings is None:
            recordings = _slug(self.name) if run.given else ""
        self._take(run, recordings)
        ran = self._ran(run, recordings)
        if strict and ran.report.unused:
            told = f"recordings that nothing asked for: {', '.join(ran.report.unused)}"
            raise RecordingProblem(f"{told}; to be rid of them: {self._again()}")
        return Report(ran.report)

    def _ran(self, run: _Run, recordings: str) -> Ran:
        session = self.session
        mode = "replay" if session.record == "none" else "record"
        place = (run.file, recordings)
        # Another test has asked everything: asked again, its answers would be others than those that it was about.
        record = "changed" if place in session.anew else session.record
        inputs = ActionInputs(
            (run.file,), variables=run.variables, hitl_response=run.hitl_response, mode=mode, record=record
        )
        scrub = scrubber(session.environ)
        harness = Harness(session.root, session.environ, session.now, scrub, lambda event: _log(event, scrub))
        ran = harness.run(inputs, recordings=recordings, tools_live=run.tools == "live", again=self._again(run.tools))
        if ran.report.status == RunCancelled.status:
            raise KeyboardInterrupt  # nobody else cancels a run here
        if ran.report.failure is not None:
            _say("ERROR", f"{run.file} {ran.report.status}: {ran.report.failure.message}")
        session.anew.add(place)
        self._count(ran)
        return ran

    def _count(self, ran: Ran) -> None:
        """Keep what became of recordings, where any was written or deleted."""
        review = ran.report.review
        verdicts = {one: count for one in VERDICTS if review is not None and (count := review.count(one))}
        if verdicts and (ran.deck.made or "removed" in verdicts):
            self.tally.setdefault("made", {})[ran.report.tape] = verdicts

    def _again(self, tools: str = "recorded") -> str:
        return shlex.join(["pytest", f"--record={_mending(tools)}", self.test])

    def _file(self, spec: str | os.PathLike[str]) -> str:
        """The file's name from the root. Raises UsageError for one that is nowhere, or outside."""
        root = self.session.root
        places = list(dict.fromkeys(os.path.normpath(base / spec) for base in (self.directory, root)))
        found = next((place for place in places if os.path.isfile(place)), None)
        if found is None:
            raise UsageError(f"there is no workflow file '{os.fspath(spec)}'; looked for {' and '.join(places)}")
        for one, base in ((Path(found), root), (Path(found).resolve(), root.resolve())):
            if one.is_relative_to(base):
                return one.relative_to(base).as_posix()
        raise UsageError(f"{found} lies outside of pytest's rootdir {root}; name another with --rootdir")

    def _take(self, run: _Run, recordings: str) -> None:
        """Raises UsageError where two runs that are given other things would have the same recordings."""
        mine = (self.test, run.given)
        other = self.session.taken.setdefault((run.file, recordings), mine)
        if other[1] != mine[1]:
            who = "an earlier run of this test" if other[0] == self.test else other[0]
            told = f"{who} has the recordings '{recordings}' of {run.file} with other variables or answers"
            raise UsageError(f"{told}; name those of this one: workflow(..., recordings='...')")


# -- the small print --------------------------------------------------------------------------------------------------


def _mending(tools: str) -> str:
    """What a real tool gives now is no other question to a model: what has merely changed would stay as it is."""
    return "all" if tools == "live" else "changed"


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}, not one of: {', '.join(choices)}")


def _plain(variables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Variables as the action would be given them. Raises UsageError for what JSON cannot say."""
    try:
        given: dict[str, Any] = json.loads(json.dumps(dict(variables or {}), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"variables should be values of JSON: {error}") from None
    return given


def _response(given: str | Mapping[str, str] | None) -> str | None:
    return given if given is None or isinstance(given, str) else json.dumps(dict(given))


def _slug(name: str) -> str:
    """A test's name, that of its parameters included, as the name of a directory."""
    return safe_name(re.sub(r"[^\w.]+", "-", name).strip("-."))


def _log(event: Event, scrub: Scrubber) -> None:
    for line in lines(event):
        _say(line.level, scrub(line.text))


def _say(level: Level, text: str) -> None:
    """pytest shows a log as it is, also to a host that takes lines for commands."""
    LOG.log(logging.getLevelNamesMapping()[level], "%s", printable(text))


def _readable(error: RunnerError) -> RunnerError:
    """The error without the way that it took through here, and with all its places in notes, which pytest shows."""
    for one in error.findings:
        if one.at.file:
            told = str(one) if len(error.findings) > 1 else f"at {one.at}"
            error.add_note(told)
    return error.with_traceback(None)
