"""The real thing at the bottom of a call: a blank Agent of the SDK, on a pooled client, asked one question."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from strands.types.exceptions import ContextWindowOverflowException

from runner.agents import providers, spans
from runner.agents.cache import AgentCache, Blueprint
from runner.agents.closing import all_closed
from runner.agents.compacting import CompactingModel, Conversation
from runner.agents.metered import MeteredModel, capped
from runner.agents.paced import PacedModel
from runner.agents.played import PlayedModel, PlayedSummaries, played_tools
from runner.agents.pool import ClientKey, ClientPool
from runner.agents.providers.faults import chain_of, explain, one_line, unreadable
from runner.agents.recorded import RecordedModel
from runner.agents.redacting import RedactingModel
from runner.agents.tools import skills
from runner.agents.tools.box import ToolBox
from runner.calls.call import Call, Reply, Session
from runner.errors import ModelProblem, RunnerError
from runner.plan.plan import NO_POLICY
from runner.plan.tools import SkillBook
from runner.tape.cleaning import whole_characters
from runner.tape.recording import Turn
from runner.tape.reel import Player

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from strands.models.model import Model

    from runner.agents.pool import Client
    from runner.agents.providers import Home
    from runner.agents.providers.faults import Fault
    from runner.agents.tools.bench import Bench
    from runner.calls.budget import Ledger
    from runner.plan.plan import AgentRecipe, CompactionPlan, ContextPlan
    from runner.plan.tools import ToolRecipe
    from runner.report.events import Emit
    from runner.step import Span
    from runner.tape.recording import Purpose
    from runner.tape.reel import Recorder


@dataclass(frozen=True)
class Parts:
    """What one agent is stamped out of."""

    model: Model
    system_prompt: str | None
    conversation: Conversation
    tools: tuple[Any, ...]


class LiveAgents:
    """Answers calls with real agents. Owns the run's blueprints, clients and tools: `open` before the first call,
    `close` when the last has ended. Without `real_tools` every call is one that is played, and nothing is started."""

    def __init__(
        self,
        home: Home,
        tools: Mapping[str, ToolRecipe],
        bench: Bench,
        ledger: Ledger,
        emit: Emit,
        span: Span,
        context: ContextPlan = NO_POLICY,
        *,
        real_tools: bool = True,
    ) -> None:
        self._home, self._ledger, self._span, self._now = home, ledger, span, bench.now
        self._scrub = bench.scrub
        self._context, self._emit = context, emit
        spans.only_below_ours()
        self._box, self._real_tools = ToolBox(tools, bench, emit), real_tools
        self._skills = {name: skills.told(one) for name, one in tools.items() if isinstance(one, SkillBook)}
        self.cache = AgentCache(self._build, emit)
        self.pool = ClientPool(self._open)

    async def open(self) -> None:
        """Start what tools need. Raises UsageError for what cannot be started."""
        if self._real_tools:
            await self._box.open()

    async def close(self) -> None:
        """Close tools and clients, and the connections under them. Raises what their closing raised."""
        try:
            # At once: a server that takes its time leaves the clients theirs.
            await all_closed(self._box.close(), self.pool.close())
        finally:
            await self._home.close()

    async def invoke(self, call: Call) -> Reply:
        """One question to one blank agent. Raises ModelProblem for every answer that does not count."""
        recipe = call.step.agent
        first = not call.tally.model  # nobody was asked yet, though lanes may have turned attempts away
        call.tally.model = recipe.model.name
        blueprint = self.cache.get(recipe, count=first)
        try:
            if isinstance(call.reel, Player):
                return await self._ask(call, blueprint, self._played(call, blueprint, call.reel))
            key = ClientKey(recipe.model.provider, blueprint.provider.address(recipe.model))
            async with self.pool.lease(key, count=first) as client:
                return await self._ask(call, blueprint, self._live(call, blueprint, client, call.reel))
        except RunnerError:
            raise
        except Exception as error:
            if isinstance(call.reel, Player):  # no provider has to do with it, and none may be there
                told = f"cannot be played: {type(error).__name__}: {one_line(self._scrub(str(error)))}"
                raise ours(error) or call.reel.broken(told) from error
            raise self._explain(blueprint, error) from error

    async def _ask(self, call: Call, blueprint: Blueprint, parts: Parts) -> Reply:
        recipe, blanks, conversation = call.step.agent, blueprint.blanks(parts.tools), parts.conversation
        agent = blanks.take(parts.model, parts.system_prompt, conversation.messages)
        with self._span("agent.invoke", agent=recipe.id, model=recipe.model.model_id):
            try:
                # Where an attempt failed before, the question has been asked.
                result = await agent.invoke_async(None if conversation.is_open else call.user)
            except asyncio.CancelledError:
                agent.cancel()  # a thread of the SDK's would read on to the end
                raise
        blanks.give_back(agent)
        text = "".join(block.get("text", "") for block in result.message["content"]).strip()
        if not text:
            raise ModelProblem("the model gave an empty answer")
        return Reply(whole_characters(text))

    # -- what an agent is put together of ------------------------------------------------------------------------------

    def _live(self, call: Call, blueprint: Blueprint, client: Client, recorder: Recorder) -> Parts:
        """A provider's model, recorded; real tools."""
        recipe, provider = blueprint.recipe, blueprint.provider
        conversation = _conversation(call)

        def recorded(asked: AgentRecipe, purpose: Purpose) -> Model:
            return RecordedModel(
                PacedModel(provider.model(asked, client), self._home.timeouts, client.begin),
                recorder,
                Turn(asked.model.name, purpose),
                partial(self._explain, blueprint),
                cached_apart=provider.cached_apart,
            )

        def model(asked: AgentRecipe, purpose: Purpose) -> Model:
            def with_fewer(max_tokens: int) -> Model:
                return recorded(replace(asked, model=capped(asked.model, max_tokens)), purpose)

            return self._redacted(
                MeteredModel(
                    recorded(asked, purpose),
                    asked.model,
                    self._ledger,
                    call.tally,
                    capped=with_fewer,
                    cached_apart=provider.cached_apart,
                )
            )

        answering = model(recipe, "answer")
        if (plan := self._context.compaction) is not None:

            def explain(error: Exception) -> str:
                return self._explain(blueprint, error).message

            writer = model(self._summariser(recipe, plan), "summary")
            answering = CompactingModel(answering, writer, plan, conversation, self._emit, call.path, explain)
        system = self._system_prompt(call, recipe, native=provider.native_schema(recipe))
        return Parts(answering, system, conversation, blueprint.tools)

    def _played(self, call: Call, blueprint: Blueprint, player: Player) -> Parts:
        """A recording in the model's place, and in that of the tools."""
        recipe = blueprint.recipe.model
        played = self._redacted(
            MeteredModel(PlayedModel(recipe, player), recipe, self._ledger, call.tally, played=player)
        )
        tools = blueprint.tools if player.tools_live else tuple(played_tools(player))
        system = self._system_prompt(call, blueprint.recipe, native=True)
        conversation = _conversation(call)
        return Parts(PlayedSummaries(played, played, player), system, conversation, tools)

    def _redacted(self, model: Model) -> Model:
        return RedactingModel(model) if self._context.redact_pii else model

    def _summariser(self, recipe: AgentRecipe, plan: CompactionPlan) -> AgentRecipe:
        model = replace(recipe.model, model_id=plan.model_id or recipe.model.model_id)
        return replace(recipe, model=model, tools=(), output_schema=None)

    def _system_prompt(self, call: Call, recipe: AgentRecipe, *, native: bool) -> str | None:
        """With what is told in words: skills, and the schema that a provider does not hold its model to itself."""
        parts = [call.system, *(self._skills[name] for name in recipe.tools if name in self._skills)]
        if recipe.output_schema is not None and not native:
            told = "Answer with one JSON value that satisfies this JSON Schema, and with nothing else:"
            parts.append(f"{told}\n{json.dumps(recipe.output_schema)}")
        return "\n\n".join(part for part in parts if part) or None

    def _build(self, recipe: AgentRecipe) -> Blueprint:
        with self._span("agent.build", agent=recipe.id, config_hash=recipe.config_hash):
            return Blueprint(recipe, tuple(self._box.tools(recipe.tools)) if self._real_tools else ())

    def _explain(self, blueprint: Blueprint, error: Exception, *, begun: bool = False) -> RunnerError:
        return _problem(error, blueprint, self._now(), self._scrub, begun=begun)

    async def _open(self, key: ClientKey) -> Client:
        return await providers.provider(key.provider).open(key.address, self._home)


