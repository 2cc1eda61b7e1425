"""The values that fill templates: declared in the file, given from outside, checked before the first token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Finding, UsageError
from runner.plan.scope import why_taken
from runner.spec import models as spec
from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runner.spec.load import Document

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def resolve(
    inputs: spec.Inputs,
    given: Mapping[str, Any],
    used: Collection[str],
    taken: Collection[str],
    document: Document,
    *,
    need_values: bool,
) -> tuple[dict[str, Any], list[Finding]]:
    """Values by name: what was given, over `inputs.values`, over the defaults of declarations; and what the file
    itself gets wrong of them.

    `used` are the names templates ask for: a given name that is neither declared nor used is a typing mistake. `taken`
    are those of answers.
    Raises UsageError for what was given wrongly.
    """
    declared = inputs.required | inputs.optional
    defaults = {
        name: declaration.default
        for name, declaration in declared.items()
        if isinstance(declaration, spec.InputDeclaration) and declaration.default is not None
    }
    written = {**defaults, **inputs.values}
    for name in given.keys() & taken:
        raise UsageError(f"input 'variables': a variable cannot be named '{name}': {why_taken(name)}")
    for name, value in given.items():
        if name not in declared and name not in inputs.values and name not in used:
            known = sorted({*declared, *inputs.values, *used})
            unknown = f"'{name}' is declared nowhere and used by no template; {nearest(name, known)}"
            raise UsageError(f"input 'variables': {unknown}")
        if name in declared and (wrong := _mismatch(name, declared[name], value)):
            raise UsageError(f"input 'variables': '{name}' {wrong}")
    values = {**written, **given}
    if need_values and (missing := [name for name in inputs.required if name not in values]):
        names = ", ".join(f"'{name}' ({_type_of(inputs.required[name])})" for name in missing)
        raise UsageError(f"required variable{'s' if len(missing) > 1 else ''} missing: {names}; set 'variables'")
    return values, list(_wrong_values(inputs, written, document))


def _wrong_values(inputs: spec.Inputs, written: Mapping[str, Any], document: Document) -> Iterator[Finding]:
    for part, declared in (("required", inputs.required), ("optional", inputs.optional)):
        for name, declaration in declared.items():
            if name in written and (wrong := _mismatch(name, declaration, written[name])):
                place = ("values", name) if name in inputs.values else (part, name, "default")
                yield Finding(f"inputs: '{name}' {wrong}", document.locate(("inputs", *place)))


def _fits(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _advice(name: str, kind: str, value: Any) -> str:
    """How to write a value that only has quotes too many, or too few."""
    if kind == "string" and isinstance(value, bool | int | float):
        return f"; write {name}: {json.dumps(json.dumps(value))}"
    try:
        meant = json.loads(value) if isinstance(value, str) and len(value) < 40 else None
    except ValueError:
        return ""
    return f"; write {name}: {json.dumps(meant)}" if meant is not None and _fits(kind, meant) else ""


def _type_of(declaration: spec.InputDeclaration | str) -> str:
    return declaration if isinstance(declaration, str) else declaration.type


def _mismatch(name: str, declaration: spec.InputDeclaration | str, value: Any) -> str | None:
    kind = _type_of(declaration)
    if not _fits(kind, value):
        return f"should be of type {kind}, not {type(value).__name__} ({value!r})"[:200] + _advice(name, kind, value)
    choices = declaration.enum if isinstance(declaration, spec.InputDeclaration) else None
    if choices is not None and value not in choices:
        return f"is {value!r}, not one of: {', '.join(map(str, choices))}"
    return None
