"""The one place where templates are read and rendered: a strict Jinja2 sandbox with a small set of filters.

A name that is not defined is an error, rendered text is never rendered again, and both reading and rendering end soon
whatever the template or the values are. What a template refers to can be known without running it (`references`), so
that a wrong name is found before the first token is spent. What Jinja does for it is `rendering`, what the sandbox lets
through `sandbox`, and how much of it `bounds`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from runner.errors import TemplateProblem
from runner.plan.deadline import bounded
from runner.plan.lookups import References, of_path, together
from runner.plan.pieces import LONG, MAX_PARTS, Code, Path, Piece, cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["References", "condition", "references", "references_of_condition", "render", "value"]

MAX_SECONDS: Final = 1.0
"""Seconds that reading a template may take, and rendering it."""

MAX_SOURCE: Final = 1024 * 1024
"""Characters of a template."""

_FALSE: Final = frozenset({"", "false", "no", "none", "null", "0", "0.0", "[]", "{}"})


def render(source: str, names: Mapping[str, Any]) -> str:
    """Render a template. Raises TemplateProblem with a sentence."""
    from runner.plan.rendering import code, rendered  # Jinja: whoever only checks a file may do without

    pieces, _ = _read(source)
    ready = [bounded(MAX_SECONDS, _late, code, one.source).template if isinstance(one, Code) else one for one in pieces]
    return bounded(MAX_SECONDS, _late, rendered, ready, names)


def references(source: str) -> References:
    """What a template will look up. Raises TemplateProblem when it cannot be compiled."""
    return _read(source)[1]


def condition(source: str, names: Mapping[str, Any]) -> bool:
    """Whether a condition holds: a template, or one expression without its braces. The text of it is false when it is
    empty, `false`, `no`, `none`, `null`, `0`, `[]` or `{}`. Raises TemplateProblem."""
    return render(_as_template(source), names).strip().lower() not in _FALSE


def references_of_condition(source: str) -> References:
    """What a condition will look up. Raises TemplateProblem when it cannot be compiled."""
    return references(_as_template(source))


def value(source: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression, with its braces or without; of any other template the text that it makes. Raises
    TemplateProblem."""
    from runner.plan.rendering import expression

    template = _as_template(source)
    _read(template)
    found = expression(template)
    if found is None:
        return render(template, names)
    return json.loads(render(f"{{{{ ({found}) | tojson }}}}", names))


@lru_cache(maxsize=2_000)
def _as_template(source: str) -> str:
    if "{{" in source or "{%" in source:
        return source
    if not source.strip():
        raise TemplateProblem("it is empty, and should be an expression")
    from runner.plan.rendering import expression

    whole = f"{{{{ ({source}) }}}}"
    _read(whole)
    if expression(whole) is None:
        raise TemplateProblem("it should be one expression, or a template with its braces")
    return whole


def _late() -> TemplateProblem:
    return TemplateProblem(f"the template takes longer than {MAX_SECONDS:g} s")


def _read(source: str) -> tuple[Sequence[Piece], References]:
    return _read_short(source) if len(source) < LONG else _read_long(source)


def _read_once(source: str) -> tuple[Sequence[Piece], References]:
    """A template in pieces, and what it will look up."""
    if len(source) > MAX_SOURCE:
        raise TemplateProblem(f"the template is longer than {MAX_SOURCE:,} characters")
    pieces = cut(source)
    parts = sum(len(piece) if isinstance(piece, Path) else 1 for piece in pieces)
    if not any(isinstance(piece, Code) for piece in pieces) and parts < MAX_PARTS:
        return pieces, _of_paths(tuple(piece for piece in pieces if isinstance(piece, Path)))
    import runner.plan.rendering  # noqa: F401 - before the clock runs

    return bounded(MAX_SECONDS, _late, _looked_into, source, pieces, parts)


@lru_cache(maxsize=1_000)
def _of_paths(paths: tuple[Path, ...]) -> References:
    return together([of_path(path) for path in paths]).references


def _looked_into(source: str, pieces: Sequence[Piece], parts: int) -> tuple[Sequence[Piece], References]:
    from runner.plan.rendering import code

    try:
        found = [code(piece.source) for piece in pieces if isinstance(piece, Code)]
        parts += sum(one.parts for one in found)
    except TemplateProblem:
        parts = MAX_PARTS
    if parts >= MAX_PARTS:  # the whole has the line where it is wrong, or it is right after all
        pieces, found = (Code(source),), [code(source)]
    paths = [of_path(piece) for piece in pieces if isinstance(piece, Path)]
    return pieces, together([*paths, *(one.lookups for one in found)]).references


# The templates of a file are short and many, or long and few. A plan goes through them twice: those of a thousand tasks
# and their agents are kept. To read a short one again when it is rendered takes less than to keep ten thousand.
_read_short, _read_long = lru_cache(maxsize=1_200)(_read_once), lru_cache(maxsize=100)(_read_once)
