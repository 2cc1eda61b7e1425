"""What an answer says is to be posted: a text, or data of this shape. What models get wrong and what can only be meant
one way is read as it was meant; where a finding goes is next door.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from runner.errors import PostProblem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_FINDINGS: Final = 1_000
"""A model that names more than this is not reviewing."""

_RANGE: Final = re.compile(r"[Ll+]?\s*(\d{1,9})(?:\s*(?:-|\u2013|\u2014|:|\.\.\.?|to)\s*[Ll+]?\s*(\d{1,9}))?")
_SIDES: Final = {"right": "new", "left": "old", "added": "new", "removed": "old", "": None}
_CONCLUSIONS: Final = {"pass": "success", "passed": "success", "fail": "failure", "failed": "failure", "": None}


def _no_null(value: Any, default: Any) -> Any:
    return default if value is None else value


def _line(value: Any) -> Any:
    """A number as a text: a model writes 12, 12.0, "12", "L12", "12-15", or "+12" as the diff does."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _no_null(value, "")


def _word(known: dict[str, str | None]) -> BeforeValidator:
    def read(value: Any) -> Any:
        word = value.strip().lower() if isinstance(value, str) else value
        return known.get(word, word) if isinstance(word, str) else word

    return BeforeValidator(read)


Text = Annotated[str, BeforeValidator(lambda value: _no_null(value, ""))]
Number = Annotated[str, BeforeValidator(_line)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Finding(_Said):
    """One thing that was found. `line` and `start_line` are as they were said; `lines` is what they mean."""

    path: Text = ""
    line: Number = ""
    start_line: Number = ""
    side: Annotated[Literal["new", "old"] | None, _word(_SIDES)] = None
    severity: Text = ""
    title: Text = ""
    body: Text = ""
    suggestion: str | None = None

    @property
    def lines(self) -> tuple[int, int] | None:
        """The first and the last line that it is about, from 1; None where that is no line."""
        numbers = [int(one) for text in (self.start_line, self.line) for one in _numbers(text)]
        numbers = [one for one in numbers if one > 0]
        return (min(numbers), max(numbers)) if numbers else None

    @property
    def where(self) -> str:
        """The place as it was said, for people: src/a.py:12."""
        between = "-".join(one for one in (self.start_line, self.line) if one)
        return f"{self.path}:{between}" if between else self.path

    @property
    def says_nothing(self) -> bool:
        return not (self.title.strip() or self.body.strip() or self.suggestion)


class Said(_Said):
    """All that an answer says. `findings` is None where it says nothing of findings, and empty where there are none."""

    body: Text = ""
    summary: Text = ""
    findings: list[Finding] | None = Field(None, max_length=MOST_FINDINGS)
    labels: Annotated[list[str], BeforeValidator(lambda value: _no_null(value, []))] = []
    conclusion: Annotated[Literal["success", "neutral", "failure"] | None, _word(_CONCLUSIONS)] = None

    @property
    def text(self) -> str:
        """The words above all findings."""
        return (self.body if self.body.strip() else self.summary).strip()


def said(answer: Any) -> Said:
    """An answer as what it says. Raises PostProblem where it says nothing, or something else."""
    if isinstance(answer, str) and answer.strip():
        return Said(body=answer)
    if answer in (None, "", [], {}) or isinstance(answer, str):
        raise PostProblem("there is nothing to post: the answer is empty")
    if not isinstance(answer, dict):
        raise PostProblem(f"what is to be posted is {_kind(answer)}, and should be a text, or data with {_keys()}")
    if not answer.keys() & Said.model_fields.keys():
        raise PostProblem(f"what is to be posted has none of these: {_keys()}")
    try:
        found = Said.model_validate(answer)
    except ValidationError as error:
        raise PostProblem(f"what is to be posted does not fit: {_told(error.errors()[0])}") from None
    if found.findings is None and not found.text and not found.labels and found.conclusion is None:
        raise PostProblem(
            "there is nothing to post: the answer has neither a body nor findings, labels or a conclusion"
        )
    return found


def _numbers(text: str) -> list[str]:
    found = _RANGE.fullmatch(text.strip())
    return [one for one in found.groups() if one] if found else []


def _keys() -> str:
    return ", ".join(Said.model_fields)


def _told(error: ErrorDetails) -> str:
    """What is wrong where, and what would be right."""
    place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in error["loc"]).lstrip(".")
    match error["type"]:
        case "literal_error":
            return f"{place} is {str(error['input'])[:60]!r}, and should be {error['ctx']['expected']}"
        case "too_long":
            return f"{place} has more than {MOST_FINDINGS:,} entries"
        case "list_type":
            return f"{place} is {_kind(error['input'])}, and should be a list"
        case "model_type" | "model_attributes_type":
            return f"{place} is {_kind(error['input'])}, and should be an object"
        case _:
            right = "the number of a line" if error["loc"][-1] in ("line", "start_line") else "a text"
            return f"{place} is {_kind(error['input'])}, and should be {right}"


def _kind(value: Any) -> str:
    """What a value of JSON is called."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
    return "null"
