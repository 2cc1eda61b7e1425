"""Running test cases, on their recordings or to make them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runner.folder import KILLED, Folder
from runner.report import cases
from runner.report.events import unheard
from runner.testing.harness import Harness
from runner.testing.trial import trial
from runner.watchdog import Watchdog

if TYPE_CHECKING:
    from runner.door import Door
    from runner.errors import RunnerError
    from runner.inputs import ActionInputs
    from runner.report.tested import CaseResult


def test(door: Door, inputs: ActionInputs) -> int:
    """Run the cases of the files that the inputs name. Returns the exit code."""

    def tell(result: CaseResult) -> None:
        told = cases.line(result)
        door.log.line(told.level, told.text)

    def give_up(why: RunnerError | None) -> int:
        door.log.line("ERROR", str(why or "a run has ended and does not let go"))
        return 70 if why is None else why.exit_code

    artifacts = Folder.claim(door.host.workspace, inputs.artifacts_dir, KILLED, door.scrub)
    with Watchdog(door.stop, give_up, door.leave) as watchdog, door.host.quiet():
        emit = door.log.event if door.log.debug else unheard
        watched = partial(door.watched, watchdog)
        harness = Harness(door.host.workspace, door.environ, door.now, door.scrub, emit, watched, door.host.mask)
        trusted = door.standing.trust.trusted
        done = trial(inputs, harness, tell, trusted=trusted)
        if done.left_out:
            kind = "live cases" if trusted else "cases that are live or use real tools"
            door.log.line("WARNING", f"{done.left_out} {kind} were left out")
        exit_code, files = door.delivery.tested(done.session, inputs, artifacts)
        for problem in files.trouble:
            door.log.line("ERROR", problem)
        last = cases.last_line(done.session)
        door.log.line(last.level, f"{last.text} · Results: {files.results} · Summary: {files.summary}")
        return exit_code
