"""Where the answers of humans come from: the input of this run, what earlier runs were answered, or a gate's default.

A gate is never waited at. What is asked is kept, for the run that goes on with it; what was answered once is not asked
again. The response is a text, for one gate, or a map of paths to answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Question, RunPaused, SpecError, StepFailed, UsageError
from runner.plan import reviews
from runner.plan.flows import planned
from runner.spec.load import parse
from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from runner.plan.plan import Gate
    from runner.report.results import AnsweredBy, Source

LONGEST_S: Final = 3e9
"""Some hundred years, which no date overflows by."""

ONLY_A_PATH: Final = re.compile(r"[\w.:-]+(\[\d+\]|#\d+)|(tasks|nodes)\.[\w.:-]+")
"""What can only be meant as the path of a gate, also where there is no such gate."""


@dataclass(frozen=True)
class GateRecord:
    """What was asked at a gate and when, and the answer, once there is one."""

    path: str
    config_hash: str
    question: str
    context: str
    asked: datetime
    answer: str | None = None
    answered_by: AnsweredBy | None = None

    def same_as(self, other: GateRecord) -> bool:
        """Whether both ask the same and show the same, so that an answer to one is an answer to the other: who lets a
        draft pass has said nothing of another one."""
        return replace(self, asked=other.asked, answer=None, answered_by=None) == replace(
            other, answer=None, answered_by=None
        )


class Gates:
    """The answers of one run. `earlier` is what runs before it asked, by path; `keep` is called for every question that
    is asked, and again once it is answered. A question of an earlier run keeps the time at which it was asked. `clean`
    takes out of a text what must not be kept. `source` is what an answer of `earlier` is called in the results."""

    def __init__(
        self,
        response: str | None,
        earlier: Mapping[str, GateRecord],
        now: Callable[[], datetime],
        keep: Callable[[GateRecord], None],
        clean: Callable[[str], str] = lambda text: text,
        source: Source = "resumed",
    ) -> None:
        self._source = source
        self._response, self._earlier, self._now, self._keep, self._clean = response, earlier, now, keep, clean
        self._given: dict[str, str] = {}
        self._for_the_first: str | None = None
        self._remarks: list[str] = []

    def expect(self, gates: Collection[Gate]) -> None:
        """Find out whose answer the response is, before anything runs. `gates` are all that the plan has; what was
        asked at others is void. Raises UsageError where that cannot be told."""
        if self._response is None:
            return
        by_path = {gate.path: gate for gate in gates}
        if (answers := _as_map(self._response, by_path)) is not None:
            self._given = answers
            return
        order = {path: index for index, path in enumerate(by_path)}
        waiting = [one for one in self._earlier.values() if one.answer is None and _asked_by(by_path, one)]
        waiting.sort(key=lambda one: (order[planned(one.path)], one.path))
        in_time = [one for one in waiting if not _late(by_path[planned(one.path)], one, self._now())]
        if len(in_time) > 1:
            listed = "; ".join(f"{one.path}: {one.question}" for one in in_time)
            told = f"input 'hitl-response' is one answer, and {len(in_time)} questions are open"
            raise UsageError(f"{told}; give a map of path to answer ({listed})")
        if not waiting:
            self._for_the_first = self._response
        else:  # where all have come too late, it was meant for any of them
            self._given = {(in_time or waiting)[0].path: self._response}

    def ask(self, gate: Gate, path: str, prompt: str, context: str) -> GateRecord:
        """The answer to a rendered question. Raises RunPaused when there is none yet, StepFailed when there will be
        none, UsageError when what was given is no answer."""
        now = self._now()
        fresh = GateRecord(path, gate.config_hash, self._clean(prompt), self._clean(context), now)
        record, may_answer = self._recalled(fresh)
        self._keep(record)
        if record.answer is not None:
            return record
        given = self._take(path) if may_answer else None
        if _late(gate, record, now):
            record = _by_default(record, gate, f"nobody answered within {gate.timeout_s:g} s (timeout_seconds)")
            if given is not None:
                self._remarks.append(f"the answer to {path} came too late (timeout_seconds); its default stands")
        elif given is None:
            raise RunPaused([question_of(gate, record)])
        elif not given.strip():
            record = _by_default(record, gate, "its answer is empty")
        else:
            record = replace(record, answer=self._clean(given), answered_by="response")
        _check(gate, record)
        self._keep(record)
        return record

    def source(self, record: GateRecord) -> Source:
        """Where an answer comes from: an earlier run, or this one."""
        before = self._earlier.get(record.path)
        recalled = before is not None and before.answer is not None and before.same_as(record)
        return self._source if recalled else "live"

    def remarks(self) -> Iterator[str]:
        """What is worth a warning when the run is over."""
        yield from self._remarks
        if self._for_the_first is not None:
            yield "no gate took the answer in 'hitl-response'"
        for path in self._given:
            yield f"no gate took the answer to {path} in 'hitl-response'"

    def _recalled(self, record: GateRecord) -> tuple[GateRecord, bool]:
        """What is known of a question, and whether an answer given now can be meant for it: who answers has seen what
        was asked earlier at its path, and nothing else."""
        before = self._earlier.get(record.path)
        if before is None:
            return record, True
        if not before.same_as(record):
            return record, False
        return replace(record, asked=before.asked, answer=before.answer, answered_by=before.answered_by), True

    def _take(self, path: str) -> str | None:
        """The answer for a gate, which no other will have."""
        given = self._given.pop(path, None)
        if given is None:
            given, self._for_the_first = self._for_the_first, None
        return given


def question_of(gate: Gate, record: GateRecord) -> Question:
    """What a human is told of a question."""
    until = None if gate.timeout_s is None else record.asked + timedelta(seconds=min(gate.timeout_s, LONGEST_S))
    return Question(record.path, record.question, record.context, gate.at, gate.default, until)


def _late(gate: Gate, record: GateRecord, now: datetime) -> bool:
    until = question_of(gate, record).until
    return until is not None and now >= until


def _asked_by(gates: Mapping[str, Gate], record: GateRecord) -> bool:
    """Whether one of these gates asked this, as it is now."""
    gate = gates.get(planned(record.path))
    return gate is not None and gate.config_hash == record.config_hash


def _by_default(record: GateRecord, gate: Gate, why: str) -> GateRecord:
    if gate.default is None:
        raise StepFailed(f"{record.path}: {why}, and the gate has no default", path=record.path, at=gate.at)
    return replace(record, answer=gate.default, answered_by="default")


def _check(gate: Gate, record: GateRecord) -> None:
    """What is no answer is not kept: the question stays open."""
    try:
        reviews.check(gate, record.answer or "")
    except ValueError as problem:
        told = f"the answer '{(record.answer or '')[:80]}' to {record.path} {problem}"
        raise UsageError(told, at=gate.at) from None


def _as_map(response: str, gates: Mapping[str, Gate]) -> dict[str, str] | None:
    """A response as answers by path; None where it is a text. It is a map as soon as it names a gate."""
    try:
        found = parse(response, "hitl-response").data
    except SpecError as problem:
        if any(re.match(rf"\W*{re.escape(path)}\W*:", response) for path in gates):
            raise UsageError(f"input 'hitl-response' names a gate and is no map: {problem.message}") from None
        return None
    if not isinstance(found, dict):
        return None
    named = [str(key) for key in found if planned(str(key)) in gates]
    if not named and not all(ONLY_A_PATH.fullmatch(str(key)) for key in found):
        return None
    for key in map(str, found):
        if key not in named:
            raise UsageError(f"input 'hitl-response' answers '{key}', which is no gate; {nearest(key, [*gates])}")
    return {str(key): _as_text(value) for key, value in found.items()}


def _as_text(value: Any) -> str:
    """An answer in a map as it would be without one."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
