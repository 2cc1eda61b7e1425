"""What a pattern asks of an answer, as JSON Schema, and the questions that it asks where the file names none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


def route(names: Iterable[str]) -> dict[str, Any]:
    """A router's answer: one of the routes."""
    return _object(route={"type": "string", "enum": list(names)})


def tasks(at_most: int, at_least: int) -> dict[str, Any]:
    """An orchestrator's answer: what the workers are to do."""
    task = _object(task={"type": "string", "minLength": 1})
    return _object(tasks={"type": "array", "items": task, "minItems": at_least, "maxItems": at_most})


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_REMARKS: Final = {"type": "array", "items": {"type": "string"}}
EVALUATION: Final = {
    "type": "object",
    "properties": {"score": {"type": "number"}, "issues": _REMARKS, "fixes": _REMARKS},
    "required": ["score"],
}
"""An evaluator's answer."""

EVALUATE: Final = "{{ draft }}"
REVISE: Final = """\
Write a better draft. Answer with the whole of it and nothing else.

The draft so far:
{{ draft }}

It was given the score {{ evaluation.score }}.
{% for issue in evaluation.issues %}Issue: {{ issue }}
{% endfor %}{% for fix in evaluation.fixes %}Fix: {{ fix }}
{% endfor %}"""

TASK: Final = "{{ task }}"
GO_ON: Final = """

The answers of the workers so far:
{% for worker in workers %}{{ loop.index }}. {{ worker.response }}
{% endfor %}
Make more tasks only if something is still missing; an empty list ends the work."""

OTHER_TASKS: Final = """

The tasks so far:
{{ orchestrator_response }}

A reviewer wants others:
{{ hitl_response }}

Make all of the tasks anew."""
