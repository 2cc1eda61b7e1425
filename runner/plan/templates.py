"""The one place where templates are compiled and rendered: a strict Jinja2 sandbox with a small set of filters.

A name that is not defined is an error, rendered text is never rendered again, and both reading and rendering end soon
whatever the template or the values are. What a template refers to can be known without running it (`references`), so
that a wrong name is found before the first token is spent. What the sandbox lets through is `sandbox`, and how much of
it is `bounds`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from runner.errors import TemplateProblem
from runner.plan.bounds import MAX_RENDERED, joined
from runner.plan.deadline import bounded
from runner.plan.sandbox import check, compiled, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True)
class References:
    """What a template names: `names` that must be defined, `guarded` ones it can do without (by `default`, or asked
    whether they are `defined`), and `parts` like ("tasks", "fetch") or ("steps", 0)."""

    names: frozenset[str]
    guarded: frozenset[str]
    parts: frozenset[tuple[str, str | int]]
    fields: frozenset[tuple[str, str]]
    """("steps", "response"): what is asked of an answer, by the name that it is found below."""
    inputs: frozenset[str] = frozenset()
    """Names below `inputs.values` that must be defined."""
    guarded_inputs: frozenset[str] = frozenset()
    below: frozenset[tuple[str, str, str]] = frozenset()
    """("pr", "head", "sha"): what is asked of a part that has a name."""
    whole: frozenset[str] = frozenset()
    """Names that are taken as they are, and not for a part that can be told from the template."""


def render(source: str, names: Mapping[str, Any]) -> str:
    """Render a template. Raises TemplateProblem with a sentence."""
    template, _ = _read(source)
    return bounded(MAX_SECONDS, _late, _rendered, template, names)


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


def _rendered(template: Template, names: Mapping[str, Any]) -> str:
    try:
        return joined(template.root_render_func(template.new_context(dict(names))))
    except TemplateError as error:
        raise TemplateProblem(_sentence(error.message or type(error).__name__)) from None
    except _OTHER_PROBLEMS as error:
        raise TemplateProblem(_sentence(f"{type(error).__name__}: {error}")) from None


def _sentence(message: str) -> str:
    """A message of Python's or Jinja's: some quote a whole value, say where in memory it lies, or how to set Python."""
    return re.sub(r" at 0x[0-9a-fA-F]+|; use sys\..*", "", message[:_LONGEST_SENTENCE])


def _late() -> TemplateProblem:
    return TemplateProblem(f"the template takes longer than {MAX_SECONDS:g} s")


def _read(source: str) -> tuple[Template, References]:
    return _read_short(source) if len(source) < _LONG else _read_long(source)


def _read_once(source: str) -> tuple[Template, References]:
    """A template as it is rendered, and what it will look up."""
    if len(source) > MAX_SOURCE:
        raise TemplateProblem(f"the template is longer than {MAX_SOURCE:,} characters")
    environment()  # made before the clock runs
    return bounded(MAX_SECONDS, _late, _parsed, source)


def _parsed(source: str) -> tuple[Template, References]:
    try:
        tree = environment().parse(source)
        check(tree)
        found = _references(tree)
        return compiled(tree), found
    except TemplateSyntaxError as error:
        where = f" (line {error.lineno} of the template)" if source.count("\n") else ""
        raise TemplateProblem(f"{_sentence(error.message or 'syntax error').rstrip('.')}{where}") from None
    except (RecursionError, SyntaxError, MemoryError):  # Python's own limits on the code that Jinja makes
        raise TemplateProblem("nested too deeply") from None
    except ValueError as error:  # such as a number of more digits than Python reads
        raise TemplateProblem(_sentence(str(error))) from None


# The templates of a file are short and many, or long and few: what is kept is no more than some tens of files' worth.
_read_short = lru_cache(maxsize=20_000)(_read_once)
_read_long = lru_cache(maxsize=100)(_read_once)


def _references(tree: nodes.Template) -> References:
    names = meta.TrackingCodeGenerator(environment())
    names.optimizer = None  # it would work out what is constant, with no bound, and put it into the tree
    names.visit(tree)
    undeclared = names.undeclared_identifiers - set(environment().globals)
    needed = undeclared & _unguarded(tree)
    looked_up = list(tree.find_all((nodes.Getattr, nodes.Getitem)))
    parts = {part for part in map(_part, looked_up) if part and part[0] in undeclared}
    below = {found for found in map(_below, looked_up) if found and found[0] in undeclared}
    return References(
        frozenset(needed),
        frozenset(undeclared - needed),
        frozenset(parts),
        frozenset((root, field) for root, _, field in below),
        *_inputs(tree),
        below=frozenset((root, part, field) for root, part, field in below if isinstance(part, str)),
        whole=frozenset(undeclared & _whole(tree)),
    )


def _whole(tree: nodes.Template) -> set[str]:
    """Names that are used otherwise than by a part of theirs, or asked for whether they are there."""
    every = {id(node): node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    looked_up: list[nodes.Getattr | nodes.Getitem] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    for node in looked_up:
        if _part(node) is not None:
            every.pop(id(node.node), None)
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined"):
            every.pop(id(test.node), None)
    return set(every.values())


def _inputs(tree: nodes.Template) -> tuple[frozenset[str], frozenset[str]]:
    """The names asked for as `inputs.values.name`: those that must be there, and those that need not."""
    every = {id(node): name for node in tree.find_all((nodes.Getattr, nodes.Getitem)) if (name := _input(node))}
    guards = [node for node in tree.find_all((nodes.Test, nodes.Filter)) if id(node.node) in every]
    tested = {every[id(node.node)] for node in guards if node.name in ("defined", "undefined")}
    defaulted = {id(node.node) for node in guards if node.name == "default"}
    needed = {name for key, name in every.items() if key not in defaulted} - tested
    return frozenset(needed), frozenset(every.values()) - needed


def _input(node: nodes.Node) -> str | None:
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or _part(node.node) != ("inputs", "values"):
        return None
    found = _below(node)
    return found[2] if found else None


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
    key = node.arg
    if isinstance(key, nodes.Neg) and isinstance(key.node, nodes.Const) and isinstance(key.node.value, int):
        return node.node.name, -key.node.value
    if isinstance(key, nodes.Const) and isinstance(key.value, str | int):
        return node.node.name, key.value
    return None


def _below(node: nodes.Node) -> tuple[str, str | int, str] | None:
    """A name, what is looked up in it, and what is looked up in that."""
    inner = _part(node.node) if isinstance(node, nodes.Getattr | nodes.Getitem) else None
    if inner is None:
        return None
    if isinstance(node, nodes.Getattr):
        return *inner, node.attr
    named = node.arg if isinstance(node, nodes.Getitem) else None
    return (*inner, named.value) if isinstance(named, nodes.Const) and isinstance(named.value, str) else None
