"""A run against what was expected of it: everything that is not as it should be, at once. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.errors import Location
from runner.plan.schemas import mismatch
from runner.prices import exact
from runner.report.costs import why_unknown
from runner.report.outputs import document, step_document
from runner.report.tested import Failed
from runner.spec.nearest import nearest
from runner.testing.paths import NoSuchPath, called, look_up, parts, step_at, step_named, step_names
from runner.testing.patterns import SECONDS, found_in_all
from runner.testing.shapes import Expectation, StepExpectation, each
from runner.testing.showing import differences, shown

if TYPE_CHECKING:
    from runner.report.results import RunReport, StepResult
    from runner.testing.paths import Part
    from runner.testing.shapes import AnswerExpectation, ToolsExpectation

    Found = Iterator[tuple[tuple[Part, ...], str, str, str]]
    """Where in the expectation, what, should be how, and is how."""


def _nowhere(_: Sequence[Part]) -> Location:
    return Location("")


@dataclass(frozen=True)
class Expected:
    """What is expected of a run: what was written, where each part of it stands, and the JSON Schemas it names, by
    the step they are for and None for those of the run."""

    says: Expectation = Expectation()
    locate: Callable[[Sequence[Part]], Location] = field(default=_nowhere, compare=False)
    schemas: Mapping[str | None, Mapping[str, Any]] = field(default_factory=dict)


def judge(expected: Expected, report: RunReport, cost_usd: float | None = None) -> list[Failed]:
    """Everything that a run is not and should be, in the order of the file. `cost_usd` is None where it is not
    known."""
    found = [
        Failed(what, should, but, expected.locate(path))
        for path, what, should, but in _of_run(expected, report, cost_usd)
    ]
    return sorted(found, key=lambda one: one.at)


def _of_run(expected: Expected, report: RunReport, cost_usd: float | None) -> Found:
    says = expected.says
    if report.status != says.status:
        why = f": {report.failure.title}: {report.failure.message}" if report.failure is not None else ""
        yield ("status",), "status", f"be {says.status}", f"is {report.status}{why}"
    yield from _of_answer(says, _of_the_run(report), expected.schemas.get(None))
    yield from _of_steps(expected, report)
    if says.max_cost_usd is not None and not (cost_usd is not None and cost_usd <= says.max_cost_usd):
        why = ", ".join(why_unknown(report)) or "a price is missing"
        actual = f"is not known: {why}" if cost_usd is None else f"is {exact(cost_usd)} USD"
        yield ("max_cost_usd",), "cost", f"be at most {exact(says.max_cost_usd)} USD", actual
    if says.max_duration_s is not None and report.duration_ms > 1000 * says.max_duration_s:
        actual = f"is {report.duration_ms / 1000:g} s"
        yield ("max_duration_s",), "duration", f"be at most {says.max_duration_s:g} s", actual


def _of_steps(expected: Expected, report: RunReport) -> Found:
    for name, says in (expected.says.steps or {}).items():
        place: tuple[Part, ...] = ("steps", name)
        step = step_named(name, report)
        if step is None:
            yield place, f"step '{name}'", "be in the run", f"is not; {nearest(name, step_names(report))}"
            continue
        whole = says if isinstance(says, StepExpectation) else StepExpectation(status=says)
        for path, what, should, but in _of_step(whole, name, step, report, expected.schemas.get(name)):
            yield (*place, *path), f"step '{name}': {what}", should, but


def _of_step(
    says: StepExpectation, name: str, step: StepResult, report: RunReport, schema: Mapping[str, Any] | None
) -> Found:
    if step.status != says.status:
        why = f": {step.error}" if step.error else ""
        yield ("status",), "status", f"be {says.status}", f"is {step.status}{why}"

    def found(path: str) -> Any:
        whole = step_document(step, report.started)
        return look_up(whole, parts(path))

    subject = Subject(step.response, step.data, step.tools, step.usage.total, step.turns, found)
    yield from _of_answer(says, subject, schema)


# -- what can be said of runs and steps alike -------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A run or a step: what is judged of it. `found` is what stands at a path in it, and raises NoSuchPath."""

    response: str
    data: Any
    tools: tuple[str, ...]
    tokens: int
    turns: int
    found: Callable[[str], Any]


