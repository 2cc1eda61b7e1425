"""Where the recordings of a run come from, and where they go: fixtures beside the workflow file, earlier runs, and the
tape among the files of the run itself.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from runner.errors import FileProblem, RecordingProblem, RunnerError, TookMore, UsageError
from runner.folder import Folder
from runner.inputs import TESTS
from runner.plan.pii import redact
from runner.report.results import Failure
from runner.report.review import too_much
from runner.spec.load import read as document
from runner.tape.deck import Deck, unheard
from runner.tape.review import review
from runner.tape.shelf import Shelf
from runner.tape.store import TAPE, file_name, read, read_all, remove, safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan
    from runner.report.results import RunReport
    from runner.report.verdicts import Review
    from runner.tape.deck import Mode
    from runner.tape.recording import Recording


@dataclass(frozen=True)
class Tapes:
    """The places of one run: its fixtures, its own tape, and the directory that has those of earlier runs below it.

    A run that writes no files has neither `own` nor `runs`. `scrub` takes secrets out of a text. `warn` is told of a
    tape that cannot be written: the run goes on without.
    """

    fixtures: Folder
    own: Folder | None
    runs: Path | None
    scrub: Callable[[str], str]
    warn: Callable[[str], None]
    baseline: Shelf | None = None
    """Recordings that those of this run are held against; those that there were, where it is left out."""
    unfinished: Sequence[str] = ()
    """Files among the fixtures that somebody had begun to write when the run began. Where they are still there at its
    end, it was one that was killed."""

    def deck(self, plan: Plan, inputs: ActionInputs, *, again: str | None = None, tools_live: bool = False) -> Deck:
        """The run's recordings. `again` is the command that records them anew, where it is not our own.

        Raises RecordingProblem for what cannot be read, and where a replay has none.
        """
        mode, again = cast("Mode", inputs.mode), again or record_command(inputs)
        return Deck(
            plan,
            mode,
            self._earlier(mode, again, plan),
            keep=self._keep if mode != "replay" and self.own is not None else unheard,
            store=self._store if mode == "record" else unheard,
            clean=(lambda text: redact(self.scrub(text))) if plan.context.redact_pii else self.scrub,
            again=again,
            warn=self.warn,
            everything=mode == "record" and inputs.record == "all",
            looked_at=mode == "record" or self.baseline is not None,
            tools_live=tools_live,
        )

    def ended(self, report: RunReport, deck: Deck, inputs: ActionInputs) -> RunReport:
        """The report with what is to be said of recordings. A whole re-recording deletes those that nothing asked for:
        they are of steps that are no more."""
        # One that is paused has steps behind its gate, and one that did nothing says nothing of any step.
        whole = report.status == "success"
        if deck.mode == "record":
            self.fixtures.clear(self.unfinished)
        if deck.mode == "record" and whole:
            remove(self.fixtures.directory, deck.earlier, deck.unused)
        folder = self.fixtures if deck.mode in ("record", "replay") else self.own
        there = folder is not None and folder.directory.is_dir()
        report = replace(report, tape=folder.shown(folder.directory) if folder is not None and there else "")
        if deck.mode != "record" and self.baseline is None:
            return report
        before = deck.earlier if self.baseline is None else self.baseline
        standing = deck.standing
        if not whole:  # what it did not come to is neither here nor there
            before = Shelf({path: card for path, card in before.cards.items() if path in standing})
        return _reviewed(report, review(before, standing, report.started), inputs)

    def _earlier(self, mode: Mode, again: str, plan: Plan) -> Shelf:
        if mode == "resume" and self.own is not None and self.runs is not None:
            return read_all(self.runs, self.own.shown(self.runs), {row.config_hash for row in plan.rows()})
        if mode not in ("record", "replay"):
            return Shelf()
        shown = self.fixtures.shown(self.fixtures.directory)
        earlier = read(self.fixtures.directory, shown)
        if mode == "replay" and not earlier:
            raise RecordingProblem(f"there are no recordings in {shown}; to record them: {again}")
        return earlier

    def _keep(self, recording: Recording, text: str) -> None:
        assert self.own is not None, "nobody else keeps any"
        try:
            self.own.write(file_name(recording.path), text)
        except FileProblem as problem:
            self.warn(problem.message)

    def _store(self, recording: Recording, text: str) -> None:
        self.fixtures.write(file_name(recording.path), text)


def tapes_of(
    inputs: ActionInputs,
    plan: Plan,
    workspace: Path,
    artifacts: Folder | None,
    scrub: Callable[[str], str],
    warn: Callable[[str], None] = lambda told: None,
    *,
    within: str = "",
) -> Tapes:
    """The places of a run by its inputs; `within` is a directory below its fixtures. Raises FileProblem for one that
    leads out of the workspace, and UsageError where recordings would be among those of another workflow."""
    if inputs.mode == "record" and inputs.fixtures is None:
        _alone(plan, workspace)
    beside = PurePosixPath(os.path.dirname(plan.file)) / "fixtures" / safe_name(plan.name)
    fixtures = Folder.at(workspace, str(PurePosixPath(inputs.fixtures or beside) / within), "fixtures")
    baseline = None
    if inputs.baseline is not None:
        against = Folder.at(workspace, inputs.baseline, "baseline")
        baseline = read(against.directory, against.shown(against.directory))
        if not baseline:
            raise RecordingProblem(f"there are no recordings in {inputs.baseline} (baseline)")
    unfinished = fixtures.unfinished()
    if artifacts is None:
        return Tapes(fixtures, None, None, scrub, warn, baseline, unfinished)
    return Tapes(fixtures, artifacts.below(TAPE), artifacts.base, scrub, warn, baseline, unfinished)


def _alone(plan: Plan, workspace: Path) -> None:
    """Raises UsageError where another workflow beside this one has its name: each would delete what the other needs."""
    own = PurePosixPath(plan.file)
    for file in sorted((workspace / own.parent).glob("*.y*ml")) if own.suffix else ():
        if file.name != own.name and not file.name.endswith(TESTS) and _name_in(file) == plan.name:
            told = f"{file.name} beside {own.name} has the name '{plan.name}' too, and one directory of recordings"
            raise UsageError(f"{told} would be both's; give one of them another name, or set the input 'fixtures'")


def _name_in(file: Path) -> Any:
    """The name of a workflow; None for a file that is none."""
    try:
        found = document(file, file.name).data
    except RunnerError:
        return None
    return found.get("name") if isinstance(found, dict) and "pattern" in found else None


def _reviewed(report: RunReport, found: Review, inputs: ActionInputs) -> RunReport:
    """The report with its review, failed by what has grown by more than the inputs allow."""
    report = replace(report, review=found)
    told = too_much(found, inputs.max_token_increase, inputs.max_cost_increase)
    if not told or report.failure is not None:
        return report
    error = TookMore(told)
    failure = Failure(error.title, error.message, findings=error.findings)
    return replace(report, status=error.status, exit_code=error.exit_code, failure=failure)


def record_command(inputs: ActionInputs) -> str:
    """What a user types to record anew what the inputs ask for, in one line."""
    words = ["strands-action", "run", *inputs.spec, "--mode", "record"]
    for name in ("prompt", "variables", "fixtures", "facts", "diff-base", "provider", "model-id", "host", "region"):
        words += [f"--{name}", inputs.given[name]] if name in inputs.given else []
    words += ["--record", "all"] if inputs.record == "all" else []
    return " ".join(map(_typed, words))


def _typed(word: str) -> str:
    """A word as it is typed in a shell: one of several lines as `$'one\\ntwo'`, because a message has one line."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = json.dumps(word, ensure_ascii=False)[1:-1].replace("'", "\\'")
    return f"$'{escaped}'"
