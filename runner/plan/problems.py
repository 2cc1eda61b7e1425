"""What is found to be wrong with a file while it is planned: collected, so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from runner.errors import Finding

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

    def find(self, message: str, *places: Place, document: Document | None = None) -> None:
        """Note something wrong, at the most exact of the places given."""
        document = document or self.document
        self.findings.append(Finding(message, max(document.locate(place) for place in places)))

    def unique(self, ids: Sequence[str | None], base: Place, kind: str) -> None:
        """Note every id that stands in a list for the second time."""
        for index, one in enumerate(ids):
            if one is not None and one in ids[:index]:
                self.find(f"{kind} id '{one}' stands here again", (*base, index, "id"))
