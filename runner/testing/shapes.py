"""What a file of test cases may say, as types: the shape only, no behaviour. docs/testing.md tells what it means."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag

from runner.spec.shape import Identifier, NotEmpty, Positive, Seconds, Shape

Texts: TypeAlias = list[NotEmpty]
RunStatus = Literal["success", "failed", "budget", "timeout", "paused", "skipped"]
"""How a run can end that began, and that nobody stopped."""

EndedAs = Literal["success", "failed", "cancelled", "skipped"]


def _how_many(value: Any) -> str:
    return "several" if isinstance(value, list) else "one"


OneOrMore = Annotated[
    Annotated[NotEmpty, Tag("one")] | Annotated[Texts, Field(min_length=1), Tag("several")],
    Discriminator(_how_many),
]


def _directory(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"'{name}' is no name of a directory of letters, digits and . _ -, the first no sign")
    return name


class ToolsExpectation(Shape):
    called: OneOrMore | None = None
    not_called: OneOrMore | None = None
    in_order: Annotated[Texts, Field(min_length=1)] | None = None


class AnswerExpectation(Shape):
    """What can be said of a run and of one of its steps alike."""

    contains: OneOrMore | None = None
    not_contains: OneOrMore | None = None
    matches: OneOrMore | None = None
    equals: Annotated[dict[NotEmpty, Any], Field(min_length=1)] | None = None
    json_schema: str | dict[str, Any] | None = None
    tools: ToolsExpectation | None = None
    max_tokens: Positive | None = None
    max_turns: Positive | None = None


class StepExpectation(AnswerExpectation):
    status: EndedAs = "success"


def _kind_of_step(value: Any) -> str:
    return "full" if isinstance(value, dict | StepExpectation) else "status"


Stepwise = Annotated[
    Annotated[EndedAs, Tag("status")] | Annotated[StepExpectation, Tag("full")],
    Discriminator(_kind_of_step),
]


class Expectation(AnswerExpectation):
    status: RunStatus = "success"
    steps: Annotated[dict[NotEmpty, Stepwise], Field(min_length=1)] | None = None
    max_cost_usd: Annotated[float, Field(ge=0)] | None = None
    max_duration_s: Seconds | None = None


class CaseShape(Shape):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    variables: dict[Identifier, Any] = {}
    recordings: Annotated[str, AfterValidator(_directory)] | None = None
    tools: Literal["recorded", "live"] = "recorded"
    live: bool = False
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    min_passes: Positive | None = None
    hitl_response: str | None = None
    facts: NotEmpty | None = None
    expect: Expectation = Expectation()


class FileShape(Shape):
    """A whole file of test cases."""

    workflow: NotEmpty | None = None
    cases: Annotated[list[CaseShape], Field(min_length=1)]


def each(value: str | list[str] | None) -> tuple[str, ...]:
    """One text or several, as several."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def schema_text() -> str:
    """The JSON Schema of a file of test cases, for editors."""
    schema = FileShape.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "strands-action test cases"
    return json.dumps(schema, indent=2) + "\n"
