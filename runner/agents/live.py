"""The real thing at the bottom of a call: a blank Agent of the SDK, on a pooled client, asked one question."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from strands import Agent
from strands.agent.conversation_manager import NullConversationManager
from strands.types.exceptions import ContextWindowOverflowException

from runner.agents import providers
from runner.agents.cache import AgentCache, Blueprint
from runner.agents.closing import all_closed
from runner.agents.compacting import CompactingModel, Conversation
from runner.agents.metered import MeteredModel
from runner.agents.pool import ClientKey, ClientPool
from runner.agents.providers.faults import chain_of, explain, one_line
from runner.agents.redacting import RedactingModel
from runner.agents.tools import skills
from runner.agents.tools.box import ToolBox
from runner.calls.call import Call, Reply, Session
from runner.errors import ModelProblem, RunnerError
from runner.plan.plan import NO_POLICY
from runner.plan.tools import SkillBook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from strands.models.model import Model

    from runner.agents.pool import Client
    from runner.agents.providers import Home
    from runner.agents.tools.bench import Bench
    from runner.calls.budget import Ledger
    from runner.plan.plan import AgentRecipe, ContextPlan
    from runner.plan.tools import ToolRecipe
    from runner.report.events import Emit
    from runner.step import Span


class LiveAgents:
    """Answers calls with real agents. Owns the run's blueprints, clients and tools: `open` before the first call,
    `close` when the last has ended."""

    def __init__(
        self,
        home: Home,
        tools: Mapping[str, ToolRecipe],
        bench: Bench,
        ledger: Ledger,
        emit: Emit,
        span: Span,
        context: ContextPlan = NO_POLICY,
    ) -> None:
        self._home, self._ledger, self._span, self._now = home, ledger, span, bench.now
        self._context, self._emit = context, emit
        self._box = ToolBox(tools, bench, emit)
        self._skills = {name: skills.told(one) for name, one in tools.items() if isinstance(one, SkillBook)}
        self.cache = AgentCache(self._build, emit)
        self.pool = ClientPool(self._open)

    async def open(self) -> None:
        """Start what tools need. Raises UsageError for what cannot be started."""
        await self._box.open()

    async def close(self) -> None:
        """Close tools and clients, and the connections under them. Raises what their closing raised."""
        try:
            # At once: a server that takes its time leaves the clients theirs.
            await all_closed(self._box.close(), self.pool.close())
        finally:
            await self._home.http.close()

    async def invoke(self, call: Call) -> Reply:
        """One question to one blank agent. Raises ModelProblem for every answer that does not count."""
        recipe = call.step.agent
        first = call.tally.attempts <= 1 and call.tally.turns == 0
        call.tally.model = recipe.model.name
        blueprint = self.cache.get(recipe, count=first)
        key = ClientKey(recipe.model.provider, blueprint.provider.address(recipe.model))
        try:
            async with self.pool.lease(key, count=first) as client:
                return await self._ask(call, blueprint, client)
        except RunnerError:
            raise
        except Exception as error:
            raise _problem(error, blueprint, self._now()) from error

    async def _ask(self, call: Call, blueprint: Blueprint, client: Client) -> Reply:
        conversation = Conversation(_messages(call.session))
        agent, cut_off = self._stamp(call, blueprint, client, conversation), client.begin()
        with self._span("agent.invoke", agent=blueprint.recipe.id, model=blueprint.recipe.model.model_id):
            try:
                result = await agent.invoke_async(call.user)
            except asyncio.CancelledError:
                # A thread of the SDK's stops at its next chunk, or when its connection ends under it.
                agent.cancel()
                cut_off()
                raise
        text = "".join(block.get("text", "") for block in result.message["content"]).strip()
        if not text:
            raise ModelProblem("the model gave an empty answer")
        # A character that was streamed in two halves is made whole; half of one cannot be written anywhere.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return Reply(text)

    def _stamp(self, call: Call, blueprint: Blueprint, client: Client, conversation: Conversation) -> Agent:
        return Agent(
            name=blueprint.recipe.id,
            model=self._model(call, blueprint, client, conversation),
            system_prompt=self._system_prompt(call, blueprint),
            messages=conversation.messages,
            tools=list(blueprint.tools),
            callback_handler=None,
            conversation_manager=NullConversationManager(),
            retry_strategy=None,
        )

    def _model(self, call: Call, blueprint: Blueprint, client: Client, conversation: Conversation) -> Model:
        """The model of one call, in the wrappers that this run asks for."""

        def metered(recipe: AgentRecipe) -> Model:
            model = MeteredModel(
                blueprint.provider.model(recipe, client),
                self._ledger,
                call.tally,
                cached_apart=blueprint.provider.cached_apart,
            )
            return RedactingModel(model) if self._context.redact_pii else model

        def explain(error: Exception) -> str:
            return _problem(error, blueprint, self._now()).message

        recipe, plan = blueprint.recipe, self._context.compaction
        if plan is None:
            return metered(recipe)
        summariser = replace(recipe.model, model_id=plan.model_id or recipe.model.model_id)
        writer = metered(replace(recipe, model=summariser, tools=(), output_schema=None))
        return CompactingModel(metered(recipe), writer, plan, conversation, self._emit, call.path, explain)

    def _system_prompt(self, call: Call, blueprint: Blueprint) -> str | None:
        recipe = blueprint.recipe
        parts = [call.system, *(self._skills[name] for name in recipe.tools if name in self._skills)]
        if recipe.output_schema is not None and not blueprint.provider.native_schema(recipe):
            told = "Answer with one JSON value that satisfies this JSON Schema, and with nothing else:"
            parts.append(f"{told}\n{json.dumps(recipe.output_schema)}")
        return "\n\n".join(part for part in parts if part) or None

    def _build(self, recipe: AgentRecipe) -> Blueprint:
        with self._span("agent.build", agent=recipe.id, config_hash=recipe.config_hash):
            return Blueprint(recipe, providers.provider(recipe.model.provider), tuple(self._box.tools(recipe.tools)))

    async def _open(self, key: ClientKey) -> Client:
        return await providers.provider(key.provider).open(key.address, self._home)


def _messages(session: Session | None) -> Any:
    """What went before, in the SDK's form. Of a session's steps only questions and answers are kept: what tools said
    belongs to the agent that has them."""
    return [
        {"role": role, "content": [{"text": text}]}
        for exchange in (session.exchanges if session else ())
        for role, text in zip(("user", "assistant"), exchange, strict=True)
    ]


def _problem(error: Exception, blueprint: Blueprint, now: datetime) -> RunnerError:
    """Any exception out of the SDK as one sentence."""
    for link in chain_of(error):
        if isinstance(link, RunnerError):  # raised by the wrapper inside a later turn, and wrapped by the SDK
            return link
        if isinstance(link, ContextWindowOverflowException):
            return ModelProblem(f"the prompt does not fit into the model's context window: {one_line(str(link))}")
    found = explain(error, blueprint.provider.fault, now)
    return found or ModelProblem(f"{type(error).__name__}: {one_line(str(error))}")
