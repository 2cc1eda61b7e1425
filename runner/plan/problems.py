"""What is found to be wrong with a file while it is planned: collected, so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from runner.errors import Finding
from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.spec.load import Document

Place: TypeAlias = tuple[str | int, ...]
"""A path of keys and indexes into a document."""

Find: TypeAlias = Callable[..., None]
"""Notes something wrong: a message, and the places it may stand at, the most exact of which counts."""


@dataclass
class Problems:
    """Findings about one document, and about those that it refers to."""

    document: Document
    findings: list[Finding] = field(default_factory=list)
    unread: list[Finding] = field(default_factory=list)
    """Files beside the document that were not read, for there is no beside."""

    def find(self, message: str, *places: Place, document: Document | None = None) -> None:
        """Note something wrong, at the most exact of the places given."""
        document = document or self.document
        self.findings.append(Finding(message, max(document.locate(place) for place in places)))

    def needs_file(self, what: str, place: Place) -> None:
        """Note a file that cannot be looked for."""
        at = self.document.locate(place)
        finding = Finding(f"{what} is a file of its own, which is not read here", at, "warning")
        if finding not in self.unread:
            self.unread.append(finding)

    def unique(self, ids: Sequence[str | None], base: Place, kind: str) -> None:
        """Note every id that stands in a list for the second time."""
        seen = set[str]()
        for index, one in enumerate(ids):
            if one in seen:
                self.find(f"{kind} id '{one}' stands here again", (*base, index, "id"))
            elif one is not None:
                seen.add(one)
