"""The one place where templates are compiled and rendered: a strict Jinja2 sandbox with a small set of filters.

A name that is not defined is an error, rendered text is never rendered again, and both reading and rendering end soon
whatever the template or the values are. What a template refers to can be known without running it (`references`), so
that a wrong name is found before the first token is spent. What the sandbox lets through is `sandbox`, and how much of
it is `bounds`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.runtime import new_context

from runner.errors import TemplateProblem
from runner.plan.bounds import MAX_RENDERED, joined
from runner.plan.deadline import bounded
from runner.plan.lookups import Lookups, References, of_path, of_tree, together
from runner.plan.pieces import Code, Path, Piece, cut
from runner.plan.sandbox import MAX_PARTS, check, compiled, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jinja2 import Template

__all__ = ["MAX_RENDERED", "References", "condition", "references", "references_of_condition", "render", "value"]

MAX_SECONDS: Final = 1.0
"""Seconds that reading a template may take, and rendering it."""

MAX_SOURCE: Final = 1024 * 1024
"""Characters of a template."""

_LONG: Final = 4096
"""Characters from which on a template is one of the few that are kept compiled."""

_LONGEST_SENTENCE: Final = 300

_OTHER_PROBLEMS: Final = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, MemoryError, RecursionError,
    re.error,
)  # fmt: skip
"""What operators, filters and methods raise besides Jinja's own errors."""

_FALSE: Final = frozenset({"", "false", "no", "none", "null", "0", "0.0", "[]", "{}"})


def render(source: str, names: Mapping[str, Any]) -> str:
    """Render a template. Raises TemplateProblem with a sentence."""
    pieces, _ = _read(source)
    ready = [
        bounded(MAX_SECONDS, _late, _code, one.source).template if isinstance(one, Code) else one for one in pieces
    ]
    return bounded(MAX_SECONDS, _late, _rendered, ready, names)


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
    template = _as_template(source)
    _read(template)
    expression = _expression(template)
    if expression is None:
        return render(template, names)
    return json.loads(render(f"{{{{ ({expression}) | tojson }}}}", names))


@lru_cache(maxsize=2_000)
def _as_template(source: str) -> str:
    if "{{" in source or "{%" in source:
        return source
    if not source.strip():
        raise TemplateProblem("it is empty, and should be an expression")
    whole = f"{{{{ ({source}) }}}}"
    _read(whole)
    if _expression(whole) is None:
        raise TemplateProblem("it should be one expression, or a template with its braces")
    return whole


def _expression(template: str) -> str | None:
    """What is between the braces of a template that is one expression and nothing else."""
    match environment().parse(template.strip()).body:
        case [nodes.Output(nodes=[found])] if not isinstance(found, nodes.TemplateData):
            return re.sub(r"^\{\{[-+]?|[-+]?\}\}$", "", template.strip())
    return None


def _rendered(pieces: Sequence[str | Path | Template], names: Mapping[str, Any]) -> str:
    context = new_context(environment(), None, {}, dict(names), globals=environment().globals)
    try:
        return joined(_written(pieces, context))
    except TemplateError as error:
        raise TemplateProblem(_sentence(error.message or type(error).__name__)) from None
    except _OTHER_PROBLEMS as error:
        raise TemplateProblem(_sentence(f"{type(error).__name__}: {error}")) from None


def _written(pieces: Sequence[str | Path | Template], context: Any) -> Iterator[str]:
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
        elif isinstance(piece, Path):
            yield piece.written(context)
        else:
            yield from piece.root_render_func(context)


def _sentence(message: str) -> str:
    """A message of Python's or Jinja's: some quote a whole value, say where in memory it lies, or how to set Python."""
    return re.sub(r" at 0x[0-9a-fA-F]+|; use sys\..*", "", message[:_LONGEST_SENTENCE])


def _late() -> TemplateProblem:
    return TemplateProblem(f"the template takes longer than {MAX_SECONDS:g} s")


def _read(source: str) -> tuple[Sequence[Piece], References]:
    return _read_short(source) if len(source) < _LONG else _read_long(source)


def _read_once(source: str) -> tuple[Sequence[Piece], References]:
    """A template in pieces, and what it will look up."""
    if len(source) > MAX_SOURCE:
        raise TemplateProblem(f"the template is longer than {MAX_SOURCE:,} characters")
    pieces = cut(source)
    parts = sum(len(piece) if isinstance(piece, Path) else 1 for piece in pieces)
    if not any(isinstance(piece, Code) for piece in pieces) and parts < MAX_PARTS:
        return pieces, _of_paths(tuple(piece for piece in pieces if isinstance(piece, Path)))
    environment()  # made before the clock runs
    return bounded(MAX_SECONDS, _late, _looked_into, source, pieces, parts)


@lru_cache(maxsize=2_000)
def _of_paths(paths: tuple[Path, ...]) -> References:
    return together([of_path(path) for path in paths]).references


def _looked_into(source: str, pieces: Sequence[Piece], parts: int) -> tuple[Sequence[Piece], References]:
    try:
        found = [_code(piece.source) for piece in pieces if isinstance(piece, Code)]
        parts += sum(one.parts for one in found)
    except TemplateProblem:
        parts = MAX_PARTS
    if parts >= MAX_PARTS:  # the whole has the line where it is wrong, or it is right after all
        pieces, found = (Code(source),), [_code(source)]
    paths = [of_path(piece) for piece in pieces if isinstance(piece, Path)]
    return pieces, together([*paths, *(one.lookups for one in found)]).references


class _Compiled(NamedTuple):
    template: Template
    lookups: Lookups
    parts: int


def _code(source: str) -> _Compiled:
    return _code_short(source) if len(source) < _LONG else _code_long(source)


def _compiled(source: str) -> _Compiled:
    try:
        tree = environment().parse(source)
        parts = check(tree)
        found = of_tree(tree)
        return _Compiled(compiled(tree), found, parts)
    except TemplateSyntaxError as error:
        where = f" (line {error.lineno} of the template)" if source.count("\n") else ""
        raise TemplateProblem(f"{_sentence(error.message or 'syntax error').rstrip('.')}{where}") from None
    except (RecursionError, SyntaxError, MemoryError):  # Python's own limits on the code that Jinja makes
        raise TemplateProblem("nested too deeply") from None
    except ValueError as error:  # such as a number of more digits than Python reads
        raise TemplateProblem(_sentence(str(error))) from None


# The templates of a file are short and many, or long and few: what is kept is no more than some tens of files' worth.
# What is compiled takes ten times as much as what is only read, and most templates have nothing of it.
_read_short, _read_long = lru_cache(maxsize=20_000)(_read_once), lru_cache(maxsize=100)(_read_once)
_code_short, _code_long = lru_cache(maxsize=2_000)(_compiled), lru_cache(maxsize=100)(_compiled)
