"""What somebody may have meant by a name that there is not. Beside the shapes, and without them: inputs ask it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def nearest(wrong: str, choices: Sequence[str]) -> str:
    """Advice for a name that is not one of `choices`: the nearest one when there is one, else all of them."""
    import difflib  # nobody waits for it whose names are right

    close = difflib.get_close_matches(wrong, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"choose one of: {', '.join(sorted(set(choices)))}" if choices else "there are none"
