"""What recordings do to a call: it is recorded, answered by a recording, or taken over from an earlier run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.calls.call import Allowance, Reply, Unfinished
from runner.errors import BudgetExceeded, Finding, ModelProblem, OutOfTime, RecordingProblem
from runner.plan.fingerprint import text_digest
from runner.tape.cleaning import cleaned
from runner.tape.recording import Answer, Prompt, Recording, ToolUse
from runner.tape.reel import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.calls.budget import Ledger
    from runner.calls.call import Call, Invoke
    from runner.calls.notes import Diary
    from runner.tape.deck import Deck
    from runner.tape.recording import Turn


TURN_S: Final = 0.1
"""How long recordings are answered from before the loop turns. They wait for nothing, and a large replay would hear no
signal and look as if it stood still."""


def taped(invoke: Invoke, deck: Deck, ledger: Ledger, diary: Diary | None = None) -> Invoke:
    """`invoke`, recorded; or a recording played through it, where there is one that answers the question."""

    turned = -TURN_S

    async def on_tape(call: Call) -> Reply:
        nonlocal turned
        prompt = _prompt(call, deck)
        found = deck.find(call.step, call.path, prompt)
        if found is not None and (now := asyncio.get_running_loop().time()) - turned >= TURN_S:
            turned = now
            await asyncio.sleep(0)
        if found is None and not deck.plays_only:
            reply = await _recorded(invoke, call, prompt, deck)
        elif found is not None and deck.mode == "resume":
            reply = _taken_over(call, found, ledger)
            deck.stands_on(found)
            if diary is not None:  # who comes later would have been told
                await diary.add(call, reply)
        else:
            reply = await _played_or_asked(invoke, call, prompt, found, deck)
        if call.session is not None:
            asked = found.prompt.user if found is not None and deck.plays_only else call.user
            deck.heard(call.path, _exchange(asked, reply.text, deck))
        return reply

    return on_tape


def _prompt(call: Call, deck: Deck) -> Prompt:
    said = call.session.exchanges if call.session is not None else ()
    return Prompt(
        user=cleaned(call.user, deck.clean),
        system=cleaned(call.system, deck.clean),
        before={one.path: _exchange(one.question, one.answer, deck) for one in said},
    )


def _exchange(question: str, answer: str, deck: Deck) -> str:
    return text_digest(cleaned(f"{question}\n\n{answer}", deck.clean))


# -- the three ways ---------------------------------------------------------------------------------------------------


async def _recorded(invoke: Invoke, call: Call, prompt: Prompt, deck: Deck) -> Reply:
    """The answer of a model, kept with all that led to it. What failed is kept when it was a model's answer that failed
    it, and not what lies between it and us."""
    recorder = call.reel
    assert isinstance(recorder, Recorder), "a call is played by one that is made of it"

    def keep(answer: Answer) -> None:
        try:
            asked = deck.asked(call.step)
            turns = tuple(_clean(turn, deck.clean) for turn in recorder.turns)
            answer = _clean_answer(answer, turns, deck.clean)
        except RecordingProblem as problem:
            deck.lost(RecordingProblem(f"{call.path}: {problem.message}", [Finding(problem.message, call.step.at)]))
        else:
            tools = recorder.tools
            deck.add(Recording(call.path, call.step.config_hash, asked, prompt, tools, turns, answer))

    try:
        reply = await invoke(call)
    except ModelProblem as problem:
        if recorder.answered and not isinstance(problem, OutOfTime):
            keep(Answer("failed", None, None, problem.message, call.tally.attempts, _took(call)))
        raise
    except BudgetExceeded as refused:
        keep(Answer("unfinished", None, None, refused.message, call.tally.attempts, _took(call)))
        raise
    took = _took(call)
    keep(Answer("success", reply.text, reply.data, None, call.tally.attempts, took))
    return replace(reply, took_ms=took)


async def _played_or_asked(invoke: Invoke, call: Call, prompt: Prompt, found: Recording | None, deck: Deck) -> Reply:
    """The answer of a recording; where a model may be asked, its answer when the engine makes nothing of the recording
    any more: limits of retries and the like are no part of what was asked."""
    try:
        return await _played(invoke, call, found, deck)
    except RecordingProblem:
        if deck.plays_only:
            raise
    call.tally.begin_again()
    return await _recorded(invoke, call, prompt, deck)


async def _played(invoke: Invoke, call: Call, found: Recording | None, deck: Deck) -> Reply:
    """The same engine on the turns of a recording. There is no deadline: nothing is waited for. What it comes to is its
    own: a model that is asked after all was told nothing of it, and its tools were not used."""
    player = deck.player(call.step, call.path, found)
    try:
        reply = await invoke(replace(call, reel=player, allowance=Allowance(None), unfinished=Unfinished()))
    except (ModelProblem, RecordingProblem, BudgetExceeded) as problem:
        if found is not None and found.answer.status == "unfinished" and player.waiting is None:
            deck.stands_on(found)
            raise BudgetExceeded(found.answer.error or problem.message) from None
        if not isinstance(problem, ModelProblem):
            raise
        if found is not None and found.answer.status == "success":
            raise player.broken(f"does not lead to its answer any more: {problem.message}") from None
        raise
    assert found is not None, "a player without a recording gives no answer"
    if player.kept is not None:
        reply = replace(reply, text=found.response)
    player.check(*(cleaned(one, deck.clean) for one in (reply.text, reply.data)))
    deck.stands_on(found)
    return replace(reply, source="tape", recorded_ms=found.answer.duration_ms)


def _taken_over(call: Call, found: Recording, ledger: Ledger) -> Reply:
    """The answer of an earlier run. It was paid for, and is on the same account."""
    tally = call.tally
    tally.begun = asyncio.get_running_loop().time()
    tally.attempts, tally.turns, tally.usage = found.answer.attempts, len(found.turns), found.usage
    tally.model = found.turns[-1].model if found.turns else ""
    tally.tools += found.tools_used
    tally.uncounted = sum(turn.uncounted for turn in found.turns)
    for turn in found.turns:
        ledger.spent_before(turn.model, turn.usage)
    return Reply(found.response, found.answer.data, "resumed", recorded_ms=found.answer.duration_ms)


def _clean(turn: Turn, clean: Callable[[str], str]) -> Turn:
    """A turn with nothing in it that must not be kept."""

    def use(one: ToolUse) -> ToolUse:
        # Its id and its name are a model's too, and stand in the message as well.
        number, name, given, content = cleaned((one.id, one.name, one.input, one.content), clean)
        return ToolUse(number, name, given, one.status, tuple(content))

    fault = turn.fault and replace(turn.fault, message=cleaned(turn.fault.message, clean))
    return replace(turn, content=tuple(cleaned(turn.content, clean)), tools=tuple(map(use, turn.tools)), fault=fault)


def _clean_answer(answer: Answer, turns: Sequence[Turn], clean: Callable[[str], str]) -> Answer:
    """An answer with nothing in it that must not be kept; without its text where the last turn says it, and its data,
    just so."""
    text, data, error = (cleaned(one, clean) for one in (answer.response, answer.data, answer.error))
    told = bool(turns) and turns[-1].text.strip() == text and data == answer.data
    return replace(answer, response=None if told else text, data=data, error=error)


def _took(call: Call) -> int:
    begun = call.tally.begun
    return 0 if begun is None else round(1000 * (asyncio.get_running_loop().time() - begun))