def _of_the_run(report: RunReport) -> Subject:
    def found(path: str) -> Any:
        whole = document(report)
        if (led := step_at(path, report)) is not None:
            step, before, rest = led
            return look_up(whole["steps"][report.steps.index(step)], rest, before)
        asked = parts(path)
        match asked:
            case ("steps", str(name), *_):
                raise NoSuchPath(f"the run has no step '{name}'; {nearest(name, step_names(report))}")
        if asked[0] not in whole:
            raise NoSuchPath(f"the run has no '{path}'; {nearest(path, [*whole, *step_names(report)])}")
        return look_up(whole, asked)

    tools = tuple(name for step in report.steps for name in step.tools)
    turns = sum(step.turns for step in report.steps)
    return Subject(report.response, report.data, tools, report.usage.total, turns, found)


def _of_answer(says: AnswerExpectation, subject: Subject, schema: Mapping[str, Any] | None) -> Found:
    yield from _of_words(says, subject.response)
    for path, value in (says.equals or {}).items():
        yield from _equal(path, value, subject)
    if schema is not None and (wrong := _unlike(schema, subject)):
        yield ("json_schema",), *wrong
    if says.tools is not None:
        yield from _of_tools(says.tools, subject.tools)
    for key, what, used, most in (
        ("max_tokens", "tokens", subject.tokens, says.max_tokens),
        ("max_turns", "turns", subject.turns, says.max_turns),
    ):
        if most is not None and used > most:
            yield (key,), what, f"be at most {most:,}", f"are {used:,}"


def _of_words(says: AnswerExpectation, response: str) -> Found:
    for place, text in _placed("contains", says.contains):
        if text not in response:
            yield place, "response", f"contain {shown(text)}", _nearly(text, response)
    for place, text in _placed("not_contains", says.not_contains):
        if text in response:
            yield place, "response", f"not contain {shown(text)}", f"has it: {shown(response, response.index(text))}"
    for place, pattern in _placed("matches", says.matches):
        try:
            if not found_in_all(pattern, response):
                yield place, "response", f"match {shown(pattern)}", f"is {shown(response)}"
        except TimeoutError:
            yield place, "response", f"match {shown(pattern)}", f"finding out takes longer than {SECONDS:g} s"


def _nearly(text: str, response: str) -> str:
    """What there is instead: the same in other letters, or the beginning."""
    at = response.casefold().find(text.casefold())
    if at >= 0 and len(response.casefold()) == len(response):
        return f"has it only as {shown(response[at : at + len(text)])}; letters count as they are written"
    return f"is {shown(response)}"


def _equal(path: str, value: Any, subject: Subject) -> Found:
    place = ("equals", path)
    try:
        actual = subject.found(path)
    except NoSuchPath as problem:
        yield place, path, f"be {shown(value)}", str(problem)
        return
    for one in differences(value, actual, path):
        yield place, called(path, one.path), one.expected, one.actual


def _unlike(schema: Mapping[str, Any], subject: Subject) -> tuple[str, str, str] | None:
    data, what = subject.data, "data"
    if data is None:
        what = "response"
        try:
            data = json.loads(subject.response)
        except (ValueError, RecursionError):
            return what, "be JSON as json_schema says", f"is {shown(subject.response)}"
    wrong = mismatch(data, schema)
    return (what, "satisfy json_schema", f"does not at {wrong}; it is {shown(data)}") if wrong else None


def _of_tools(says: ToolsExpectation, used: Sequence[str]) -> Found:
    told = f"were {', '.join(used)}" if used else "none was used"
    for place, name in _placed("called", says.called):
        if name not in used:
            yield ("tools", *place), "tools", f"include {name}", told
    for place, name in _placed("not_called", says.not_called):
        if name in used:
            yield ("tools", *place), "tools", f"not include {name}", told
    if says.in_order is not None and not _in_order(says.in_order, used):
        yield ("tools", "in_order"), "tools", f"be used in the order {', '.join(says.in_order)}", told


def _in_order(wanted: Sequence[str], used: Sequence[str]) -> bool:
    """Whether one comes after the other; there may be others between them."""
    rest = iter(used)
    return all(name in rest for name in wanted)


def _placed(key: str, value: str | list[str] | None) -> Iterator[tuple[tuple[Part, ...], str]]:
    """One text or several, each with its place."""
    several = isinstance(value, list)
    for number, text in enumerate(each(value)):
        yield ((key, number) if several else (key,)), text
