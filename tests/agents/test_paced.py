"""The waits of one turn: what ends them, what begins them anew, and what is not counted. Whole runs are in
tests/contract/test_deadlines."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from strands.models.model import Model

from runner.agents.paced import PacedModel
from runner.errors import ModelProblem
from runner.plan.plan import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

START: dict[str, Any] = {"messageStart": {"role": "assistant"}}
STOP: dict[str, Any] = {"messageStop": {"stopReason": "end_turn"}}
CALL: dict[str, Any] = {"contentBlockStart": {"start": {"toolUse": {"name": "grep", "toolUseId": "1"}}}}
BLOCK: dict[str, Any] = {"contentBlockStart": {"start": {}}}
METADATA: dict[str, Any] = {"metadata": {}}


def said(**delta: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"delta": delta}}


TEXT = said(text="a")


class Scripted(Model):
    """Takes the seconds that stand between its events; an exception is raised."""

    def __init__(self, *script: Any) -> None:
        self.script = script

    async def stream(self, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        for one in self.script:
            if isinstance(one, BaseException):
                raise one
            if isinstance(one, float):
                await asyncio.sleep(one)
            else:
                yield one

    def get_config(self) -> Any: ...
    def update_config(self, **_: Any) -> None: ...
    def structured_output(self, *_: Any, **__: Any) -> Any: ...


def paced(*script: Any, cut_off: Callable[[], None] = lambda: None, first: float = 0.2, between: float = 0.2) -> Any:
    return PacedModel(Scripted(*script), Timeouts(1, first, between), lambda: cut_off)


def heard(model: Any, reader_s: float = 0.0) -> list[Any]:
    """Every event, by a reader who takes so long with each."""

    async def read() -> list[Any]:
        found = []
        async for event in model.stream([]):
            found.append(event)
            await asyncio.sleep(reader_s)
        return found

    return asyncio.run(read())


def test_each_part_of_an_answer_begins_the_wait_anew():
    parts = [TEXT, said(reasoningContent={"text": "hm"}), CALL, said(toolUse={"input": "{"}), STOP, METADATA]
    script = [one for part in parts for one in (0.15, part)]
    assert heard(paced(*script, first=0.4, between=0.4)) == parts


def test_what_is_no_part_of_an_answer_does_not():
    alive = [START, 0.06, BLOCK, 0.06, METADATA, 0.06] * 9
    with pytest.raises(ModelProblem, match=r"no first token within 0\.2 s"):
        heard(paced(*alive))
    with pytest.raises(ModelProblem, match=r"nothing more of the answer within 0\.2 s"):
        heard(paced(TEXT, *alive))


def test_silence_may_pass_and_may_have_cost_something():
    with pytest.raises(ModelProblem) as problem:
        heard(paced(9.0))

    assert (problem.value.transient, problem.value.lost) == (True, True)


def test_the_time_of_the_reader_is_not_counted():
    assert heard(paced(START, 0.01, TEXT, 0.01, STOP, first=0.3, between=0.3), reader_s=0.35) == [START, TEXT, STOP]


def test_a_timeout_of_the_models_own_is_not_taken_for_silence():
    with pytest.raises(TimeoutError, match="its own"):
        heard(paced(TEXT, TimeoutError("its own")))


@pytest.mark.parametrize(
    ("script", "cut"),
    [([TEXT, STOP], 0), ([TEXT, ValueError("refused")], 0), ([TEXT, 9.0], 1)],
    ids=["ended", "failed", "fell silent"],
)
def test_only_what_is_given_up_is_cut_off(script: list[Any], cut: int):
    cuts = list[int]()
    with suppress(ModelProblem, ValueError):
        heard(paced(*script, cut_off=lambda: cuts.append(1)))

    assert len(cuts) == cut


@pytest.mark.parametrize("how", ["its reader leaves", "its task is cancelled"])
def test_a_turn_that_nobody_reads_any_more_is_cut_off(how: str):
    cuts = list[int]()

    async def read() -> None:
        async with aclosing(paced(TEXT, 9.0, first=9, between=9, cut_off=lambda: cuts.append(1)).stream([])) as events:
            async for _ in events:
                if how == "its reader leaves":
                    break

    async def main() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())

    assert cuts == [1]


def test_a_turn_sets_one_bell_however_many_parts_it_has(monkeypatch: pytest.MonkeyPatch):
    """One for every wait would cost as much as the SDK's own work in a turn of a hundred parts."""
    from asyncio.base_events import BaseEventLoop

    bells: list[float] = []
    call_at = BaseEventLoop.call_at

    def counted(loop: Any, when: float, *args: Any, **kwargs: Any) -> Any:
        bells.append(when)
        return call_at(loop, when, *args, **kwargs)

    monkeypatch.setattr(BaseEventLoop, "call_at", counted)
    assert len(heard(paced(*[TEXT] * 100, STOP, METADATA, first=300, between=120))) == 102
    assert len(bells) == 1


@pytest.mark.parametrize(("first", "between"), [(0.05, 0.2), (0.2, 0.05)])
def test_the_bell_is_on_time_whichever_wait_is_the_longer_one(first: float, between: float):
    """It is set for the shorter one, and looks."""

    async def waited(*script: Any) -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ModelProblem):
            async for _ in paced(*script, 5.0, first=first, between=between).stream([]):
                pass
        return asyncio.get_running_loop().time() - began

    assert first <= asyncio.run(waited()) < first + 0.1
    assert between <= asyncio.run(waited(TEXT)) < between + 0.1


def test_a_wait_that_a_model_ends_in_its_own_way_does_not_count_as_a_cancellation_of_its_reader():
    """The deadline of a step around it would then be taken for the end of the run."""

    class Stubborn(Scripted):
        async def stream(self, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
            try:
                await asyncio.sleep(9)
            except asyncio.CancelledError:
                raise ConnectionError("gone") from None
            yield TEXT

    async def main() -> int:
        timeouts = Timeouts(1, 0.01, 0.01)
        with pytest.raises(ConnectionError):
            await anext(PacedModel(Stubborn(), timeouts, lambda: lambda: None).stream([]))
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert asyncio.run(main()) == 0
