"""What the engine is measured against, without it: the SDK as one would use it by hand, and a loop of plain HTTP. Each
in a process of its own that has made a call before; every manner imports only what it needs.

`fresh` makes a model and an agent anew for every call. `cached` keeps them, an agent for calls in a row, a model for
calls at once; the SDK's model opens a client for each request all the same. `shared` gives it one client. `stub` is
the SDK on a model that only waits, `raw` no SDK at all.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from typing import Any
from unittest.mock import patch

from benchmarks.measure import peak_mib
from benchmarks.specs import WARM_UP

Ask = Callable[[str, str], Awaitable[object]]
"""One call: a question, and the model that is asked."""

PROMPT = "You write."
created = 0


async def measured(manner: str, url: str, count: int, width: int, models: int, delay_s: float) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        ask = await MANNERS[manner](stack, url, delay_s)
        await ask(WARM_UP, "m0")
        room, clients = asyncio.Semaphore(width), created

        async def one(number: int) -> None:
            async with room:
                await ask(f"task {number} of speed", f"m{number % models}")

        before, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(one(number) for number in range(count)))
        found = {"seconds": [time.perf_counter() - before], "cpu_s": [time.process_time() - cpu]}
        return {**found, "peak_mib": peak_mib(), "clients": max(1, created - clients)}


def agent(model: Any) -> Any:
    from strands import Agent

    return Agent(model=model, system_prompt=PROMPT, callback_handler=None)


def counted_clients() -> AbstractContextManager[Any]:
    """Count the clients that are made meanwhile, also by the SDK."""
    import openai

    class Counted(openai.AsyncOpenAI):
        def __init__(self, **given: Any) -> None:
            global created  # noqa: PLW0603 - one process, one count
            created += 1
            super().__init__(**given)

    return patch.object(openai, "AsyncOpenAI", Counted)


async def fresh(stack: AsyncExitStack, url: str, delay_s: float) -> Ask:
    from strands.models.openai import OpenAIModel

    stack.enter_context(counted_clients())

    async def ask(question: str, model: str) -> None:
        asked = OpenAIModel(client_args={"base_url": url, "api_key": "none"}, model_id=model)
        await agent(asked).invoke_async(question)

    return ask


async def cached(stack: AsyncExitStack, url: str, delay_s: float) -> Ask:
    from strands.models.openai import OpenAIModel

    stack.enter_context(counted_clients())
    agents: dict[str, list[Any]] = {}
    models: dict[str, Any] = {}

    async def ask(question: str, model: str) -> None:
        if model not in models:
            models[model] = OpenAIModel(client_args={"base_url": url, "api_key": "none"}, model_id=model)
        idle = agents.setdefault(model, [])  # one of them answers one call at a time
        asked = idle.pop() if idle else agent(models[model])
        await asked.invoke_async(question)
        asked.messages.clear()
        idle.append(asked)

    return ask


async def shared(stack: AsyncExitStack, url: str, delay_s: float) -> Ask:
    import openai
    from strands.models.openai import OpenAIModel

    client = await stack.enter_async_context(openai.AsyncOpenAI(base_url=url, api_key="none"))

    async def ask(question: str, model: str) -> None:
        await agent(OpenAIModel(client=client, model_id=model)).invoke_async(question)

    return ask


async def stub(stack: AsyncExitStack, url: str, delay_s: float) -> Ask:
    from strands.models.model import Model

    class Stub(Model):
        """Answers after a while, and always the same."""

        def get_config(self) -> Any:
            return {}

        def update_config(self, **model_config: Any) -> None: ...

        def structured_output(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            if delay_s:
                await asyncio.sleep(delay_s)
            yield {"messageStart": {"role": "assistant"}}
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": "ok"}}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "end_turn"}}
            yield {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "metrics": {}}}

    async def ask(question: str, model: str) -> None:
        await agent(Stub()).invoke_async(question)

    return ask


async def raw(stack: AsyncExitStack, url: str, delay_s: float) -> Ask:
    import aiohttp

    session = await stack.enter_async_context(aiohttp.ClientSession())

    async def ask(question: str, model: str) -> None:
        messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": question}]
        body = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        headers = {"Authorization": "Bearer none"}
        async with session.post(f"{url}/chat/completions", json=body, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()

    return ask


MANNERS = {one.__name__: one for one in (fresh, cached, shared, stub, raw)}


def main(manner: str, url: str, count: str, width: str, models: str, delay_s: str) -> None:
    print(json.dumps(asyncio.run(measured(manner, url, int(count), int(width), int(models), float(delay_s)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
