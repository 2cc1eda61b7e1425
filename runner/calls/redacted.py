"""Personal data taken out of what becomes a step's answer. What a model is sent is redacted in `runner.agents`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.errors import ModelProblem
from runner.plan.pii import redact, redact_data
from runner.plan.schemas import mismatch

if TYPE_CHECKING:
    from runner.calls.call import Call, Invoke, Reply


def redacted(invoke: Invoke) -> Invoke:
    """No reply holds what `runner.plan.pii` finds. Where the answer is data its text is that data as JSON: a text
    with a number taken out of it would be none. Raises ModelProblem for data that needs what may not be in it."""

    async def without_personal_data(call: Call) -> Reply:
        reply = await invoke(call)
        schema = call.step.agent.output_schema
        if schema is None:
            return replace(reply, text=redact(reply.text))
        try:
            data = redact_data(reply.data)
        except RecursionError:
            raise ModelProblem("the answer is nested too deeply to take personal data out of it") from None
        if data == reply.data and redact(reply.text) == reply.text:
            return reply
        if wrong := mismatch(data, schema):
            raise ModelProblem(f"without personal data (pii_redaction) the answer misses output_schema at {wrong}")
        return replace(reply, text=json.dumps(data, ensure_ascii=False), data=data)

    return without_personal_data
