"""What is wrong with test cases beyond their shape. Checks yield; who loads the file tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from runner.errors import Finding
from runner.plan.tools import HttpTool, McpServer
from runner.spec.nearest import nearest
from runner.testing.paths import parts
from runner.testing.patterns import SECONDS, found_in_all
from runner.testing.shapes import StepExpectation, each

if TYPE_CHECKING:
    from runner.plan.plan import Plan
    from runner.spec.load import Document
    from runner.testing.cases import Case
    from runner.testing.paths import Part
    from runner.testing.shapes import AnswerExpectation, CaseShape, FileShape, ToolsExpectation

    Place = tuple[Part, ...]
    Wrong = Iterator[tuple[Place, str]]

_PROBES: Final = ("", "\x00", "\ue000\n\ue001")
"""Answers that no case is about: a pattern that is found in all of them is found in everything."""


def problems(shape: FileShape, file: Document) -> Iterator[Finding]:
    """Everything that is wrong with a file of the right shape, each at its place."""
    lines: dict[str, int] = {}
    for number, case in enumerate(shape.cases):
        place = ("cases", number)
        at = file.locate((*place, "name"))
        if case.name in lines:
            told = f"case '{case.name}' stands here again; it was first written in line {lines[case.name]}"
            yield Finding(told, at)
        lines.setdefault(case.name, at.line)
        for path, message in (*_of_case(case), *_of_expectation(case)):
            yield Finding(message, file.locate((*place, *path)))


def _of_case(case: CaseShape) -> Wrong:
    written = case.model_fields_set
    if not case.live:
        for key in ("repeat", "min_passes"):
            if key in written:
                yield (key,), f"'{key}' is for cases with live: true; a recording says the same every time"
        if "max_duration_s" in case.expect.model_fields_set and case.tools == "recorded":
            told = "'max_duration_s' is for what is live; a replay takes next to no time, so this could not fail"
            yield ("expect", "max_duration_s"), told
        return
    for key, what in (("recordings", "asks the model, and has no recordings"), ("tools", "uses the real tools")):
        if key in written:
            yield (key,), f"'{key}' is not for cases with live: true, which {what}"
    if case.min_passes is not None and case.min_passes > case.repeat:
        yield ("min_passes",), f"min_passes: {case.min_passes} of {case.repeat} runs cannot pass; raise 'repeat'"


def _of_expectation(case: CaseShape) -> Wrong:
    says = case.expect
    if "expect" in case.model_fields_set and not says.model_fields_set:
        yield ("expect",), "'expect' is empty; leave it out where status: success is all, or say what is expected"
    yield from _of_answer(says, ("expect",))
    for name, step in (says.steps or {}).items():
        if isinstance(step, StepExpectation):
            yield from _of_step(step, ("expect", "steps", name))


def _of_step(says: StepExpectation, place: Place) -> Wrong:
    if not says.model_fields_set:
        yield place, "nothing is expected of this step; write success, or say what is expected"
    if says.status == "skipped" and says.model_fields_set & {"contains", "matches", "json_schema"}:
        yield place, "a step that is skipped has no answer to expect anything of"
    yield from _of_answer(says, place)


def _of_answer(says: AnswerExpectation, place: Place) -> Wrong:
    for pattern in each(says.matches):
        if told := _not_a_pattern(pattern):
            yield (*place, "matches"), told
    for text in each(says.contains):
        if any(other in text for other in each(says.not_contains)):
            yield (*place, "contains"), f"{text!r} is expected and has in it what 'not_contains' forbids"
    for path in says.equals or {}:
        try:
            parts(path)
        except ValueError as error:
            yield (*place, "equals", path), str(error)
    if says.tools is not None:
        yield from _of_tools(says.tools, (*place, "tools"))


def _of_tools(says: ToolsExpectation, place: Place) -> Wrong:
    if not says.model_fields_set:
        yield place, "nothing is expected of the tools; say called, not_called or in_order"
    for name in each(says.not_called):
        if name in (*each(says.called), *(says.in_order or ())):
            yield (*place, "not_called"), f"tool '{name}' is expected to be called as well"


def _not_a_pattern(pattern: str) -> str | None:
    """Why a text is no regular expression that could fail to be found; None when it is one."""
    try:
        everywhere = found_in_all(pattern, *_PROBES)
    except TimeoutError:
        return f"{pattern!r} takes longer than {SECONDS:g} s to try"
    except ValueError as error:
        return str(error)
    return f"{pattern!r} is found in any text, so this could not fail" if everywhere else None


# -- what only the plan tells -----------------------------------------------------------------------------------------


def unfailing(case: Case, plan: Plan) -> Iterator[Finding]:
    """Tools that a case forbids and no agent of the workflow has: a slip of the hand would forbid nothing. Which
    tools MCP servers have is not known before they are started."""
    if any(isinstance(recipe, McpServer) for recipe in plan.tools.values()):
        return
    known = sorted(one.told_as if isinstance(one, HttpTool) else one.name for one in plan.tools.values())
    says = case.expected.says
    steps = {name: one for name, one in (says.steps or {}).items() if isinstance(one, StepExpectation)}
    places: list[tuple[Place, AnswerExpectation]] = [
        ((), says),
        *((("steps", name), one) for name, one in steps.items()),
    ]
    for place, one in places:
        for name in each(one.tools.not_called if one.tools is not None else None):
            if name not in known:
                told = f"no agent has a tool '{name}', so this could not fail; {nearest(name, known)}"
                yield Finding(told, case.expected.locate((*place, "tools", "not_called")))
