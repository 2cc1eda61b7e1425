"""A plan as a file that another job posts: written, read as a stranger's, and held against what the host says now. The
digest tells what has been changed by accident on the way; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from runner.errors import PostProblem
from runner.plan.plan import PostRecipe
from runner.post.bounds import strange
from runner.post.places import Ground, standing_at
from runner.post.plan import PostPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.diff.change import Change
    from runner.facts.facts import Target
    from runner.post.plan import Comment

FORMAT: Final = "strands-action/post-plan/1"
MOST_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Now:
    """What the host says of the pull request at this moment: whether it is open, its newest commit and its diff."""

    is_open: bool
    head: str
    change: Change


@dataclass(frozen=True)
class _Written:
    format: str
    digest: str
    plan: PostPlan


def dump(plan: PostPlan) -> str:
    """A plan as JSON. Where it stands in the diff is not told by fingerprints: who posts makes these himself."""
    told: dict[str, Any] = asdict(plan)
    for comment in told["comments"]:
        del comment["place"]
    return json.dumps({"format": FORMAT, "digest": _digest(told), "plan": told}, indent=2) + "\n"


def load(text: str, file: str) -> PostPlan:
    """A plan from a file of that name. Raises PostProblem where it is not exactly as `dump` wrote it, or holds what no
    plan of ours does."""
    if len(text) > MOST_BYTES:
        raise PostProblem(f"{file}: a plan has at most {MOST_BYTES:,} characters, and this one {len(text):,}")
    try:
        written = _reader().validate_json(text.encode(errors="replace"), strict=True)
    except ValidationError as error:
        raise PostProblem(f"{file} is not a plan that `post: plan` wrote: {_told(error)}") from None
    if written.format != FORMAT:
        told = f"it has the format {written.format[:60]!r}, and this version reads {FORMAT!r}"
        raise PostProblem(f"{file} is a plan of another version: {told}")
    if text != dump(written.plan):
        raise PostProblem(f"{file} was changed after it was written: its digest is another, or how it is written is")
    if found := list(islice(strange(written.plan), 3)):
        raise PostProblem(f"{file} is no plan of ours: {'; '.join(found)}")
    return written.plan


def checked(plan: PostPlan, target: Target, now: Now, recipe: PostRecipe | None) -> PostPlan:
    """A plan that may be posted: it is for this `target`, that of the event, which is still as it was looked at, and
    asks for nothing that `recipe`, of this job's own file, does not allow. Raises PostProblem."""
    for problem in chain(_elsewhere(plan, target), _stale(plan, now), _not_allowed(plan, recipe or PostRecipe())):
        raise PostProblem(f"the plan is not posted: {problem}")
    ground = Ground(now.change)
    return replace(plan, comments=tuple(_stands(comment, ground) for comment in plan.comments))


def _elsewhere(plan: PostPlan, target: Target) -> Iterator[str]:
    """Where it is for another pull request, or another commit, than the event."""
    if plan.repository.lower() != target.repository.lower():
        yield f"it is for {plan.repository}, and the event is about {target.repository}"
    if plan.number != target.number:
        yield f"it is for number {plan.number}, and the event is about {target.number}"
    if plan.head != target.head:
        yield f"it is about commit {_short(plan.head)}, and the run that made it looked at {_short(target.head)}"


def _stale(plan: PostPlan, now: Now) -> Iterator[str]:
    if not now.is_open:
        yield f"number {plan.number} was closed since"
    if plan.head != now.head:
        yield f"it is about commit {_short(plan.head)}, and number {plan.number} is at {_short(now.head)} by now"


def _not_allowed(plan: PostPlan, recipe: PostRecipe) -> Iterator[str]:
    for label in (one for one in plan.labels if one not in recipe.labels):
        allowed = f"is not one of: {', '.join(recipe.labels)}" if recipe.labels else "is not allowed"
        yield f"the label {label!r} {allowed} (outputs.post.labels of the file that input 'spec' names here)"
    if plan.check and plan.check != recipe.check:
        allowed = f"should be {recipe.check!r}" if recipe.check else "is not allowed"
        yield f"the check {plan.check!r} {allowed} (outputs.post.check of the file that input 'spec' names here)"
    if len(plan.comments) > recipe.max_comments:
        yield f"it has {len(plan.comments)} comments, and at most {recipe.max_comments} are allowed"


def _stands(comment: Comment, ground: Ground) -> Comment:
    """The comment with its place, as the diff of now tells it."""
    spot = ground.standing(comment)
    if spot is None:
        raise PostProblem(f"the plan is not posted: {standing_at(comment)} is not in the diff")
    return replace(comment, place=spot.place)


def _short(commit: str) -> str:
    return commit[:10] or "none"


@cache
def _reader() -> TypeAdapter[_Written]:
    return TypeAdapter(_Written)


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    told = first["msg"].replace("\n", " ")[:200]
    return f"{place}: {told}" if place else told


def _digest(told: Any) -> str:
    """SHA-256 over canonical JSON."""
    plain = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(plain.encode()).hexdigest()
