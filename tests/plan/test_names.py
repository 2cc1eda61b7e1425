"""A template that names what is not there is found before the first token, at its line."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import chain, dag, findings_of, parallel, workflow


def said(pattern: dict[str, Any], **changes: Any) -> list[str]:
    """What is said of a pattern, without the places."""
    return [line.split(": ", 1)[1] for line in findings_of(workflow(pattern=pattern, **changes))]


TEA = {"values": {"topic": "tea"}}


# -- plain names ------------------------------------------------------------------------------------------------------


def test_a_declared_value_may_be_used_everywhere() -> None:
    outputs = {"step_outputs": {"a": "{{ topic }}"}, "artifacts": [{"path": "{{ topic }}", "from": "{{ topic }}"}]}
    agents = {"writer": {"prompt": "You know {{ topic }}."}}
    assert said(chain("{{ topic }}"), inputs=TEA, outputs=outputs, agents=agents) == []


def test_an_undefined_name_is_told_with_the_nearest() -> None:
    assert said(chain("About {{ tpoic }}."), inputs=TEA) == ["undefined name 'tpoic'; did you mean 'topic'?"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"agents": {"writer": {"prompt": "{{ nope }}"}}}, "8:13"),
        ({"pattern": chain("{{ nope }}")}, "14:14"),
        ({"pattern": dag({"id": "a", "input": "{{ nope }}"})}, "13:14"),
        ({"outputs": {"step_outputs": {"answer": "{{ nope }}"}}}, "17:13"),
        ({"outputs": {"artifacts": [{"path": "{{ nope }}", "from": "a"}]}}, "17:11"),
        ({"outputs": {"artifacts": [{"path": "a", "from": "{{ nope }}"}]}}, "18:11"),
    ],
)
def test_an_undefined_name_is_told_where_its_template_is_written(changes: dict[str, Any], place: str) -> None:
    (found,) = findings_of(workflow(**changes))
    assert found.startswith(f"workflow.yaml:{place}: undefined name 'nope'; ")


def test_the_description_of_a_task_without_an_input_is_its_question() -> None:
    task = {"id": "a", "agent": "writer", "description": "{{ nope }}"}
    (found,) = findings_of(workflow(pattern={"type": "workflow", "config": {"tasks": [task]}}))
    assert found.startswith("workflow.yaml:15:20: undefined name 'nope'")


def test_one_wrong_prompt_used_by_many_steps_is_told_once() -> None:
    assert len(said(dag({"id": "a"}, {"id": "b"}), agents={"writer": {"prompt": "{{ nope }}"}})) == 1


def test_every_undefined_name_is_told() -> None:
    assert len(said(chain("{{ one }} {{ two }}", "{{ three }}"))) == 3


def test_a_guarded_name_need_not_be_there() -> None:
    assert said(chain("{{ tone | default('calm') }}{% if topic is defined %}{{ topic }}{% endif %}")) == []


def test_the_variables_of_a_step_are_names_in_its_input_and_its_agents_prompt() -> None:
    agents = {"writer": {"prompt": "Be {{ tone }}."}}
    assert said(chain({"input": "{{ tone }}", "vars": {"tone": "calm"}}), agents=agents) == []


def test_the_variables_of_one_step_are_not_seen_by_another() -> None:
    steps = chain({"input": "a", "vars": {"tone": "calm"}}, "{{ tone }}")
    assert said(steps)[0].startswith("undefined name 'tone'")


def test_a_template_that_is_none_is_told() -> None:
    (found,) = said(chain("{{ a"))
    assert found.startswith("not a valid template: ")


# -- chain ------------------------------------------------------------------------------------------------------------


def test_a_step_sees_the_steps_before_it_by_number_and_by_id() -> None:
    assert said(chain({"id": "draft"}, "{{ steps[0].response }} {{ steps.draft.response }} {{ steps[-1].data }}")) == []


def test_a_step_that_does_not_exist_is_told() -> None:
    assert said(chain("a", "b", "{{ steps[5].response }}")) == ["steps[5] does not exist here: 2 steps come before it"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_step_sees_neither_itself_nor_those_behind_it(number: int) -> None:
    assert said(chain(f"{{{{ steps[{number}].response }}}}", "b")) == [
        f"steps[{number}] does not exist here: no steps come before it"
    ]


def test_a_step_behind_cannot_be_seen_by_its_id() -> None:
    found = said(chain({"id": "draft"}, "{{ steps.darft }} {{ steps.final }}", {"id": "final"}))
    assert found == [
        "steps.darft cannot be seen here; did you mean 'draft'?",
        "steps.final cannot be seen here; choose one of: draft",
    ]


def test_the_latest_answer_is_there_from_the_second_step_on() -> None:
    assert said(chain("a", "{{ last_response }}")) == []
    assert said(chain("{{ last_response }}"))[0].startswith("undefined name 'last_response'")


def test_the_outputs_see_every_step() -> None:
    outputs = {"step_outputs": {"all": "{{ steps[1].response }} {{ steps.b.response }} {{ last_response }}"}}
    assert said(chain("a", {"id": "b"}), outputs=outputs) == []


def test_the_outputs_see_no_step_that_is_not_there() -> None:
    outputs = {"step_outputs": {"all": "{{ steps[2].response }}"}}
    assert said(chain("a", "b"), outputs=outputs) == ["steps[2] does not exist here: 2 steps come before it"]


# -- workflow ---------------------------------------------------------------------------------------------------------

DIAMOND = ({"id": "a"}, {"id": "b", "deps": ["a"]}, {"id": "c", "deps": ["b"]}, {"id": "alone"})


def with_last(template: str) -> dict[str, Any]:
    return dag(*DIAMOND, {"id": "last", "deps": ["c"], "input": template})


@pytest.mark.parametrize("ancestor", ["a", "b", "c"])
def test_a_task_sees_everything_it_waits_for_directly_or_not(ancestor: str) -> None:
    assert said(with_last(f"{{{{ tasks.{ancestor}.response }}}}")) == []


def test_a_task_does_not_see_one_it_does_not_wait_for() -> None:
    assert said(with_last("{{ tasks.alone.response }}")) == [
        "tasks.alone cannot be seen here; choose one of: a, b, c",
    ]


def test_a_task_does_not_see_one_that_waits_for_it() -> None:
    found = said(dag({"id": "a", "input": "{{ tasks['b'].response }}"}, {"id": "b", "deps": ["a"]}))
    assert found == ["tasks.b cannot be seen here; nothing comes before it"]


def test_a_task_that_waits_for_none_has_no_latest_answer() -> None:
    assert said(with_last("{{ last_response }}")) == []
    assert said(dag({"id": "a", "input": "{{ last_response }}"}))[0].startswith("undefined name 'last_response'")


def test_the_outputs_of_a_workflow_see_every_task() -> None:
    outputs = {"step_outputs": {"x": "{{ tasks.alone.response }}", "y": "{{ tasks.nobody }}"}}
    assert said(dag(*DIAMOND), outputs=outputs) == ["tasks.nobody cannot be seen here; choose one of: a, alone, b, c"]


# -- parallel ---------------------------------------------------------------------------------------------------------


def test_the_reduce_step_sees_every_branch() -> None:
    assert said(parallel(one="A.", two="B.", reduce="{{ branches.one.response }} {{ last_response }}")) == []


def test_the_reduce_step_sees_no_branch_that_is_not_there() -> None:
    assert said(parallel(one="A.", reduce="{{ branches.oen }}")) == [
        "branches.oen cannot be seen here; did you mean 'one'?"
    ]


def test_a_branch_does_not_see_another() -> None:
    found = said(parallel(one="A.", two="{{ branches.one.response }}"))
    assert found[0].startswith("undefined name 'branches'")


def test_a_branch_sees_its_own_steps_only() -> None:
    two: dict[str, Any] = {"id": "two", "steps": ["B.", "{{ steps[0].response }} {{ steps[1].response }}"]}
    assert said(parallel({"id": "one", "steps": ["A.", "A."]}, two)) == [
        "steps[1] does not exist here: 1 steps come before it"
    ]


def test_the_reduced_answer_is_there_when_there_is_a_reduce_step() -> None:
    outputs = {"step_outputs": {"x": "{{ reduce_response }} {{ branches.one.response }}"}}
    assert said(parallel(one="A.", reduce="Join."), outputs=outputs) == []
    assert said(parallel(one="A."), outputs=outputs)[0].startswith("undefined name 'reduce_response'")


# -- what is asked of an answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["response", "data", "status", "tokens", "agent", "attempts", "duration_ms"])
def test_an_answer_can_be_asked_for(field: str) -> None:
    assert said(chain("a", f"{{{{ steps[0].{field} }}}} {{{{ steps[0].data.anything }}}}")) == []


def test_what_no_answer_has_is_told_with_the_nearest() -> None:
    assert said(chain("a", "{{ steps[0].respnse }}")) == ["an answer has no 'respnse'; did you mean 'response'?"]


# -- agents that are not asked, values that may be missing ------------------------------------------------------------


def test_the_prompt_of_an_agent_nobody_asks_is_a_template_too() -> None:
    (found,) = findings_of(workflow(agents={"idle": {"prompt": "{{ a"}}))
    assert found.startswith("workflow.yaml:10:13: not a valid template: ")


def test_an_optional_input_without_a_value_is_not_defined() -> None:
    source = workflow(inputs={"optional": {"tone": "string"}}, pattern=chain("{{ tone }}"))
    (found,) = findings_of(source)
    assert found.split(": ", 1)[1].startswith("undefined name 'tone'")
    assert findings_of(source, variables={"tone": "calm"}) == []


def test_an_optional_input_may_yet_be_given_when_a_file_is_only_checked() -> None:
    source = workflow(inputs={"optional": {"tone": "string"}}, pattern=chain("{{ tone }}"))
    assert findings_of(source, need_values=False) == []


@pytest.mark.parametrize("name", ["status", "response", "config-hash", "Status"])
def test_an_output_of_the_file_does_not_have_the_name_of_one_of_the_action(name: str) -> None:
    (found,) = findings_of(workflow(outputs={"step_outputs": {name: "a"}}))
    assert found == f"workflow.yaml:17:5: step output '{name}' has the name of an output of the action itself"


# -- inputs.values ----------------------------------------------------------------------------------------------------


def test_an_input_may_be_asked_for_among_all_of_them_everywhere() -> None:
    outputs = {"step_outputs": {"a": "{{ inputs.values.topic }}"}}
    agents = {"writer": {"prompt": "You know {{ inputs.values['topic'] }}."}}
    assert said(chain("{{ inputs.values.topic }}"), inputs=TEA, outputs=outputs, agents=agents) == []


def test_an_input_that_is_not_there_is_told_with_the_nearest() -> None:
    assert said(chain("{{ inputs.values.tpoic }}"), inputs=TEA) == [
        "undefined name 'inputs.values.tpoic'; did you mean 'topic'?"
    ]
    assert said(chain("{{ inputs.value.topic }}"), inputs=TEA) == [
        "inputs.value cannot be seen here; did you mean 'values'?"
    ]


def test_an_input_that_is_guarded_need_not_be_there() -> None:
    guarded = "{{ inputs.values.tone | default('calm') }}"
    asked = "{% if inputs.values.topic is defined %}{{ inputs.values.topic }}{% endif %}"
    assert said(chain(guarded + asked)) == []
    assert said(chain(guarded + "{{ inputs.values.tone }}"))[0].startswith("undefined name 'inputs.values.tone'")


def test_the_variables_of_a_step_are_no_inputs() -> None:
    found = said(chain({"input": "{{ inputs.values.tone }}", "vars": {"tone": "calm"}}))
    assert found == ["undefined name 'inputs.values.tone'; there are none"]


@pytest.mark.parametrize("name", ["inputs", "secrets"])
def test_nothing_else_is_called_inputs_or_secrets(name: str) -> None:
    why = f"that is what templates call {name}"
    assert said(chain("a"), inputs={"values": {name: "x"}}) == [f"an input cannot be named '{name}': {why}"]
    assert said(chain({"input": "a", "vars": {name: "x"}})) == [f"a variable cannot be named '{name}': {why}"]


def test_a_secret_is_no_name_in_a_template() -> None:
    env = {"secrets": [{"key": "TOKEN", "source": "env"}]}
    (found,) = said(chain("{{ secrets.TOKEN }}"), env=env)
    assert found.startswith("undefined name 'secrets'; secrets are for the headers of tools.http_executors and the ")
