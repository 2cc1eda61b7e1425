"""What a human's answer decides where a gate reviews something: a route, a draft, the tasks of workers, their answers.

An answer that decides nothing is no guess of ours: ValueError says in a sentence which answers there are. So that no
such answer is kept, it is read (`check`) before it is taken.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from runner.plan import asked
from runner.plan.schemas import mismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.plan.plan import Gate

YES: Final = ("approved", "approve", "yes", "ok", "continue", "proceed")
"""Answers by which things go on as they are. All such words are read in capitals or not."""

NO: Final = ("reject", "rejected", "no", "stop", "abort", "end")
"""Answers by which a review of tasks or of answers ends the run."""

STOP: Final = ("stop", "abort", "end")
"""Answers by which a review of drafts accepts the one there is."""

GUIDANCE: Final = (
    f"{{% if hitl_response | trim | lower not in {json.dumps(YES)} %}}"
    "A reviewer says: {{ hitl_response }}\n{% endif %}"
)
"""What is added to the question for a better draft, where a human reviews the drafts."""

PREFIX: Final = "route:"

Verdict: TypeAlias = Literal["yes", "no", "changed"]


def check(gate: Gate, answer: str) -> None:
    """Raises ValueError when this is no answer to the gate."""
    if gate.reviews == "route":
        route(answer, gate.routes)
    if gate.reviews == "tasks":
        tasks(answer, gate.max_tasks)


def route(answer: str, routes: Sequence[str]) -> str | None:
    """The route that an answer names: `route:billing`, or the bare name; None approves the router's."""
    said = answer.strip()
    bare = not said.lower().startswith(PREFIX)
    name = said if bare else said[len(PREFIX) :].strip()
    found = [one for one in routes if one == name] or [one for one in routes if one.lower() == name.lower()]
    approved = bare and name.lower() in YES
    if len(found) == 1 and not approved:
        return found[0]
    if approved and not found:
        return None
    if found:
        raise ValueError(f"could mean several things; say 'route:{found[0]}' with the exact name of a route")
    known = ", ".join(routes)
    raise ValueError(f"neither approves the route nor names one; say 'approved', or 'route:' and one of: {known}")


def stops(answer: str) -> bool:
    """Whether an answer accepts the draft there is. Any other lets it be revised."""
    return answer.strip().lower() in STOP


def tasks(answer: str, most: int) -> tuple[Verdict, list[dict[str, Any]]]:
    """What becomes of an orchestrator's tasks, and which they are instead where the answer is JSON. `changed` without
    tasks asks the orchestrator for others."""
    if answer.strip()[:1] in ("[", "{"):
        return "changed", _listed(answer, most)
    return verdict(answer), []


def verdict(answer: str) -> Verdict:
    """Whether an answer approves, rejects, or says something else."""
    word = answer.strip().lower()
    return "yes" if word in YES else "no" if word in NO else "changed"


def _listed(answer: str, most: int) -> list[dict[str, Any]]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        raise ValueError('begins as a list of tasks and is no JSON: [{"task": "…"}, …]') from None
    if isinstance(found, list):
        found = {"tasks": [{"task": one} if isinstance(one, str) else one for one in found]}
    if wrong := mismatch(found, asked.tasks(most, 1)):
        raise ValueError(f'is no list of tasks ([{{"task": "…"}}, …]): {wrong}')
    listed: list[dict[str, Any]] = found["tasks"]
    return listed
