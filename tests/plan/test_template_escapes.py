"""Nothing gets out of a template: no object of Python's, no change to what was handed in, no name of ours."""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.errors import TemplateProblem
from runner.plan.scope import Answers
from runner.plan.templates import render
from tests.build import result

LEAK = re.compile(r"<class|<function|<built-in|<bound|<generator|<module|object at|0x[0-9a-f]{6}|__\w+__|runner\.")


def f() -> None: ...


def names() -> dict[str, Any]:
    return {"x": "ab cd", "n": 3, "d": {"a": 0, "items": [1]}, "l": [2, 1], "steps": Answers((result(id="a"),)), "f": f}


ESCAPES = [
    # through what every object has
    "{{ ''.__class__ }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ x['__class__'] }}",
    "{{ x['__cl' ~ 'ass__'] }}",
    "{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ x['\\u005f_class__'] }}",
    "{{ n.__class__.__init__ }}",
    "{{ n.real }}",
    "{{ d.__getitem__('a') }}",
    "{{ d.__class__.fromkeys(l) }}",
    "{{ [].__class__ }}",
    "{{ none.__class__ }}",
    "{{ true.__class__.__base__ }}",
    "{{ x.__doc__ }}",
    "{{ x.__init__.__globals__ }}",
    "{{ x.__reduce_ex__(2) }}",
    "{{ x.__format__('') }}",
    "{{ x | attr('__class__') }}",
    "{{ [x] | map(attribute='__class__') | list }}",
    "{{ l | groupby('__class__') }}",
    "{{ l | batch(2) | list }}",
    "{{ l | sort(attribute='__class__') }}",
    "{{ l | selectattr('__class__') }}",
    "{{ [x] | join(attribute='__class__') }}",
    "{{ [x] | join(',', '__class__.__mro__') }}",
    "{{ [f] | join(attribute='__globals__') }}",
    # through functions and their frames
    "{{ f.__globals__ }}",
    "{{ f.__code__ }}",
    "{{ f.__closure__ }}",
    "{{ f() }}",
    "{{ f }}",
    "{{ f ~ '' }}",
    "{{ [f] }}",
    "{{ [f] | join }}",
    "{{ f | upper }}",
    "{{ f | tojson }}",
    "{{ {}[f] }}",
    "{{ {f: 1} | tojson }}",
    "{{ range }}",
    "{{ range.__init__.__globals__ }}",
    "{{ range.__self__ }}",
    "{{ x.join }}",
    "{{ x.join.__self__ }}",
    "{{ x.upper.__call__() }}",
    "{{ x.upper | string }}",
    "{{ [x.upper] | first }}",
    "{{ (x for y in x).gi_frame }}",
    "{{ x.gi_frame.f_builtins }}",
    "{{ x.cr_frame }}",
    "{{ x.ag_code }}",
    "{{ x.f_globals }}",
    "{{ x.tb_frame }}",
    # through what Jinja brings along
    "{{ self }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner('a') }}",
    "{{ namespace(a=1) }}",
    "{{ namespace.__init__.__globals__['os'] }}",
    "{{ dict(a=1) }}",
    "{{ dict.mro() }}",
    "{{ context }}",
    "{{ environment }}",
    "{{ caller() }}",
    "{{ super() }}",
    "{{ varargs }}",
    "{{ undefined }}",
    "{{ missing.__class__ }}",
    "{{ nothing.__class__ }}",
    "{{ (nothing | default).__class__ }}",
    "{% for a in l %}{{ loop }}{% endfor %}",
    "{% for a in l %}{{ loop ~ '' }}{% endfor %}",
    "{% for a in l %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for a in l %}{{ loop._iterable }}{% endfor %}",
    "{% for a in l %}{{ loop.cycle }}{% endfor %}",
    "{% for a in l %}{{ loop.cycle.__func__ }}{% endfor %}",
    "{% for a in l recursive %}{{ loop(l) }}{% endfor %}",
    "{% macro m() %}{{ varargs }}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{% call(a) f() %}{% endcall %}",
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'x' %}",
    "{% autoescape true %}{{ x }}{% endautoescape %}",
    "{% do l.append(1) %}",
    "{% debug %}",
    "{% trans %}a{% endtrans %}",
    # through names that are elsewhere
    "{{ config }}",
    "{{ request.application.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ open('/etc/passwd') }}",
    "{{ __builtins__ }}",
    "{{ __import__('os') }}",
    "{{ eval('1') }}",
    "{{ os.environ }}",
    "{{ secrets }}",
    # through formatting
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ '{0.__class__}'['format'](x) }}",
    "{{ '%s' % f }}",
    "{{ '%(a)s' % d }}",
    "{{ '{}' | format(x) }}",
    "{{ x.translate({97: 'b'}) }}",
    "{{ x.maketrans('a', 'b') }}",
    "{{ x.encode('utf-8') }}",
    "{{ x.format.__self__ }}",
    # through our own
    "{{ steps }}",
    "{{ steps ~ '' }}",
    "{{ [steps] }}",
    "{{ [steps] | join }}",
    "{{ steps | tojson }}",
    "{{ steps | upper }}",
    "{{ steps | regex_search('.*') }}",
    "{{ ''.join([steps]) }}",
    "{{ steps._by_id }}",
    "{{ steps['_by_id'] }}",
    "{{ steps.__class__ }}",
    "{{ steps._Answers__x }}",
    "{{ steps._ordered }}",
    "{{ steps['__init__'] }}",
    # by changing what was handed in
    "{{ d.update({'a': 1}) }}",
    "{{ d.pop('a') }}",
    "{{ d.setdefault('b', 1) }}",
    "{{ d.clear() }}",
    "{{ d.popitem() }}",
    "{{ d['update']({'a': 1}) }}",
    "{{ l.append(1) }}",
    "{{ l['append'](1) }}",
    "{{ l.extend(l) }}",
    "{{ l.insert(0, 1) }}",
    "{{ l.sort() }}",
    "{{ l.reverse() }}",
    "{{ l.__setitem__(0, 1) }}",
    "{{ l.__iadd__([1]) }}",
    "{% set d.a = 1 %}",
    "{% set l[0] = 1 %}",
    "{{ f(*l) }}",
    "{{ x.replace(**d) }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_there_is_no_way_out_of_the_sandbox(source: str) -> None:
    given_names = names()
    before = copy.deepcopy({name: given_names[name] for name in ("d", "l")})
    with pytest.raises(TemplateProblem):
        render(source, given_names)
    assert {name: given_names[name] for name in ("d", "l")} == before