def _conversation(call: Call) -> Conversation:
    """What goes before the question; or what an attempt that failed had come to, where the same model is asked the same
    again. Another model would not make sense of it: what one thought is not for the others."""
    unfinished, asked = call.unfinished, (call.step.agent.model.name, call.user)
    if unfinished.of != asked or not unfinished.conversation.is_open:
        unfinished.of, unfinished.conversation = asked, Conversation(_messages(call.session))
    found: Conversation = unfinished.conversation
    return found


def _messages(session: Session | None) -> Any:
    """What went before, in the SDK's form. Of a session's steps only questions and answers are kept: what tools said
    belongs to the agent that has them."""
    return [
        {"role": role, "content": [{"text": text}]}
        for one in (session.exchanges if session else ())
        for role, text in (("user", one.question), ("assistant", one.answer))
    ]


def ours(error: Exception) -> RunnerError | None:
    """What a wrapper of ours raised inside a later turn, and the SDK wrapped."""
    return next((link for link in chain_of(error) if isinstance(link, RunnerError)), None)


def _problem(
    error: Exception, blueprint: Blueprint, now: datetime, scrub: Callable[[str], str], *, begun: bool
) -> RunnerError:
    """Any exception out of the SDK as one sentence, without secrets before it is cut. Once an answer has `begun`, what
    nobody knows is what its reader stumbled over."""

    def read(link: BaseException) -> Fault | None:
        fault = blueprint.provider.fault(link)
        return fault and replace(fault, message=scrub(fault.message))

    if (known := ours(error)) is not None:
        return known
    for link in chain_of(error):
        if isinstance(link, ContextWindowOverflowException):
            return ModelProblem(
                f"the prompt does not fit into the model's context window: {one_line(scrub(str(link)))}"
            )
    if (found := explain(error, read, now)) is not None:
        return found
    if begun or isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        asked = blueprint.recipe.model
        return unreadable(error, asked.host or f"provider '{asked.provider}'")
    return ModelProblem(f"{type(error).__name__}: {one_line(scrub(str(error)))}")
