"""The JSON Schemas that answers must satisfy: read from the file or beside it, and checked before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import Finding, Location, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1024 * 1024


def load(schema: str | dict[str, Any] | None, root: Path | None) -> Mapping[str, Any] | None:
    """An inline schema, or one in a JSON file at a path relative to `root` and inside it. Raises SpecError."""
    if schema is None:
        return None
    found = _read(schema, root or Path()) if isinstance(schema, str) else schema
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(found)
    except SchemaError as error:
        raise _problem(f"output_schema is not a valid JSON Schema: {error.message}") from None
    return found


def mismatch(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Where a value does not satisfy a schema, in one sentence; None when it does."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(value))
    return f"{error.json_path}: {error.message}"[:300] if error else None


def _read(name: str, root: Path) -> dict[str, Any]:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise _problem(f"output_schema '{name}' lies outside the workflow's directory")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _problem(f"output_schema '{name}' is larger than {MAX_BYTES // 1024} KiB")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _problem(f"output_schema '{name}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _problem(f"output_schema '{name}' is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _problem(f"output_schema '{name}' is not a JSON object")
    return found


def _problem(message: str) -> SpecError:
    return SpecError([Finding(message, Location(""))])
