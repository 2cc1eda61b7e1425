"""Agents as they will be asked: model, prompt, tools and schemas put together and signed, for each step anew."""

from __future__ import annotations

import re
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runner.errors import SpecError
from runner.plan import digest, schemas, skills
from runner.plan.agents import Home, written_agents
from runner.plan.fingerprint import text_digest
from runner.plan.plan import AgentRecipe, ModelRecipe
from runner.plan.tools import Tooling, only_reads
from runner.records import dataclass
from runner.spec import models as spec
from runner.spec.nearest import nearest
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.plan.agents import WrittenAgent
    from runner.plan.problems import Place, Problems
    from runner.plan.tools import ToolRecipe
    from runner.spec import patterns


@dataclass(frozen=True)
class Asked:
    """What a pattern needs of an answer: data by this schema, of which `key` decides.

    `reasks` is how often it is asked for again, where the pattern has a say in that; `otherwise` the data in the place
    of an answer that never came.
    """

    schema: Mapping[str, Any]
    key: str
    reasks: int | None = None
    otherwise: Any = None


@dataclass
class Recipes:
    """The recipes of one file's agents, and every tool that one of them has."""

    source: spec.Spec
    runtime: spec.Runtime
    root: Path | None
    workspace: Path | None
    problems: Problems
    read_only: bool = False
    tools: dict[str, ToolRecipe] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    """What a read-only run does not give to agents that ask for it."""
    plain: dict[str, tuple[AgentRecipe, ...]] = field(default_factory=dict)
    """By agent what `of` gives for steps that say nothing of it but its name: they share it."""

    @cached_property
    def written(self) -> Mapping[str, WrittenAgent]:
        return written_agents(self.source, self.root, self.workspace, self.problems)

    @cached_property
    def tooling(self) -> Tooling:
        find = self.problems.find
        for index, skill in enumerate(self.source.skills if self.root is None else ()):
            self.problems.needs_file(f"skill '{skill.path}'", ("skills", index, "path"))
        return Tooling(self.source, find, list(skills.load(self.source.skills, self.root, self.workspace, find)))

    def of(self, step: patterns.Step, place: Place, asked: Asked | None) -> tuple[AgentRecipe, ...]:
        """The agent of a step on its own model, and on each model to fall back to."""
        written = self.written.get(step.agent)
        if written is None:
            known = nearest(step.agent, list(self.source.agents))
            self.problems.find(f"unknown agent '{step.agent}'; {known}", place, (*place, "agent"))
            return (AgentRecipe(step.agent, "", ModelRecipe("", "")),)
        if asked is not None or step.tool_overrides is not None or step.output_schema is not None:
            return self._made(step, written, place, asked)
        if step.agent not in self.plain:
            self.plain[step.agent] = self._made(step, written, place, None)
        return self.plain[step.agent]

    def _made(
        self, step: patterns.Step, written: WrittenAgent, place: Place, asked: Asked | None
    ) -> tuple[AgentRecipe, ...]:
        models = self._models(written)
        recipe = AgentRecipe(
            id=step.agent,
            prompt=written.agent.prompt or "",
            model=models[0],
            tools=self._tools(step, written, models, place),
            output_schema=self._output_schema(step, written, place, asked),
            input_schema=self._schema("input_schema", written.agent.input_schema, written.home("input_schema")),
        )
        return tuple(
            digest.sign_agent(replace(recipe, model=model), lambda name: text_digest(self.tools[name].canonical()))
            for model in models
        )

    # -- models -------------------------------------------------------------------------------------------------------

    def _models(self, written: WrittenAgent) -> list[ModelRecipe]:
        """The agent's own model, and those to fall back to."""
        agent, runtime = written.agent, self.runtime
        own: spec.Endpoint = runtime.model_copy(update={"model_id": agent.model_id or runtime.model_id})
        home = Home(self.problems.document, ("runtime",), self.root)
        if agent.provider is not None and agent.provider != runtime.provider:
            # An address, a model and parameters belong to the provider they were written for.
            shared = {name: getattr(runtime, name) for name in spec.Inference.model_fields}
            own = spec.Endpoint(provider=agent.provider, model_id=agent.model_id, **shared)
            home = written.home("provider")
        inference = agent.inference or spec.Inference()
        models = [self._model(own, inference, home)]
        for index, endpoint in enumerate(runtime.fallbacks):
            place = Home(self.problems.document, ("runtime", "fallbacks", index), self.root)
            models.append(self._model(endpoint, inference, place))
        return models

    def _model(self, endpoint: spec.Endpoint, own: spec.Inference, home: Home) -> ModelRecipe:
        facts = PROVIDERS[endpoint.provider]

        def find(message: str, *keys: str) -> None:
            self.problems.find(message, (*home.place, *keys), document=home.document)

        model_id = endpoint.model_id or facts.default_model
        if model_id is None:
            find(f"provider '{endpoint.provider}' needs a model_id", "provider")
        if endpoint.host is not None and (problem := bad_host(endpoint.host)):
            find(problem, "host")
        for name in facts.own_params & endpoint.params.keys():
            find(f"params cannot have '{name}', which is the step's own", "params", name)
        if endpoint.host is None and facts.needs_host:
            find(f"provider '{endpoint.provider}' needs a host in runtime, the endpoint of its resource", "provider")
        if endpoint.host is not None and not facts.takes_host:
            find(f"provider '{endpoint.provider}' takes no host", "host")
        if endpoint.region is not None and not facts.takes_region:
            find(f"provider '{endpoint.provider}' takes no region", "region")
        return ModelRecipe(
            provider=endpoint.provider,
            model_id=model_id or "",
            host=endpoint.host,
            region=endpoint.region,
            temperature=endpoint.temperature if own.temperature is None else own.temperature,
            top_p=endpoint.top_p if own.top_p is None else own.top_p,
            max_tokens=own.max_tokens or endpoint.max_tokens,
            params=endpoint.params,
            prompt_cache=self.runtime.prompt_cache == "auto",
        )

    # -- tools and schemas --------------------------------------------------------------------------------------------

    def _tools(
        self, step: patterns.Step, written: WrittenAgent, models: list[ModelRecipe], place: Place
    ) -> tuple[str, ...]:
        names, home, key = written.agent.tools, written.home("tools"), "tools"
        if step.tool_overrides is not None:
            names, home, key = step.tool_overrides, Home(self.problems.document, place, self.root), "tool_overrides"

        def find(message: str, *index: int) -> None:
            # A worker's tools are written as `tools`, those of any other step as `tool_overrides`.
            places = [(*home.place, name, *index) for name in (key, "tools")]
            self.problems.find(message, *places, document=home.document)

        found = self.tooling.of(names, find)
        for provider in sorted({model.provider for model in models}):
            if found and not PROVIDERS[provider].takes_tools:
                find(f"provider '{provider}' cannot use tools")
        if self.read_only:
            self.withheld |= {name for name, one in found.items() if not only_reads(one)}
        given = {name: one for name, one in found.items() if name not in self.withheld}
        self.tools |= given
        return tuple(given)

    def _output_schema(
        self, step: patterns.Step, written: WrittenAgent, place: Place, asked: Asked | None
    ) -> Mapping[str, Any] | None:
        schema, home = written.agent.output_schema, written.home("output_schema")
        if step.output_schema is not None:
            schema, home = step.output_schema, Home(self.problems.document, place, self.root)
        if schema is None and asked is not None:
            return asked.schema
        found = self._schema("output_schema", schema, home)
        if asked is not None and found is not None and asked.key not in found.get("properties", {}):
            told = f"the pattern needs '{asked.key}' in this agent's answer, and its output_schema has no such property"
            self.problems.find(told, (*home.place, "output_schema"), document=home.document)
        if asked is None or found is None:
            return found
        return {**found, "allOf": [*found.get("allOf", ()), asked.schema]}  # what the pattern needs holds as well

    def _schema(self, key: str, schema: str | dict[str, Any] | None, home: Home) -> Mapping[str, Any] | None:
        if isinstance(schema, str) and home.root is None:
            self.problems.needs_file(f"{key} '{schema}'", (*home.place, key))
            return None
        try:
            return schemas.load(key, schema, home.root, self.workspace)
        except SpecError as error:
            self.problems.find(error.message, (*home.place, key), document=home.document)
            return None


def bad_host(host: str) -> str | None:
    """Why a text cannot be the base URL of a provider; None when it can."""
    if "://" not in host:
        return f"host '{host}' needs a scheme, such as http://{host}"
    try:
        parts = urlsplit(host)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", host):
            return None
    except ValueError:
        pass
    return f"host {host!r} is not a base URL, such as https://models.example.com/v1"
