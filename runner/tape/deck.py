"""The recordings of one run: those there are, those that it made, and what is done with them in its mode."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from runner.errors import Finding, NotRecorded, RecordingProblem
from runner.plan import digest
from runner.plan.flows import planned
from runner.tape import drift
from runner.tape.cleaning import cleaned
from runner.tape.recording import dump
from runner.tape.reel import Player
from runner.tape.shelf import Shelf

if TYPE_CHECKING:
    from runner.plan.plan import Plan, Step
    from runner.tape.recording import Prompt, Recording

Mode: TypeAlias = Literal["live", "record", "replay", "resume"]


Keep: TypeAlias = "Callable[[Recording, str], None]"
"""Is given a recording, and the text of its file."""


def unheard(recording: Recording, text: str) -> None:
    """For a run whose recordings nobody keeps."""


MOST_NAMED: Final = 50
"""Paths in a sentence."""


@dataclass
class Deck:
    """`earlier` are the recordings that there are, by path.

    `keep` is given every recording that this run stands on, `store` those that it made and that are to be committed;
    `warn` is told of a step that cannot be recorded where nobody asked for recordings. `clean` takes out of a text what
    must not be kept. `again` is the command that records anew. With `everything` no earlier recording is good enough,
    and with `looked_at` those that this run makes are looked at when it has ended.
    """

    plan: Plan
    mode: Mode = "live"
    earlier: Shelf = field(default_factory=Shelf)
    keep: Keep = unheard
    store: Keep = unheard
    clean: Callable[[str], str] = lambda text: text
    again: str = "mode: record"
    warn: Callable[[str], None] = lambda told: None
    everything: bool = False
    looked_at: bool = False
    tools_live: bool = False
    used: set[str] = field(default_factory=set, init=False)
    """Paths of earlier recordings that this run stands on."""
    made: dict[str, None] = field(default_factory=dict, init=False)
    """Paths of its own, in the order in which they were made; one of these stands before an earlier one."""
    _own: Shelf = field(default_factory=Shelf, init=False)
    _heard: dict[str, str] = field(default_factory=dict, init=False)
    _asked: dict[tuple[str, str], Any] = field(default_factory=dict, init=False)

    @property
    def plays_only(self) -> bool:
        """Whether nothing is ever asked of a model."""
        return self.mode == "replay"

    def check(self) -> None:
        """Asked before anything runs. Raises RecordingProblem with a finding for each step that cannot be replayed."""
        found = drift.stale(self.plan, self.earlier, self.asked) if self.plays_only else []
        if found:
            findings = [replace(one, message=f"{one.message}; to record it anew: {self.again}") for one in found]
            many = f"{len(found)} steps are not asked as they were recorded; to record them anew: {self.again}"
            raise RecordingProblem(many if found[1:] else findings[0].message, findings)

    def asked(self, step: Step) -> Any:
        """Who is asked and how, as it is kept."""
        key = (step.agent.id, step.config_hash)
        if key not in self._asked:
            if len(self._asked) == ASKED_KEPT:
                self._asked.clear()
            told = digest.asked(step, self.plan.context, self.plan.tools)
            self._asked[key] = cleaned(json.loads(json.dumps(told, default=list)), self.clean)
        return self._asked[key]

    def find(self, step: Step, path: str, prompt: Prompt) -> Recording | None:
        """The recording that answers this question, if there is one. Raises RecordingProblem in a replay when the one
        of this path answers another."""
        found = self.earlier.get(path)
        if found is None or self.mode == "live" or self.everything:
            return None
        differences = drift.of_step(found, step.config_hash, self.asked(step))
        differences = differences or drift.of_prompt(found, prompt, replay=self.plays_only)
        if differences and self.plays_only:
            raise self.problem(drift.told(step, differences, path), step, path)
        if differences or (found.answer.status != "success" and not self.plays_only):
            return None
        self.used.add(path)
        return found

    def player(self, step: Step, path: str, found: Recording | None) -> Player:
        """What plays a recording, or tells that there is none."""

        def problem(what: str) -> RecordingProblem:
            told = f"its recording {what}" if found else NONE
            kind = RecordingProblem if found else NotRecorded
            return self.problem(f"{path} ({step.agent.id}): {told}", step, path, kind)

        return Player(found, problem, self.clean, tools_live=self.tools_live)

    def problem(
        self, told: str, step: Step, path: str, kind: type[RecordingProblem] = RecordingProblem
    ) -> RecordingProblem:
        message = f"{told}; to record it: {self.again}"
        return kind(message, [Finding(message, step.at)], path=path)

    def add(self, recording: Recording) -> None:
        """A step was recorded. What cannot be stored was not."""
        if self.looked_at or (self.store, self.keep) != (unheard, unheard):
            try:
                text = dump(recording)
            except RecordingProblem as problem:
                self.lost(problem)
            else:
                self.store(recording, text)
                self.keep(recording, text)
                if self.looked_at:
                    self._own.put(recording, text.encode())
        self.made[recording.path] = None

    def stands_on(self, recording: Recording) -> None:
        """The run goes on from an earlier recording."""
        if self.keep is unheard:
            return
        try:
            self.keep(recording, dump(recording))
        except RecordingProblem as problem:
            self.warn(problem.message)

    def lost(self, problem: RecordingProblem) -> None:
        """A step cannot be recorded. Raises the problem in a run that is there to record."""
        if self.mode == "record":
            raise problem
        self.warn(problem.message)

    # -- what a replay is asked at its end ----------------------------------------------------------------------------

    def heard(self, path: str, exchange: str) -> None:
        """A step of a session was answered."""
        self._heard[path] = exchange

    def audit(self) -> None:
        """Asked at the end of a replay, when all that was said in a session is known, in whatever order it was.

        Raises RecordingProblem for a step whose session had said something else when it was recorded.
        """
        said_before = [path for path in self.used if self.earlier.cards[path].in_session] if self.plays_only else []
        for path in sorted(said_before):
            before = self.earlier[path].prompt.before
            if other := [one for one, exchange in before.items() if self._heard.get(one) != exchange]:
                told = f"{path}: its session said something else in {', '.join(other)} when it was recorded"
                raise self.problem(told, self._planned[planned(path)], path)

    @property
    def _planned(self) -> dict[str, Step]:
        return {step.path: step for step in self.plan.steps()}

    @property
    def standing(self) -> Shelf:
        """The recordings that this run stands on by now, in the order of their paths; its own where they are looked
        at."""
        used = {path: self.earlier.cards[path] for path in [*self.used]}
        return Shelf(dict(sorted({**used, **self._own.cards}.items())))

    @property
    def unused(self) -> list[str]:
        """Recordings that nothing asked for. Those of steps that a shard leaves to others are not its business."""
        left = [path for path in self.earlier if path not in self.used and path not in self.made]
        if self.plan.shard is None:
            return left
        mine = {row.path for row in self.plan.rows()}
        return [path for path in left if planned(path) in mine]

    def named(self, paths: Sequence[str]) -> str:
        """So many paths as fit into a sentence."""
        more = [f"and {len(paths) - MOST_NAMED:,} more"] if len(paths) > MOST_NAMED else []
        return ", ".join([*paths[:MOST_NAMED], *more])


NONE: Final = "it was never recorded"

ASKED_KEPT: Final = 100
"""Of how many steps it is kept how they are asked, for those that are taken again. Of 10,000 it would be 10 MB."""