@pytest.mark.parametrize(
    "source", ["{{ f }}", "{{ {}[[f]] }}", "{{ {f: 1} }}", "{{ l + f }}", "{{ f < f }}", "{{ f.a }}"]
)
def test_an_error_does_not_say_where_in_memory_something_lies(source: str) -> None:
    with pytest.raises(TemplateProblem) as found:
        render(source, names())
    assert " at 0x" not in found.value.message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ d.keys() }}", '["a", "items"]'),
        ("{{ d.values() }}", "[0, [1]]"),
        ("{{ [d.items()] | tojson }}", '[[["a", 0], ["items", [1]]]]'),
        ("{{ d.items }}", "[1]"),
        ("{{ (1, 'a') }}", '[1, "a"]'),
        ("{{ range(3) }}", "[0, 1, 2]"),
        ("{{ [1, none] ~ true ~ none }}", "[1, null]true"),
        ("{{ [none, true, {'a': 1}] | join(' ') }}", ' true {"a": 1}'),
        ("{{ [1] | upper }}", "[1]"),
        ("{{ x.partition(' ') }}", '["ab", " ", "cd"]'),
        ("{{ steps | length }}{% for one in steps %}{{ one.response }}{% endfor %}", "1an answer"),
    ],
)
def test_data_is_json_wherever_text_is_made_of_it(source: str, text: str) -> None:
    assert render(source, names()) == text


def test_several_answers_are_not_text() -> None:
    with pytest.raises(TemplateProblem) as found:
        render("{{ steps }}", names())
    assert found.value.message == "several answers are not text; ask for one of them, such as steps[0].response"


# -- whatever is written ----------------------------------------------------------------------------------------------

WORDS = "__class__ __globals__ upper join items keys format append response cycle index split real gi_frame a".split()
FILTERS = (
    "default length upper lower title join truncate tojson replace trim first last regex_search untrusted attr map"
).split()
TESTS = "defined even odd string mapping iterable none number sequence callable upper".split()
OPERATORS = "+ - * / // % ** ~ == != < > and or in".split()

atoms = st.sampled_from(
    ["x", "n", "d", "l", "f", "steps", "loop", "range", "self", "none", "'%s{0}'", "7", "[]", "{}", "()"]
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, st.sampled_from(WORDS)),
        st.builds("{}['{}']".format, inner, st.sampled_from(WORDS)),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[{}:]".format, inner, inner),
        st.builds("{}({})".format, inner, inner),
        st.builds("{}()".format, inner),
        st.builds("({} | {})".format, inner, st.sampled_from(FILTERS)),
        st.builds("({} | {}({}))".format, inner, st.sampled_from(FILTERS), inner),
        st.builds("({} is {})".format, inner, st.sampled_from(TESTS)),
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
    ),
    max_leaves=6,
)
templates = st.recursive(
    st.builds("{{{{ {} }}}}".format, expressions),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% for a in {} %}}{}{{% endfor %}}".format, expressions, inner),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, expressions, inner),
        st.builds("{{% set y = {} %}}{}{{{{ y }}}}".format, expressions, inner),
        st.builds("{{% set y %}}{}{{% endset %}}{{{{ y }}}}".format, inner),
        st.builds("{{% filter {} %}}{}{{% endfilter %}}".format, st.sampled_from(FILTERS), inner),
        st.builds("{{% macro m(a) %}}{}{{% endmacro %}}{{{{ m({}) }}}}".format, inner, expressions),
    ),
    max_leaves=3,
)


@settings(max_examples=600, deadline=2000, derandomize=True)
@example("{{ x[f] }}")
@example("{{ x[range] }}")
@given(templates)
def test_whatever_is_written_is_text_or_a_sentence(source: str) -> None:
    given_names = names()
    try:
        found = render(source, given_names)
    except TemplateProblem as problem:
        found = problem.message.replace("__", "")
    assert not LEAK.search(found)
    assert (given_names["d"], given_names["l"]) == (names()["d"], names()["l"])


@settings(max_examples=300, deadline=2000, derandomize=True)
@given(st.text(alphabet="{}%#-+ax.|()[]'\"\\,=:_~0\n ", max_size=60))
def test_whatever_signs_are_written_it_is_text_or_a_sentence(source: str) -> None:
    with suppress(TemplateProblem):
        render(source, names())
