"""What Jinja does for templates: it compiles what is more than text and paths, and all of them are rendered with its
values and its errors, which are told here as sentences."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.runtime import new_context
from jinja2.utils import missing

from runner.errors import TemplateProblem
from runner.plan.bounds import joined, written
from runner.plan.lookups import Lookups
from runner.plan.pieces import LONG, Path
from runner.plan.sandbox import check, compiled, environment
from runner.plan.trees import of_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jinja2 import Template

_LONGEST_SENTENCE: Final = 300

_OTHER_PROBLEMS: Final = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, MemoryError, RecursionError,
    re.error,
)  # fmt: skip
"""What operators, filters and methods raise besides Jinja's own errors."""


class Compiled(NamedTuple):
    """A template that is ready, what it looks up, and of how many parts it is."""

    template: Template
    lookups: Lookups
    parts: int


def code(source: str) -> Compiled:
    """A template, compiled. Raises TemplateProblem where it cannot be, or may not."""
    return _short(source) if len(source) < LONG else _long(source)


def _code(source: str) -> Compiled:
    try:
        tree = environment().parse(source)
        parts = check(tree)
        found = of_tree(tree)
        return Compiled(compiled(tree), found, parts)
    except TemplateSyntaxError as error:
        where = f" (line {error.lineno} of the template)" if source.count("\n") else ""
        raise TemplateProblem(f"{_sentence(error.message or 'syntax error').rstrip('.')}{where}") from None
    except (RecursionError, SyntaxError, MemoryError):  # Python's own limits on the code that Jinja makes
        raise TemplateProblem("nested too deeply") from None
    except ValueError as error:  # such as a number of more digits than Python reads
        raise TemplateProblem(_sentence(str(error))) from None


# What is compiled takes ten times the memory of what is only read, and most templates have nothing of it.
_short, _long = lru_cache(maxsize=2_000)(_code), lru_cache(maxsize=100)(_code)


def expression(template: str) -> str | None:
    """What is between the braces of a template that is one expression and nothing else."""
    match environment().parse(template.strip()).body:
        case [nodes.Output(nodes=[found])] if not isinstance(found, nodes.TemplateData):
            return re.sub(r"^\{\{[-+]?|[-+]?\}\}$", "", template.strip())
    return None


def rendered(pieces: Sequence[str | Path | Template], names: Mapping[str, Any]) -> str:
    """What the pieces of a template make of these names. Raises TemplateProblem."""
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
            yield _looked_up(piece, context)
        else:
            yield from piece.root_render_func(context)


def _looked_up(path: Path, context: Any) -> str:
    """What a path puts into the text: what Jinja's code for it does, in the same order."""
    root, *rest = path
    value = context.resolve_or_missing(root)
    if value is missing:
        value = context.environment.undefined(name=root)
    for name in rest:
        value = context.environment.getattr(value, name)
    return str(written(context, value))


def _sentence(message: str) -> str:
    """A message of Python's or Jinja's: some quote a whole value, say where in memory it lies, or how to set Python."""
    said = re.sub(r" at 0x[0-9a-fA-F]+|; use sys\..*", "", message[:_LONGEST_SENTENCE])
    return re.sub(r"<(?:class|function|built-in|bound|generator|module)\b[^<>]*>", "an object", said)
