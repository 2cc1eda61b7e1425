"""Templates: strict, in a sandbox, bounded, rendered once; and known without being run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import TemplateProblem
from runner.plan.scope import Answers
from runner.plan.templates import MAX_RENDERED, references, render
from tests.build import result


def problem(source: str, **names: Any) -> str:
    with pytest.raises(TemplateProblem) as found:
        render(source, names)
    return found.value.message


# -- what stands in the text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a <b> & 'c'", "a <b> & 'c'"),
        (3, "3"),
        (1.5, "1.5"),
        (None, ""),
        (True, "true"),
        ({"a": [1, None, "ü"]}, '{"a": [1, null, "ü"]}'),
        ([], "[]"),
    ],
)
def test_a_value_stands_as_text_or_as_json(value: Any, text: str) -> None:
    assert render("{{ x }}", {"x": value}) == text


def test_rendered_text_is_never_rendered_again() -> None:
    assert render("{{ x }}", {"x": "{{ secret }}{% raw %}"}) == "{{ secret }}{% raw %}"


@pytest.mark.parametrize("text", ["a\n", "\n\na", "a\r\nb", "# not a comment", "% not a statement"])
def test_text_without_signs_stays_as_it_is(text: str) -> None:
    assert render(text, {}) == text.replace("\r\n", "\n")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text())
def test_any_value_comes_through_unchanged(text: str) -> None:
    assert render("{{ x }}", {"x": text}) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ missing | default('d') }}", "d"),
        ("{{ x | length }}", "5"),
        ("{{ x | upper }}", "AB CD"),
        ("{{ x | lower }}", "ab cd"),
        ("{{ x | title }}", "Ab Cd"),
        ("{{ [1, 2] | join('-') }}", "1-2"),
        ("{{ x | truncate(4, True, '.', 0) }}", "aB ."),
        ("{{ {'b': '<', 'a': 1} | tojson }}", '{"b": "<", "a": 1}'),
        ("{{ [1] | tojson(indent=1) }}", "[\n 1\n]"),
        ("{{ x | replace('aB', 'z') }}", "z Cd"),
        ("{{ '  a ' | trim }}", "a"),
        ("{{ [1, 2] | first }}{{ [1, 2] | last }}", "12"),
        ("{{ 'error 404 in a' | regex_search('[0-9]+') }}", "404"),
        ("{{ x | regex_search('[0-9]+') }}", ""),
    ],
)
def test_every_filter_of_the_language_works(source: str, text: str) -> None:
    assert render(source, {"x": "aB Cd"}) == text


@pytest.mark.parametrize("name", ["attr", "map", "format", "pprint", "safe", "xmlattr", "list", "random"])
def test_other_filters_do_not_exist(name: str) -> None:
    with pytest.raises(TemplateProblem, match=f"No filter named '{name}'"):
        references(f"{{{{ x | {name} }}}}")


# -- strictness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ x }}", "'x' is undefined"),
        ("{% if x %}a{% endif %}", "'x' is undefined"),
        ("{{ d.missing }}", "'dict object' has no attribute 'missing'"),
        ("{{ l[3] }}", "list object has no element 3"),
    ],
)
def test_what_is_not_defined_is_an_error(source: str, said: str) -> None:
    assert problem(source, d={}, l=[]) == said


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 / 0 }}",
        "{{ 1 + 'a' }}",
        "{{ l() }}",
        "{{ 'a' | regex_search }}",
        "{{ 'a' | regex_search('(') }}",
        "{{ 'abcdefghij' | truncate(1) }}",
        "{{ [] | first }}",
        "{{ '{' .format(1) }}",
        "{{ 'a'.encode('nothing') }}",
        "{{ 'a' is divisibleby 0 }}",
        "{{ range | tojson }}",
        "{{ l | join('a', 'b', 'c', 'd') }}",
        "{{ 10 ** 9999 }}",
    ],
)
def test_whatever_goes_wrong_in_a_template_is_a_sentence(source: str) -> None:
    assert problem(source, l=[1])


# -- the sandbox ------------------------------------------------------------------------------------------------------

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ x['__class__'] }}",
    "{{ x.__init__.__globals__ }}",
    "{{ f.__globals__ }}",
    "{{ f.__code__ }}",
    "{{ range.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__['os'] }}",
    "{{ dict.mro() }}",
    "{{ 'a'.join.__self__ }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ answers._by_id }}",
    "{{ answers.__class__ }}",
    "{{ answers._Answers__x }}",
    "{{ d.update({'a': 1}) }}",
    "{{ l.append(1) }}",
    "{{ d.pop('a') }}",
    "{% set d.a = 1 %}",
    "{{ cycler }}",
    "{{ lipsum.__globals__ }}",
    "{{ joiner }}",
    "{{ ''|attr('__class__') }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{{ open('/etc/passwd') }}",
    "{{ __builtins__ }}",
    "{{ config }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_there_is_no_way_out_of_the_sandbox(source: str) -> None:
    def f() -> None: ...

    names: dict[str, Any] = {"x": "a", "f": f, "d": {"a": 0}, "l": [], "answers": Answers((result(id="a"),))}
    assert problem(source, **names)
    assert (names["d"], names["l"]) == ({"a": 0}, [])


def test_an_answer_whose_id_is_a_method_is_still_an_answer() -> None:
    answers = Answers((result(id="count", response="two"), result(id="items", response="three")))
    assert render("{{ steps.count.response }} {{ steps.items.response }}", {"steps": answers}) == "two three"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ 'a' * 10 ** 8 }}", "the product is too large"),
        ("{{ 10 ** 8 * 'a' }}", "the product is too large"),
        ("{{ [1] * 10 ** 8 }}", "the product is too large"),
        ("{{ 2 ** (10 ** 8) }}", "the power is too large"),
        ("{{ (10 ** 5) ** 2 }}", "the power is too large"),
        ("{{ 'a'.ljust(10 ** 9) }}", "access to attribute 'ljust' of 'str' object is unsafe"),
        ("{{ '{:>1000000000}'.format(1) }}", "access to attribute 'format' of 'str' object is unsafe"),
        ("{% for _ in range(10 ** 7) %}a{% endfor %}", "Range too big"),
        ("{% for _ in range(10 ** 5) %}{{ x }}{% endfor %}", f"produces more than {MAX_RENDERED:,} characters"),
    ],
)
def test_what_a_template_can_build_is_bounded(source: str, said: str) -> None:
    assert said in problem(source, x="x" * 100)


def test_a_text_up_to_the_limit_is_rendered() -> None:
    assert len(render("{{ x }}", {"x": "a" * MAX_RENDERED})) == MAX_RENDERED
    assert "more than" in problem("{{ x }}b", x="a" * MAX_RENDERED)


# -- known without being run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("plain", set()),
        ("{{ a }}{{ b.c }}{{ d[e] }}", {"a", "b", "d", "e"}),
        ("{% for x in xs %}{{ loop.index }}{{ x }}{% endfor %}", {"xs"}),
        ("{% for x in xs %}{% endfor %}{{ x }}", {"xs", "x"}),
        ("{% set a = b %}{{ a }}", {"b"}),
        ("{% set a %}{{ b }}{% endset %}{{ a }}", {"b"}),
        ("{% with a = b %}{{ a }}{% endwith %}", {"b"}),
        ("{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{{ m(b) }}", {"b"}),
        ("{{ range(3) }}", set()),
        ("{% raw %}{{ a }}{% endraw %}{# {{ b }} #}", set()),
        ("{{ a if b else c }}", {"a", "b", "c"}),
        ("{{ x | default(y) }}", {"y"}),
        ("{{ x | default('d') }}{{ x }}", {"x"}),
        ("{{ x.y | default('d') }}", {"x"}),
    ],
)
def test_the_names_a_template_needs_are_known(source: str, names: set[str]) -> None:
    assert references(source).names == names


@pytest.mark.parametrize(
    "source",
    [
        "{{ x | default('d') }}",
        "{{ x is defined }}",
        "{% if x is defined %}{{ x }}{% endif %}",
        "{{ x if x is defined else 'd' }}",
        "{% if x is undefined %}{% else %}{{ x }}{% endif %}",
    ],
)
def test_a_guarded_name_is_not_needed_but_known(source: str) -> None:
    found = references(source)
    assert (found.names, found.guarded) == (frozenset(), {"x"})
    render(source, {})
    render(source, {"x": 1})


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("{{ steps[0].response }}", {("steps", 0)}),
        ("{{ steps[-1] }}", {("steps", -1)}),
        ("{{ tasks.fetch.data.rows }}{{ tasks['other'] }}", {("tasks", "fetch"), ("tasks", "other")}),
        ("{{ steps[i] }}", set()),
    ],
)
def test_the_parts_a_template_looks_up_are_known(source: str, parts: set[tuple[str, str | int]]) -> None:
    assert references(source).parts == parts


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ("{{ steps[0].response }}{{ tasks.a['data'] }}", {("steps", "response"), ("tasks", "data")}),
        ("{{ steps[0].data.rows }}", {("steps", "data")}),
        ("{{ steps[i].response }}{{ topic.length }}", set()),
    ],
)
def test_what_is_asked_of_an_answer_is_known(source: str, fields: set[tuple[str, str]]) -> None:
    assert references(source).fields == fields


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ x", "unexpected end of template, expected 'end of print statement'"),
        ("a\n{% if %}", "Expected an expression, got 'end of statement block' (line 2 of the template)"),
        ("{% fro x in y %}", "Encountered unknown tag 'fro'"),
        ("{{ a is notest }}", "No test named 'notest'"),
        ("{% include 'x' %}", "include, import and extends have nothing to load from"),
        ("{% for a in b %}" * 25 + "{% endfor %}" * 25, "nested too deeply"),
        ("{{ " + "[" * 300 + "]" * 300 + " }}", "nested too deeply"),
        ("{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}", "nested too deeply"),
    ],
    ids=range(8),
)
def test_what_is_no_template_is_a_sentence(source: str, said: str) -> None:
    with pytest.raises(TemplateProblem) as found:
        references(source)
    assert said in found.value.message
