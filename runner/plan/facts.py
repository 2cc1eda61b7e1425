"""What a template may ask of the event that started a run, by name, and what a file asks. How it is answered is in
`runner.facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from runner.records import dataclass
from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runner.plan.templates import References

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "github": (
        *("event_name", "repository", "sha", "ref", "actor", "run_id", "run_attempt", "server_url"),
        *("workflow", "job", "event"),
    ),
    "pr": (
        *("number", "title", "body", "url", "author", "draft", "labels", "base", "head"),
        *("commits", "files", "diff", "left_out", "comments", "since"),
    ),
    "ci": ("workflow", "run_url", "head", "failed"),
}
"""The names that are told, and the parts of each. A file that declares an input of such a name has that instead, and so
has a run that is given a variable of it."""

_BELOW: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("pr", "base"): ("ref", "sha"),
    ("pr", "head"): ("ref", "sha", "fork"),
}


def problems(found: References, told: Collection[str]) -> Iterator[str]:
    """What is wrong with a template that asks these facts for what they do not tell."""
    for name in sorted({root for root, _ in found.parts}.intersection(told)):
        for part in sorted({str(part) for root, part in found.parts if root == name} - {*PARTS[name]}):
            yield f"{name} has no '{part}'; {nearest(part, PARTS[name])}"
        for root, part, below in sorted(found.below):
            known = _BELOW.get((root, part))
            if root == name and known is not None and below not in known:
                yield f"{name}.{part} has no '{below}'; {nearest(below, known)}"


@dataclass
class Asked:
    """What templates ask for: of each name the parts, all of them where it is named as a whole. A name that is not
    `needed` is one that every template can do without."""

    parts: dict[str, frozenset[str]] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()

    def add(self, found: References, told: Collection[str]) -> None:
        """Add what one more template asks for; `told` are the names that are facts there."""
        asked = (found.names | found.guarded).intersection(told)
        for name in asked:
            named = frozenset(str(part) for root, part in found.parts if root == name)
            whole = frozenset(PARTS[name]) if name in found.whole else frozenset()
            self.parts[name] = self.parts.get(name, frozenset()) | named | whole
        self.needed |= asked & found.names
