"""The template renderer: any source over any values is a text of bounded size or a sentence, in bounded time and
memory, without a way to an object of Python's."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from typing import Any, Final

from runner.errors import TemplateProblem
from runner.plan.bounds import MAX_RENDERED
from runner.plan.scope import Answers, of_inputs
from runner.plan.templates import condition, references, references_of_condition, render
from tests import build
from tests.fuzz.target import Target, fields, joined
from tests.plan.test_template_escapes import ESCAPES
from tests.plan.test_template_limits import BOMBS

LEAK: Final = re.compile(
    r"<(class|function|built-in|bound|generator|module|slot|method) |object at 0x|<jinja2|runner\.plan"
)
ADDRESS: Final = re.compile(" at 0x")
LONGEST_MESSAGE: Final = 600


def one(data: bytes) -> None:
    source, *given = fields(data)
    names = _names(given)
    before = copy.deepcopy({name: one for name, one in names.items() if name != "steps"})
    for ask in (references, references_of_condition):
        with suppress(TemplateProblem):
            ask(source)
    for make in (render, condition):
        _check(make, source, names, "".join(given))
    assert {name: names[name] for name in before} == before, "a template changed what it was given"


def _check(make: Any, source: str, names: dict[str, Any], values: str) -> None:
    most, leak = MAX_RENDERED, LEAK
    try:
        found = str(make(source, names))
    except TemplateProblem as problem:
        found, most, leak = problem.message, LONGEST_MESSAGE, ADDRESS
    assert len(found) <= most, f"{len(found)} characters"
    leaked = leak.search(found)
    assert not leaked or leaked[0] in source + values, found[:300]


def _names(given: list[str]) -> dict[str, Any]:
    values = [_value(text) for text in given]
    x, data, more = [*values, "ab cd", {"a": 0, "items": [1]}, [2, 1]][:3] if len(values) < 3 else values[:3]
    response = x if isinstance(x, str) else given[0]
    steps = Answers((build.result(id="a", response=response, data=data), build.result("steps[1]", response="two")))
    return {**of_inputs({"x": x, "n": 3}), "data": data, "l": more, "steps": steps, "last_response": response}


def _value(text: str) -> Any:
    """JSON where it is some, as the data of an answer is; else the text."""
    with suppress(ValueError, RecursionError):
        return json.loads(text, parse_constant=str)
    return text


def seeds() -> list[bytes]:
    quick = [source for source in BOMBS if len(source) < 200 and not re.search(r"for|\d{4}", source)]
    common = [
        "Write about {{ x }}.",
        "{% for one in data['items'] %}{{ loop.index }}: {{ one | default('no') }}{% endfor %}",
        "{{ steps[0].response | truncate(20) }} {{ steps.a.data | tojson(indent=2) }}",
        "{% set y = x | replace('a', 'b') | upper %}{% if y is defined and y != 'B' %}{{ y ~ 1 }}{% endif %}",
        "{{ inputs.values.x | default('none') }}{{ (l | join(', ')) if l else 'nothing' }}",
        "{% filter upper %}{{ x | regex_search('[a-z]+') }}{% endfilter %}{% set z %}{{ n * 2 + 7 // 2 }}{% endset %}",
        "steps[0].data.a == 0 and 'b' in x",
    ]
    hostile = ("{{ x }}", "{% for", '{"a": "{{ n }}", "items": [1, [2, "' + "z" * 50 + '"]]}', "[1, null, 1e308]")
    return [*(joined(source) for source in (*quick, *ESCAPES)), *(joined(source, *hostile) for source in common)]


WORDS: Final = tuple(
    "{{ }} {% %} {# #} {%- -%} for in endfor if elif else endif set endset filter endfilter with endwith range "
    "loop.index | default tojson join upper lower replace truncate length sort first last unique map select "
    "regex_search untrusted split trim steps[0].response data items() x n l ~ ** // % is defined not and or none true "
    "['a'] [1:2] __class__ .join( .split( .replace( .items() 999 9**9 'a'*99 \\x5f".split()
)

TARGET: Final = Target(one, seeds, WORDS, longest_s=6)  # a second for each of what it asks
