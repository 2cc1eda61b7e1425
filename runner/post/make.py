"""What was said, held against the diff: a plan of what is posted where. Every finding is at a place that the host
takes, below the body, or counted in a remark. Pure, and the same for the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from runner.invisible import shown, stripped
from runner.post import bounds
from runner.post.places import Ground, Spot, split, standing_at
from runner.post.plan import NOTHING, Comment, Kind, Point, PostPlan
from runner.post.severity import rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.diff.change import Change
    from runner.facts.facts import Target
    from runner.plan.plan import PostRecipe
    from runner.post.said import Finding, Said

_CUT: Final = "\n\n[cut here; results.json has all of it]"


def plan_of(said: Said, recipe: PostRecipe, target: Target, change: Change | None, kind: Kind) -> PostPlan:
    """The plan of what was said. `change` is the diff of the pull request; an issue has none."""
    made = _Made(change if kind == "review" else None, min(recipe.max_comments, bounds.MOST_COMMENTS))
    for finding in sorted(said.findings or (), key=lambda one: -rank(one.severity)):
        made.take(finding)
    labels, refused = _labels(said.labels, recipe.labels)
    check = recipe.check or "" if target.is_pull else ""  # an issue has no commit that one could be of
    body = _text(said.text, bounds.MOST_BODY)
    return PostPlan(
        target.repository,
        target.number,
        kind,
        body or _instead(said, made, labels),
        head=target.head,
        comments=made.comments,
        rest=made.rest,
        labels=labels,
        check=check,
        conclusion=(said.conclusion or "neutral") if check else None,
        remarks=_remarks([*made.remarks, *refused]),
    )


def looked_at(plan: PostPlan, since: str, unseen: str) -> PostPlan:
    """The same plan, of a change of which only what is newer than `since` was looked at, and `unseen` not at all."""
    return replace(plan, since=since, unseen=_text(unseen, bounds.MOST_UNSEEN))


def gathered(plan: PostPlan, why: str) -> PostPlan:
    """The same plan with nothing at lines: all of it stands in the one comment, which says `why`."""
    points = tuple(
        replace(
            point,
            said_of=point.said_of or _name(standing_at(comment), bounds.MOST_PLACE),
            code=point.code or comment.suggestion,
        )
        for comment in plan.comments
        for point in comment.points
    )
    return replace(plan, comments=(), rest=(*points, *plan.rest), remarks=(*plan.remarks, why))


@dataclass(slots=True)
class _Draft:
    """A comment that is not full yet."""

    spot: Spot
    points: list[Point] = field(default_factory=list)
    suggestion: str | None = None


class _Made:
    """Findings, the worst first, as comments and the rest. Without a `change` all of them are the rest."""

    def __init__(self, change: Change | None, most: int) -> None:
        self._ground = None if change is None else Ground(change)
        self._most = most
        self._drafts: dict[tuple[str, int | None, str], _Draft] = {}
        self._rest: list[Point] = []
        self._seen: set[tuple[object, ...]] = set()
        self._moved: list[str] = []
        self._merged = self._twice = self._empty = self._over = self._beyond = 0

    def take(self, finding: Finding) -> None:
        """Find a place for it."""
        if finding.says_nothing:
            self._empty += 1
            return
        spot, why = self._ground.spot(finding) if self._ground is not None else (None, "")
        key = (spot and spot.key, finding.where, _flat(finding.title), _flat(finding.body), finding.suggestion)
        if key in self._seen:
            self._twice += 1
            return
        self._seen.add(key)
        if why:
            self._moved.append(f"{_name(finding.where, 200) or 'a finding'}: {why}")
        if spot is None:
            self._below(_point(finding, _name(finding.where, bounds.MOST_PLACE), finding.suggestion))
        else:
            self._at(spot, finding, moved=bool(why))

    def _at(self, spot: Spot, finding: Finding, *, moved: bool) -> None:
        here = self._drafts.get(spot.key)
        if here is None and len(self._drafts) >= self._most:
            self._over += 1
            self._below(_point(finding, _name(spot.told, bounds.MOST_PLACE), finding.suggestion))
        elif here is None:
            self._drafts[spot.key] = _Draft(spot)
            self._add(self._drafts[spot.key], spot, finding, moved=moved)
        elif len(here.points) < bounds.MOST_POINTS:
            self._merged += 1
            self._add(here, spot, finding, moved=moved)
        else:
            self._beyond += 1

    def _add(self, draft: _Draft, spot: Spot, finding: Finding, *, moved: bool) -> None:
        """One finding more for a comment, which offers the first suggestion that is for all of its lines."""
        code = None if finding.suggestion is None or spot.says(finding.suggestion) else finding.suggestion
        exact = not moved and spot == draft.spot
        offered = _offered(code, spot) if exact else None
        if offered is not None and draft.suggestion in (None, offered):
            draft.suggestion, code = offered, None
        told = "" if exact else _name(finding.where, bounds.MOST_PLACE)
        draft.points.append(_point(finding, told, code))

    def _below(self, point: Point) -> None:
        if len(self._rest) < bounds.MOST_REST:
            self._rest.append(point)
        else:
            self._beyond += 1

    @property
    def comments(self) -> tuple[Comment, ...]:
        """In the order of how bad they are."""
        return tuple(
            Comment(
                draft.spot.path,
                tuple(draft.points),
                draft.spot.place,
                draft.spot.line,
                draft.spot.start_line,
                draft.spot.side,
                draft.suggestion,
            )
            for draft in self._drafts.values()
        )

    @property
    def rest(self) -> tuple[Point, ...]:
        return tuple(self._rest)

    @property
    def remarks(self) -> Iterator[str]:
        """What became of findings that are not where they were said, in sentences."""
        yield from self._moved
        if self._over:
            yield f"{_count(self._over)} below the text: at most {self._most} comments may be made (max_comments)"
        if self._merged:
            yield f"{_count(self._merged)} said together with another, at the same line"
        if self._twice:
            yield f"{_count(self._twice)} left out: said twice in the same words"
        if self._empty:
            yield f"{_count(self._empty)} left out: no title, no body and no suggestion"
        if self._beyond:
            yield f"{_count(self._beyond)} left out, for there are too many; results.json has all of them"


def _point(finding: Finding, said_of: str, code: str | None) -> Point:
    return Point(
        _text(finding.body, bounds.MOST_TEXT),
        _name(finding.title, bounds.MOST_TITLE),
        _name(finding.severity, bounds.MOST_WORD).lower(),
        said_of,
        None if code is None else _text(code, bounds.MOST_TEXT),
    )


def _offered(code: str | None, spot: Spot) -> str | None:
    """What may stand in the place of the lines with one click: lines of signs that are seen."""
    if code is None or not spot.takes_suggestions:
        return None
    text = "".join(f"{line}\n" for line in split(code))
    return text if bounds.may_be_offered(text) else None


def _labels(said: Sequence[str], allowed: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The labels that are set, in the spelling of the file; and why others are not."""
    known = {label.casefold(): label for label in allowed}
    found = [known.get(label.strip().casefold()) for label in said]
    refused = dict.fromkeys(label for label, one in zip(said, found, strict=True) if one is None)
    remarks = [f"the label {_name(label, 50)!r} is not set: it is not in outputs.post.labels" for label in refused]
    return tuple(dict.fromkeys(one for one in found if one is not None))[: bounds.MOST_LABELS], remarks[:20]


def _instead(said: Said, made: _Made, labels: Sequence[str]) -> str:
    """What stands where an answer has no words above its findings."""
    if made.comments or made.rest:
        return ""
    if said.findings is not None or not labels:
        return NOTHING
    return f"Labels: {', '.join(labels)}."


def _remarks(remarks: Sequence[str]) -> tuple[str, ...]:
    found = [_name(one, bounds.MOST_REMARK) for one in remarks]
    most = bounds.MOST_REMARKS - 1
    more = [f"and {len(found) - most:,} remarks more"] if len(found) > most else []
    return (*found[:most], *more)


def _count(number: int) -> str:
    return "1 finding is" if number == 1 else f"{number:,} findings are"


def _text(text: str, most: int) -> str:
    """A text without what nobody sees, or its beginning."""
    seen = stripped(text[: 2 * most])
    return seen if len(seen) <= most and len(text) <= 2 * most else seen[: most - len(_CUT)] + _CUT


def _name(text: str, most: int) -> str:
    """A text in one line, or its beginning."""
    line = " ".join(shown(text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _flat(text: str) -> str:
    """What is the same in two texts that say the same."""
    return " ".join(text.casefold().split())
