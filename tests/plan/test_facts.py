"""Which facts of its event a file asks for, known before it runs; a part that there is not is found."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.facts import PARTS
from runner.plan.plan import DiffRecipe
from tests.build import chain, dag, findings_of, plan_of, warnings_of, workflow


def asked(*templates: Any, **changes: Any) -> dict[str, set[str]]:
    """What a chain of these inputs asks for."""
    facts = plan_of(workflow(pattern=chain(*templates), **changes)).facts
    return {name: set(parts) for name, parts in facts.items()}


def said(*templates: Any, **changes: Any) -> list[str]:
    return [line.split(": ", 1)[1] for line in findings_of(workflow(pattern=chain(*templates), **changes))]


@pytest.mark.parametrize(
    ("template", "facts"),
    [
        ("Hello.", {}),
        ("{{ pr.title }} {{ pr['body'] }}", {"pr": {"title", "body"}}),
        ("{{ pr.head.sha }} {{ github.event.issue.title }}", {"pr": {"head"}, "github": {"event"}}),
        ("{% for job in ci.failed %}{{ job.log }}{% endfor %}", {"ci": {"failed"}}),
        ("{% if pr is defined %}{{ pr.title }}{% endif %}", {"pr": {"title"}}),
        ("{{ pr | tojson }}", {"pr": set(PARTS["pr"])}),
        ("{% for name in pr %}{{ pr[name] }}{% endfor %}", {"pr": set(PARTS["pr"])}),
        ("{% set one = pr %}{{ one.title }}", {"pr": set(PARTS["pr"])}),
        ("{% for pr in ['a'] %}{{ pr.odd }}{% endfor %}", {}),
        ("{% set pr = 'a' %}{{ pr.odd }}", {}),
    ],
)
def test_a_template_asks_for_the_parts_that_it_names(template: str, facts: dict[str, set[str]]) -> None:
    assert asked(template) == facts


def test_all_templates_of_a_file_ask_together() -> None:
    agents = {"writer": {"prompt": "{{ pr.author }}"}}
    outputs = {"step_outputs": {"to": "{{ pr.url }}"}}
    found = asked("{{ pr.title }}", {"when": "pr.draft", "input": "x"}, agents=agents, outputs=outputs)
    assert found == {"pr": {"author", "url", "title", "draft"}}


def test_an_input_a_variable_or_a_var_of_that_name_is_no_fact() -> None:
    assert asked("{{ pr.odd }}", inputs={"values": {"pr": {"odd": 1}}}) == {}
    optional = workflow(inputs={"optional": {"pr": "object"}}, pattern=chain("{{ pr.odd | default('') }}"))
    assert plan_of(optional, need_values=False).facts == {}
    assert asked({"input": "{{ pr.odd }}", "vars": {"pr": {"odd": 1}}}) == {}
    given = plan_of(workflow(pattern=chain("{{ pr.odd }}")), variables={"pr": {"odd": 1}})
    assert (given.facts, given.variables) == ({}, {"pr": {"odd": 1}})


def test_only_a_template_that_asks_first_can_do_without() -> None:
    guarded = "{% if pr is defined %}{{ pr.title }}{% endif %}"
    assert plan_of(workflow(pattern=chain(guarded))).facts_needed == frozenset()
    assert plan_of(workflow(pattern=chain(guarded, "{{ pr.title }}"))).facts_needed == {"pr"}


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ pr.titel }}", "pr has no 'titel'; did you mean 'title'?"),
        ("{{ github.tokn }}", "github has no 'tokn'; choose one of: actor, event, "),
        ("{{ ci.log }}", "ci has no 'log'; choose one of: failed, head, run_url, workflow"),
        ("{{ pr[0] }}", "pr has no '0'; "),
        ("{{ pr.head.forc }}", "pr.head has no 'forc'; did you mean 'fork'?"),
        ("{{ prr.title }}", "undefined name 'prr'; did you mean 'pr'?"),
    ],
)
def test_a_part_that_there_is_not_is_told_with_the_nearest(template: str, told: str) -> None:
    (found,) = said(template)
    assert found.startswith(told)


def test_tasks_ask_as_steps_do() -> None:
    tasks = dag({"id": "a", "input": "{{ pr.files }}"}, {"id": "b", "deps": ["a"], "input": "{{ pr.diff }}"})
    assert plan_of(workflow(pattern=tasks)).facts == {"pr": {"files", "diff"}}


def test_how_much_is_shown_is_what_the_file_says() -> None:
    keys = {"max_tokens": 40_000, "ignore": ["docs/**", "!dist/keep.js"], "incremental": True}
    plan = plan_of(workflow(context_policy={"pull_request": keys}, pattern=chain("{{ pr.diff }}")))
    assert plan.diff == DiffRecipe(40_000, ("docs/**", "!dist/keep.js"), incremental=True)
    assert plan_of(workflow()).diff == DiffRecipe()


def test_a_policy_without_a_pull_request_is_advised_against() -> None:
    told = "context_policy.pull_request is about `pr`, which no template names, or which is given as a variable"
    policy = {"pull_request": {"max_tokens": 1}}
    assert any(told in one for one in warnings_of(workflow(context_policy=policy)))
    assert not any(told in one for one in warnings_of(workflow(context_policy=policy, pattern=chain("{{ pr.diff }}"))))
