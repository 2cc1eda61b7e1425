"""Steps that share a conversation: each sees what those before it asked and were answered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.calls.call import Conversation

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply


def in_session(invoke: Invoke) -> Invoke:
    """The steps of one session one after the other, whatever runs at once; none holds a slot while it waits."""
    conversations: defaultdict[str, Conversation] = defaultdict(Conversation)

    async def in_turn(call: Call) -> Reply:
        if call.step.session is None:
            return await invoke(call)
        conversation = conversations[call.step.session]
        async with conversation.turn:
            return await invoke(replace(call, conversation=conversation))

    return in_turn
