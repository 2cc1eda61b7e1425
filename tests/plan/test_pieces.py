"""Templates that are cut into text and holes: what comes of them is what Jinja makes of the whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.runtime import new_context

from runner.errors import TemplateProblem
from runner.plan import rendering
from runner.plan.lookups import References
from runner.plan.pieces import Code, Path, cut
from runner.plan.sandbox import check, compiled, environment
from runner.plan.templates import references, render
from runner.plan.trees import of_tree

NAMES = {
    "x": "<a> {{ x }}",
    "n": None,
    "d": {"a": {"b": [1, "ü"]}, "items": True, "if": 2},
    "steps": [],
    "class": 3,
    "loop": 4,
    "inputs": {"values": {"x": 5}},
}

SIGNS = st.sampled_from(
    "{ } {{ }} {% %} {# #} - + | . ' \" \n \r\n \r ü \\ # % , ( ) [ ] ~ = raw if not in is self true range None".split(
        " "
    )
)
PATHS = st.sampled_from(
    "x n d d.a d.a.b d.items d.if d.keys x.upper x.missing missing missing.a steps class loop inputs.values.x d.0 X "
    "d.__class__ inputs.values.y self self.x range true.a true None ünder _ a1 context environment".split(" ")
)
EXPRESSIONS = st.sampled_from(
    "x | upper; missing | default(1); x is defined; missing is defined; x if n else d.a; d['a']; x, n; -1; "
    "x | nothing; d.a.b[0]; x.upper(); not x; x ~ n; 1 / 0; (x); {'a': 1}.a; inputs.values.z | default(1)".split("; ")
)
BLANKS = st.sampled_from(["", " ", "\n ", "\t", "\u00a0", "-", "+"])
HOLES = st.builds("{{{{{}{}{}}}}}".format, BLANKS, PATHS | EXPRESSIONS, BLANKS)
TEXTS = st.text(st.sampled_from("ab {}%#-\n\r\u2028"), max_size=6)
TEMPLATES = st.lists(HOLES | TEXTS | SIGNS | PATHS, max_size=8).map("".join)


def whole(source: str) -> tuple[str, References | None]:
    """The text that Jinja makes of a template as a whole, or its complaint, and what it looks up."""
    found = None
    try:
        tree = environment().parse(source)
        check(tree)
        found = of_tree(tree).references
        template = compiled(tree)
        context = new_context(environment(), None, {}, dict(NAMES), globals=environment().globals)
        return "".join(template.root_render_func(context)), found
    except TemplateProblem as problem:
        return problem.message, found
    except TemplateError as error:
        return (error.message or "").rstrip("."), found
    except (ArithmeticError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}", found


def ours(source: str) -> tuple[str, References | None]:
    found = None
    try:
        found = references(source)
        return render(source, NAMES), found
    except TemplateProblem as problem:
        return problem.message, found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TEMPLATES)
def test_a_template_that_is_cut_is_what_the_whole_is(source: str) -> None:
    text, looked_up = ours(source)
    wanted, wanted_up = whole(source)
    assert looked_up == wanted_up
    assert text in (wanted, f"{wanted}.") or text.startswith(f"{wanted} (line ")


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("task 17 of {{ goal }}!", ("task 17 of ", Path(["goal"]), "!")),
        ("{{tasks.t16.response}}", (Path(["tasks", "t16", "response"]),)),
        ("a } {b} {\r\n{{\ngoal }}", ("a } {b} {\n", Path(["goal"]))),
        ("{{ x | upper }}{{ x }}", (Code("{{ x | upper }}"), Path(["x"]))),
        ("{{ none }}{{ d.range }}", (Code("{{ none }}"), Code("{{ d.range }}"))),
        ("", ()),
    ],
)
def test_text_and_holes_are_told_apart(source: str, pieces: tuple[object, ...]) -> None:
    assert cut(source) == pieces


@pytest.mark.parametrize(
    "source",
    ["{{ x }}{# no #}", "{% if x %}{{ x }}{% endif %}", "a {{- x }}", "{{ x -}} a", "{{ '}}' }}", "{{{ x }}}", "{{ x"],
)
def test_what_could_be_read_otherwise_is_not_cut(source: str) -> None:
    assert cut(source) == (Code(source),)


def test_what_another_hole_guards_is_guarded() -> None:
    found = references(
        "{{ x is defined }} {{ x }} {{ y | upper }} {{ inputs.values.z is defined }}{{ inputs.values.z }}"
    )
    assert found.names == {"y", "inputs"}
    assert found.guarded == {"x"}
    assert found.guarded_inputs == {"z"}


def test_a_mistake_in_a_hole_is_told_with_its_line_in_the_template() -> None:
    with pytest.raises(TemplateProblem, match=r"line 2 of the template"):
        references("{{ x }}\n{{ x | nothing }}")


def test_a_thousand_tasks_that_say_the_same_between_other_words_are_compiled_once() -> None:
    before = rendering._short.cache_info().misses
    for number in range(1_000):
        references(f"task {number} of {{{{ goal_of_all | upper }}}} after {{{{ tasks.t{number}.response }}}}")
    assert rendering._short.cache_info().misses == before + 1
