"""The JSON Schemas that answers must satisfy: read from the file or beside it, and checked before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Finding, Location, SpecError
from runner.plan.deadline import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from referencing import Resource
    from referencing._core import Resolver

MAX_BYTES = 1024 * 1024

MAX_SECONDS: Final = 1.0
"""Seconds that reading a schema may take, and comparing a value with it: its patterns meet a model's words."""


def load(
    key: str, schema: str | dict[str, Any] | None, root: Path | None, workspace: Path | None = None
) -> Mapping[str, Any] | None:
    """An inline schema, or one in a JSON file at a path relative to `root` and inside the workspace (without one:
    inside `root`). `key` is what messages call it. Raises SpecError."""
    if schema is None:
        return None
    found = _read(key, schema, root, workspace) if isinstance(schema, str) else schema
    import jsonschema  # noqa: F401 - loaded before the clock runs

    late = _problem(f"{key} takes longer than {MAX_SECONDS:g} s to read")
    bounded(MAX_SECONDS, lambda: late, _check, key, found)
    return found


def _check(key: str, found: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        Draft202012Validator.check_schema(found)
        whole = DRAFT202012.create_resource(found)
        _look_up_references(whole, Registry().resolver_with_root(whole))
    except SchemaError as error:
        raise _problem(f"{key} is not a valid JSON Schema: {error.message}") from None
    except Unresolvable as error:
        raise _problem(f"{key} refers to '{error.ref}', which is not in it") from None
    except RecursionError:
        raise _problem(f"{key} is nested too deeply") from None


def mismatch(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Where a value does not satisfy a schema, in one sentence; None when it does. One that takes too long to compare
    does not."""
    import jsonschema  # noqa: F401 - loaded before the clock runs

    try:
        return bounded(MAX_SECONDS, TimeoutError, _mismatch, value, schema)
    except TimeoutError:
        return f"$: comparing it takes longer than {MAX_SECONDS:g} s"


def _mismatch(value: Any, schema: Mapping[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    try:  # an empty registry: nothing is fetched from anywhere
        error = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(value))
    except RecursionError:
        return "$: the schema refers to itself without end"
    except (ArithmeticError, ValueError):  # infinite, or an integer that is no floating-point number
        return "$: a number is too large to check"
    if error is None:
        return None
    # The rule and not the value: this is told in the log, where no words of a model stand.
    rule = error.message if error.validator == "required" else f"{error.validator} should be {error.validator_value!r}"
    return f"{error.json_path}: {rule}"[:300]


def _read(key: str, name: str, root: Path | None, workspace: Path | None) -> dict[str, Any]:
    if root is None:
        raise _problem(f"{key} '{name}': there is no file here that a path could start from")
    try:
        path = (root / name).resolve()
        if path.is_symlink():  # from Python 3.13 on a loop is no error of resolve
            raise RuntimeError
        if not path.is_relative_to((workspace or root).resolve()):
            raise _problem(f"{key} '{name}' lies outside the workspace")
        if path.exists() and not path.is_file():  # a pipe would hold up whoever opens it
            raise _problem(f"{key} '{name}' is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise _problem(f"{key} '{name}' is larger than {MAX_BYTES // 1024} KiB")
        found = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(found, allow_nan=False)
    except OSError as error:
        raise _problem(f"{key} '{name}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _problem(f"{key} '{name}' is not JSON: {error}") from None
    except RuntimeError:
        raise _problem(f"{key} '{name}' is a link that leads to itself") from None
    if not isinstance(found, dict):
        raise _problem(f"{key} '{name}' is not a JSON object")
    return found


def _look_up_references(schema: Resource[Any], resolver: Resolver[Any]) -> None:
    """Follow every reference once, so that one that leads nowhere is found before a token is spent."""
    if isinstance(schema.contents, dict):
        for key in ("$ref", "$dynamicRef"):
            if isinstance(reference := schema.contents.get(key), str):
                resolver.lookup(reference)
    for part in schema.subresources():
        _look_up_references(part, resolver.in_subresource(part))


def _problem(message: str) -> SpecError:
    return SpecError([Finding(message, Location(""))])
