"""Data that a model made, with its texts changed: it stays data, however deep it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.report.nested import changed


def scrubbed(value: Any) -> Any:
    return changed(value, lambda text: text.replace("12345678", "***"))


@pytest.mark.parametrize(
    ("value", "without"),
    [
        ({"a 12345678": ["b 12345678"]}, {"a ***": ["b ***"]}),
        ({"b": 12345678, "a": [-1.12345678]}, {"b": "***", "a": ["-1.***"]}),
        ([1, 1.0, True, None, {}, []], [1, 1.0, True, None, {}, []]),
    ],
)
def test_what_is_changed_in_data_is_still_json(value: Any, without: Any) -> None:
    """A number too, such as in the output `structured`."""
    assert json.dumps(scrubbed(value)) == json.dumps(without)


def test_no_depth_is_too_deep() -> None:
    value: Any = "12345678"
    for _ in range(10_000):
        value = [value]
    found = scrubbed(value)
    while isinstance(found, list):
        (found,) = found
    assert found == "***"
