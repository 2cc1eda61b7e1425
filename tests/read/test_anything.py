"""Whatever is written: a Spec, or an error of ours that points at a line that exists."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import SpecError
from runner.spec.load import Document, parse, to_spec
from runner.spec.models import Spec
from tests.build import FILE, as_text, shapes, workflow
from tests.read.test_language import SAMPLES

few = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

KEYS = sorted({key for shape in shapes().values() for key in shape.known_keys()})
WORDS = [*SAMPLES, "hitl", "openai", "writer", "string", "{{ x }}", "else", "$ref"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 0, 1, 2, 2**63])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=25,
)
yamlish = st.lists(
    st.sampled_from(
        ["a", "name: ", "\n", "  ", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "!x ", "|\n", ">", "'", '"', ": ",
         "? ", "#", ",", "<<: ", "---\n", "...\n", "%YAML 1.2\n", "1", ".nan", "0x", "1e9", "\t", "\\", "=", "~"]
    )
    | st.text(max_size=3),
    max_size=20,
).map("".join)  # fmt: skip


def outcome(text: str) -> Spec | SpecError:
    try:
        return to_spec(parse(text, FILE))
    except SpecError as error:
        return error


def places_exist(error: SpecError, text: str) -> bool:
    """Every finding stands in a line of the text, no further right than just behind its end."""
    lines = (text.replace("\r\n", "\n").replace("\r", "\n") + "\n").split("\n")
    return all(
        at.line == 0 or (at.line <= len(lines) and 1 <= at.column <= len(lines[at.line - 1]) + 1)
        for at in (finding.at for finding in error.findings)
    )


@few
@given(st.text() | yamlish | st.text(alphabet=st.characters(categories=["Cs", "Cc", "L"])))
def test_any_text_is_a_spec_or_an_error_of_ours(text: str) -> None:
    outcome(text)


@few
@given(values)
def test_any_value_is_a_spec_or_an_error_of_ours(value: Any) -> None:
    with suppress(SpecError):
        to_spec(Document(FILE, value))


@few
@given(values)
def test_any_value_as_a_file_is_a_spec_or_an_error_with_places_in_it(value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False).replace("\x7f", "")
    found = outcome(text)
    assert isinstance(found, Spec) or places_exist(found, text.replace("\x85", "\n").replace("\u2028", "\n"))


@few
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_valid_file_with_one_thing_changed_is_told_of_where_it_stands(name: str, data: st.DataObject) -> None:
    whole = workflow(pattern=deepcopy(SAMPLES[name]))
    holder, key = data.draw(st.sampled_from(list(spots(whole))))
    holder[key] = data.draw(scalars | values)
    text = as_text(whole)
    found = outcome(text)
    assert isinstance(found, Spec) or (found.findings and places_exist(found, text))


def spots(value: Any) -> Any:
    """Every place in a tree that can be replaced."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from spots(inner)
