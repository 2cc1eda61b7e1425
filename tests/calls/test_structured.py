"""Answers that are data: what counts as one, and that a wrong one is asked for again with what was wrong."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.calls.call import Allowance, Call, Reply
from runner.calls.structured import MOST_REPEATED, Malformed, read, structured
from runner.errors import ModelProblem
from runner.plan import asked
from runner.plan.schemas import mismatch
from runner.report.events import AnswerMalformed
from tests.build import agent, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.report.events import Event

NUMBER = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}


class Model:
    """Answers with these texts in turn, and keeps what it was asked."""

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)
        self.questions: list[str] = []
        self.events: list[Event] = []

    async def _invoke(self, call: Call) -> Reply:
        self.questions.append(call.user)
        return Reply(next(self._texts))

    def ask(self, schema: Mapping[str, Any] | None = NUMBER, **changes: Any) -> Reply:
        call = Call("steps[0]", step(agent=agent(output_schema=schema), **changes), None, "go", Allowance(None))
        return asyncio.run(structured(self._invoke, self.events.append)(call))


# -- asked again ------------------------------------------------------------------------------------------------------


def test_without_a_schema_an_answer_is_text() -> None:
    assert Model('{"score": 1}').ask(None) == Reply('{"score": 1}')


def test_an_answer_that_is_data_is_not_asked_for_again() -> None:
    model = Model('{"score": 1}')
    assert model.ask().data == {"score": 1}
    assert (model.questions, model.events) == (["go"], [])


def test_one_that_is_not_is_asked_for_again_with_what_was_wrong() -> None:
    model = Model("eight", '{"score": 8}')
    reply = model.ask(reasks=1)

    assert (reply.text, reply.data) == ('{"score": 8}', {"score": 8})
    first, second = model.questions
    assert first == "go"
    assert second.startswith("go\n\nYour last answer was:\neight\n\nIt cannot be used: ")
    assert model.events == [AnswerMalformed("steps[0]", "the answer is not the JSON that output_schema asks for", 1)]


def test_each_time_the_question_is_the_first_one_with_the_latest_answer() -> None:
    model = Model("seven", "twelve", '{"score": 8}')
    model.ask(reasks=2)

    assert "seven" in model.questions[1]
    assert "twelve" in model.questions[2]
    assert "seven" not in model.questions[2]


@pytest.mark.parametrize("reasks", [0, 1, 4])
def test_it_is_asked_for_so_often_and_no_more(reasks: int) -> None:
    model = Model(*["no"] * 9)
    with pytest.raises(ModelProblem, match="not the JSON") as failed:
        model.ask(reasks=reasks)
    assert len(model.questions) == reasks + 1
    assert [event.left for event in model.events if isinstance(event, AnswerMalformed)] == [*range(reasks, -1, -1)]
    assert not failed.value.transient


def test_what_the_pattern_has_in_its_place_stands_then() -> None:
    reply = Model("no", "still no").ask(reasks=1, otherwise={"score": 0})
    assert (reply.text, reply.data) == ("still no", {"score": 0})


def test_a_long_answer_is_not_repeated_whole() -> None:
    model = Model("x" * 1_000_000, '{"score": 8}')
    model.ask()
    assert len(model.questions[1]) < MOST_REPEATED + 500


def test_no_word_of_the_model_is_in_what_is_told() -> None:
    model = Model('{"score": "::error::hostile"}', '{"score": 8}')
    model.ask()
    assert "hostile" not in repr(model.events)


# -- what counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"score": 8}',
        ' {"score": 8.0}\n',
        '```json\n{"score": 8}\n```',
        'Well. {"score": 8}, I think. Again: {"score": 8}',
        "8",
        '{"other": 1} {"score": 8}',
    ],
)
def test_a_value_is_found_where_models_put_it(text: str) -> None:
    assert read(text, NUMBER) == {"score": 8}


@pytest.mark.parametrize(
    "text",
    [
        '{"score": NaN}',
        '{"score": -Infinity}',
        '{"score": 1e999}',
        "-1e999",
        "9" * 400,
        "9" * 5000,
        '{"score": true}',
        '{"score": "8"}',
        '{"score": 8} {"score": 9}',
        "eight",
        "",
    ],
)
def test_what_no_number_is_does_not_count(text: str) -> None:
    with pytest.raises(Malformed):
        read(text, NUMBER)


@pytest.mark.parametrize("text", ["b", ' "b".', "`b`", "'b'", '["b"]'])
def test_one_word_is_a_choice(text: str) -> None:
    schema = asked.route(["a", "b"])
    if text.startswith("["):
        with pytest.raises(Malformed):
            read(text, schema)
    else:
        assert read(text, schema) == {"route": "b"}


@pytest.mark.parametrize("text", ["B", "a or b", "not b", "a\nb", ""])
def test_a_word_that_is_none_of_the_choices_is_none(text: str) -> None:
    with pytest.raises(Malformed):
        read(text, asked.route(["a", "b"]))


def test_the_list_alone_is_the_object_around_it() -> None:
    assert read('[{"task": "x"}]', asked.tasks(5, 1)) == {"tasks": [{"task": "x"}]}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text(alphabet='{}[]":,.0123456789eE+-NaInfitytruescolqk `\n\\', max_size=60))
def test_whatever_a_model_says_what_is_read_satisfies_the_schema_and_is_json(text: str) -> None:
    for schema in (NUMBER, asked.route(["a", "b"]), asked.tasks(3, 1), asked.EVALUATION):
        try:
            found = read(text, schema)
        except Malformed:
            continue
        assert mismatch(found, schema) is None
        json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400])
def test_a_number_too_large_to_check_does_not_satisfy(value: float) -> None:
    assert mismatch(value, {"multipleOf": 0.5}) == "$: a number is too large to check"
