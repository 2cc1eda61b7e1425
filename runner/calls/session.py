"""Steps that share a conversation: each sees what those before it asked and were answered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.calls.call import Exchange, Session

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply


def in_session(invoke: Invoke) -> Invoke:
    """The steps of one session one after the other, whatever runs at once; none holds a slot while it waits.

    A step adds its question and the answer that counts, and nothing of attempts that did not.
    """
    sessions: defaultdict[str, Session] = defaultdict(Session)

    async def in_turn(call: Call) -> Reply:
        if call.step.session is None:
            return await invoke(call)
        session = sessions[call.step.session]
        async with session.turn:
            reply = await invoke(replace(call, session=session))
            session.exchanges.append(Exchange(call.path, call.user, reply.text))
            return reply

    return in_turn
