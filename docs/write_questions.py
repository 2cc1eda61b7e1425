"""Writes into the examples' recordings that are written by hand what is asked there by now: who is asked and how, and the
rendered prompts. What is answered stays as somebody wrote it. `make docs` runs it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner.calls.recalled import gates_on_tape
from runner.facts.gather import Sources, informed
from runner.inputs import ActionInputs
from runner.intake import plan_of
from runner.run import Surroundings, run_plan
from runner.tape.deck import Deck
from runner.tape.recording import dump
from runner.tape.store import file_name, read
from runner.tapes import tapes_of

if TYPE_CHECKING:
    from runner.plan.plan import Step
    from runner.report.results import RunReport
    from runner.tape.recording import Prompt, Recording

ROOT = Path(__file__).parents[1]


@dataclass
class Renewing(Deck):
    """Recordings of which those that are written by hand answer whatever is asked. `renewed` are these, as they were."""

    renewed: list[Recording] = field(default_factory=list, init=False)

    def check(self) -> None:
        """What is stale is about to be made new."""

    def find(self, step: Step, path: str, prompt: Prompt) -> Recording | None:
        found = self.earlier.get(path)
        if found is None or found.origin != "hand":
            return super().find(step, path, prompt)
        found = replace(found, config_hash=step.config_hash, asked=self.asked(step), prompt=prompt)
        self.renewed.append(found)
        self.used.add(path)
        return found


def renewed(workflow: str, workspace: Path = ROOT) -> tuple[dict[Path, str], RunReport]:
    """The recordings of a workflow that are written by hand, each as a file with its text; and the replay that asked."""
    inputs = ActionInputs(spec=(workflow,), mode="replay")
    plan = plan_of(inputs, workspace, need_values=True)
    fixtures = tapes_of(inputs, plan, workspace, None, str).fixtures
    plan, _ = informed(plan, Sources(inputs, {}, workspace, fixtures, asks=False))
    deck = Renewing(plan, "replay", read(fixtures.directory, workflow))
    gates = gates_on_tape(deck, None, _now)
    report = run_plan(plan, Surroundings({}, workspace, None, lambda event: None, _now, deck=deck, gates=gates))
    return {fixtures.directory / file_name(one.path): dump(one) for one in deck.renewed}, report


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    for example in sorted(ROOT.glob("examples/*/workflow.yaml")):
        files, report = renewed(str(example.relative_to(ROOT)))
        if report.failure is not None:
            raise SystemExit(f"{example}: {report.failure.message}")
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
