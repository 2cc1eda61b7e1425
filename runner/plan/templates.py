"""The one place where templates are compiled and rendered: a strict Jinja2 sandbox with a small set of filters.

A name that is not defined is an error, rendered text is never rendered again, and rendering is bounded in time and in
what comes out. What a template refers to can be known without running it (`references`), so that a wrong name is found
before the first token is spent.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner.errors import TemplateProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Template

MAX_RENDERED: Final = 4 * 1024 * 1024
"""Characters one template may produce: beyond any model's context window."""

MAX_SECONDS: Final = 2.0
"""Seconds one template may take."""

_OTHER_PROBLEMS: Final = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, MemoryError, RecursionError,
    re.error,
)  # fmt: skip
"""What operators, filters and methods raise besides Jinja's own errors."""

_PADDING: Final = frozenset({"format", "format_map", "ljust", "rjust", "center", "zfill", "expandtabs"})
"""Methods of text that make much of it out of a number."""

_FROM_ELSEWHERE: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_FILTERS: Final = "default length upper lower title join truncate tojson replace trim first last".split()


@dataclass(frozen=True)
class References:
    """What a template names: `names` that must be defined, `guarded` ones it can do without (by `default`, or asked
    whether they are `defined`), and `parts` like ("tasks", "fetch") or ("steps", 0)."""

    names: frozenset[str]
    guarded: frozenset[str]
    parts: frozenset[tuple[str, str | int]]
    fields: frozenset[tuple[str, str]]
    """("steps", "response"): what is asked of an answer, by the name that it is found below."""


def render(source: str, names: Mapping[str, Any]) -> str:
    """Render a template. Raises TemplateProblem with a sentence."""
    with _deadline():
        return _rendered(source, names)


def _rendered(source: str, names: Mapping[str, Any]) -> str:
    try:
        pieces, size = [], 0
        for piece in _compiled(source).generate(dict(names)):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_RENDERED:
                raise TemplateProblem(f"the template produces more than {MAX_RENDERED:,} characters")
        return "".join(pieces)
    except TemplateError as error:
        raise TemplateProblem(error.message or type(error).__name__) from None
    except _OTHER_PROBLEMS as error:
        raise TemplateProblem(f"{type(error).__name__}: {error}") from None


@contextmanager
def _deadline() -> Iterator[None]:
    """End a rendering that takes too long, from outside: it keeps the event loop busy, so no timeout of the loop's
    would. Only the main thread can be woken so, which is where runs are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TemplateProblem(f"the template takes longer than {MAX_SECONDS:g} s")

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


@lru_cache(maxsize=20_000)
def references(source: str) -> References:
    """What a template will look up. Raises TemplateProblem when it cannot be compiled."""
    try:
        _compiled(source)  # finds unknown filters and tests too, which parsing alone does not
        tree = _environment().parse(source)
        undeclared = meta.find_undeclared_variables(tree) - set(_environment().globals)
    except TemplateSyntaxError as error:
        where = f" (line {error.lineno} of the template)" if source.count("\n") else ""
        raise TemplateProblem(f"{(error.message or 'syntax error').rstrip('.')}{where}") from None
    except (RecursionError, SyntaxError, MemoryError):  # Python's own limits on the code that Jinja makes
        raise TemplateProblem("nested too deeply") from None
    if any(isinstance(node, _FROM_ELSEWHERE) for node in tree.find_all(nodes.Stmt)):
        raise TemplateProblem("include, import and extends have nothing to load from")
    needed = undeclared & _unguarded(tree)
    parts = {part for part in map(_part, tree.find_all((nodes.Getattr, nodes.Getitem))) if part}
    fields = {field for field in map(_field, tree.find_all((nodes.Getattr, nodes.Getitem))) if field}
    return References(frozenset(needed), frozenset(undeclared - needed), frozenset(parts), frozenset(fields))


def _unguarded(tree: nodes.Template) -> set[str]:
    """Names that are looked up somewhere without `default`, and are nowhere asked whether they are defined."""
    loaded = {id(node): node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    tested = set()
    for node in tree.find_all((nodes.Test, nodes.Filter)):
        if not isinstance(node.node, nodes.Name):
            continue
        if node.name in ("defined", "undefined"):
            tested.add(node.node.name)
        elif node.name == "default":
            loaded.pop(id(node.node), None)
    return set(loaded.values()) - tested


def _part(node: nodes.Node) -> tuple[str, str | int] | None:
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name):
        return None
    if isinstance(node, nodes.Getattr):
        return node.node.name, node.attr
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str | int):
        return node.node.name, node.arg.value
    return None


def _field(node: nodes.Node) -> tuple[str, str] | None:
    inner = _part(node.node) if isinstance(node, nodes.Getattr | nodes.Getitem) else None
    if inner is None:
        return None
    if isinstance(node, nodes.Getattr):
        return inner[0], node.attr
    named = node.arg if isinstance(node, nodes.Getitem) else None
    return (inner[0], named.value) if isinstance(named, nodes.Const) and isinstance(named.value, str) else None


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with products of text and numbers kept small."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def wrap_str_format(self, value: Any) -> None:
        """Nothing is wrapped: so `format` is asked of is_safe_attribute as every other method is."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in _PADDING and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError("text cannot be formatted by %; write {{ }} around what goes into it")
        sizes = sorted((_size(left), _size(right)))
        if operator == "**" and (abs(sizes[1]) > 10_000 or abs(sizes[0]) > 10_000):
            raise SecurityError("the power is too large")
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "*" and not numbers and sizes[0] * sizes[1] > MAX_RENDERED:
            raise SecurityError("the product is too large")
        return super().call_binop(context, operator, left, right)


def _size(value: Any) -> float:
    return (
        len(value) if isinstance(value, str | bytes | list | tuple) else value if isinstance(value, int | float) else 1
    )


def _regex_search(value: str, pattern: str) -> str:
    """The first match of a pattern, or nothing."""
    found = re.search(pattern, str(value)[:100_000])
    return found.group(0) if found else ""


def _plain(value: Any) -> Any:
    """What stands in the text for a value: data as JSON, nothing for null."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value


@cache
def _environment() -> _Sandbox:
    environment = _Sandbox(undefined=StrictUndefined, finalize=_plain, keep_trailing_newline=True, autoescape=False)
    environment.filters = {name: FILTERS[name] for name in _FILTERS}
    environment.filters["regex_search"] = _regex_search
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    for unwanted in ("lipsum", "cycler", "joiner", "namespace", "dict"):
        environment.globals.pop(unwanted, None)
    return environment


@lru_cache(maxsize=20_000)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


def condition(source: str, names: Mapping[str, Any]) -> bool:
    """Whether a condition holds. Raises TemplateProblem with a sentence."""
    text = render(as_condition(source), names).strip().lower()
    return text not in ("", "false", "no", "none", "null", "0")


def as_condition(source: str) -> str:
    """A condition as a template: text without braces is one expression."""
    return source if "{{" in source or "{%" in source else f"{{{{ {source} }}}}"
