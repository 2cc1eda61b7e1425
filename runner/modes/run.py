"""A run: live, recorded, replayed or resumed; from the inputs to what it leaves."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from runner.calls.recalled import gates_on_tape
from runner.credentials.secrets import needed
from runner.ending import Ending
from runner.facts.gather import Sources, informed
from runner.folder import KILLED, Folder
from runner.intake import plan_of
from runner.modes.posted import posted, posts
from runner.report.trace import as_json
from runner.run import Surroundings, run_plan
from runner.tapes import tapes_of
from runner.telemetry import SEMCONV_VARIABLE, Tracing, without_content
from runner.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runner.calls.gates import Gates
    from runner.door import Door
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan
    from runner.report.results import RunReport
    from runner.run import Run


def run(door: Door, inputs: ActionInputs) -> int:
    """Run the workflow that the inputs name. Returns the exit code; raises RunnerError for what cannot begin."""
    plan = _planned(door, inputs)
    posting = posts(door, inputs)
    target = posting.target()
    asks = inputs.mode != "replay"
    # From here on nothing that is printed or written holds one.
    secrets = needed(plan, door.environ, door.host.workspace, door.scrub, models=asks, tools=asks, mask=door.host.mask)
    tracing = Tracing(door.environ, plan.telemetry, enabled=inputs.trace, scrub=door.scrub)
    artifacts = Folder.claim(door.host.workspace, inputs.artifacts_dir, KILLED, door.scrub)
    warn = partial(door.log.line, "WARNING")
    tapes = tapes_of(inputs, plan, door.host.workspace, artifacts, door.scrub, warn)
    plan, facts = informed(plan, _sources(door, inputs, tapes.fixtures, warn), artifacts)
    deck = tapes.deck(plan, inputs)
    gates = gates_on_tape(deck, inputs.hitl_response, door.now)
    ending = Ending(inputs, door.delivery, door.host, door.log, door.stdout, door.now, artifacts, tapes, deck, tracing)
    if inputs.post != "none":
        ending.posting = posting.of_run(plan, facts, target, artifacts)
    if idle := posting.idle(door.unrun(plan.name, inputs.mode), facts):
        door.log.line("INFO", idle.idle)
        return ending.of(idle)
    with Watchdog(door.stop, ending.cut_off, door.leave) as watchdog:
        door.host.group(f"strands-action: {plan.name}")
        if plan.shard is not None:
            door.log.line("INFO", plan.shard.told)
        with door.host.quiet():
            with door.last(plan.limits.timeout_s):
                report = _executed(door, plan, secrets, gates, ending, watchdog)
            code = ending.of(posted(door, ending.judged(report), ending.posting))
        tracing.flush()
    return code


def _planned(door: Door, inputs: ActionInputs) -> Plan:
    """What will run, with all that is to be said of it before."""
    with door.standing.sources() as home:
        plan = plan_of(inputs, home, need_values=True, read_only=door.standing.read_only)
    plan = door.standing.fitted(plan)
    door.learn(plan)
    if plan.withheld:
        trust = door.standing.trust
        told = f"not given to agents: {', '.join(plan.withheld)}"
        door.believe(replace(trust, otherwise=f"{trust.otherwise}; {told}"), told)
    door.advise(plan, inputs, annotate=False)
    return plan


def _sources(door: Door, inputs: ActionInputs, recordings: Folder, tell: Callable[[str], object]) -> Sources:
    event, api, workspace = door.standing.event, door.standing.api, door.host.workspace
    return Sources(inputs, door.environ, workspace, recordings, event, api, tell, door.scrub)


def _executed(
    door: Door, plan: Plan, secrets: Mapping[str, str], gates: Gates, ending: Ending, watchdog: Watchdog
) -> RunReport:
    from runner.agents.sdk import import_sdk  # here, where nothing refuses the run any more

    import_sdk()
    # Read by the SDK when it makes its first span.
    door.export(SEMCONV_VARIABLE, without_content(door.environ.get(SEMCONV_VARIABLE, "")))
    around = Surroundings(
        door.environ,
        door.host.workspace,
        ending.artifacts.directory,
        door.log.event,
        door.now,
        ending.tracing.span,
        secrets=secrets,
        scrub=door.scrub,
        trace=lambda: "".join(as_json(ending.tracing.spans.by_start())),
        deck=ending.deck,
        gates=gates,
    )

    @contextmanager
    def watched(run: Run) -> Iterator[None]:
        ending.run = run
        with door.watched(watchdog, run):
            yield

    return run_plan(plan, around, watched)
