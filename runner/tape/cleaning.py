"""What must not be kept is taken out of what was said, and what no file can hold is made whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runner.errors import RecordingProblem


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """JSON with every text in it cleaned, and numbers that are not to be kept. Raises RecordingProblem for what is
    nested too deeply to be looked through."""
    try:
        return _cleaned(value, clean)
    except RecursionError:
        raise RecordingProblem("what was said is nested too deeply to be recorded") from None


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    match value:
        case str():
            return clean(whole_characters(value))
        case bool() | None:
            return value
        case int() | float():
            text = clean(json.dumps(value))
            return value if text == json.dumps(value) else text
        case list() | tuple():
            return [_cleaned(one, clean) for one in value]
        case Mapping():
            return {clean(whole_characters(str(name))): _cleaned(one, clean) for name, one in value.items()}
    return value


def whole_characters(text: str) -> str:
    """A text without halves of characters, which can be written nowhere: one that a model wrote in two pieces is made
    whole."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
