"""JSON piece by piece: the bytes of `json.dumps`, with one entry of a long list at a time."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.report.streamed import members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.integers(1, 4))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_it_is_what_json_gives_at_once(value, indent):
    streamed = {name: iter(one) if isinstance(one, list) else one for name, one in value.items()}
    assert "".join(members(streamed, indent)) == json.dumps(value, indent=indent, ensure_ascii=False) + "\n"


def test_an_entry_is_made_when_it_is_written() -> None:
    made = list[int]()
    pieces = members({"steps": (made.append(number) or number for number in range(3))}, 2)
    seen = [(piece.strip(), len(made)) for piece in pieces]
    assert seen == [('{\n  "steps":', 0), ("[\n    0", 1), (",\n    1", 2), (",\n    2", 3), ("]", 3), ("}", 3)]
