"""What of the language this version does not run: it loads, and is refused here by name before anything runs.

Nothing that a file says is passed over in silence: a key either acts or stands in this list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.plan.problems import Place
    from runner.spec import models as spec
    from runner.spec.load import Document


def refusals(source: spec.Spec, document: Document) -> Iterator[Finding]:
    """A finding for everything in the file that this version does not run."""
    for what, path in _refused(source):
        yield Finding(f"{what} is not offered in this version", document.locate(path))


def _refused(source: spec.Spec) -> Iterator[tuple[str, Place]]:
    if source.env is not None and source.env.mounts:
        yield "env.mounts (a run's files are those of the workspace)", ("env", "mounts")
