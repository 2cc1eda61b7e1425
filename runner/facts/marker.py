"""What tells our comments from others, and from each other: a line that readers do not see. Whoever posts writes it,
and whoever reads what was posted looks for it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOUND: Final = re.compile(
    r"<!-- strands-action key=([0-9a-f]{16})(?: head=([0-9a-f]{40}|[0-9a-f]{64}))?(?: place=([0-9a-f]{16}))? -->"
    r"(?:\r?\n|$)"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose comment it is, by the key of the post; the commit that it is about, or the place at which it stands."""

    key: str
    head: str = ""
    place: str = ""

    def __str__(self) -> str:
        head = f" head={self.head}" if self.head else ""
        place = f" place={self.place}" if self.place else ""
        return f"<!-- strands-action key={self.key}{head}{place} -->"


def marker_of(text: str) -> Marker | None:
    """The marker that a comment begins with. What stands further below is somebody's words, and marks nothing."""
    found = _FOUND.match(text)
    return Marker(found[1], found[2] or "", found[3] or "") if found else None


def key_of(*parts: str) -> str:
    """The key of a post, of what tells it from others on the same pull request: 16 hex digits."""
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:16]


def key_of_job(environ: Mapping[str, str], file: str, post_key: str | None, *, foreign: bool = False) -> str:
    """The key of what this step of a job posts, of an answer to this workflow file; or of what a user says it is.

    What is `foreign`, the plan of a run without rights, has a key of its own: it stands in no other review's place, and
    nothing is left unsaid because it was said there.
    """
    job = [environ.get(f"GITHUB_{name}", "") for name in ("WORKFLOW", "JOB", "ACTION")]
    parts = [*job, file] if post_key is None else [post_key]
    return key_of(*parts, *(["foreign"] if foreign else []))
