"""Spec to Plan: who is asked what, signed; and everything that would go wrong, found before a token is spent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runner.errors import Finding, SpecError, UsageError
from runner.plan import digest, lint, offered, order, schemas
from runner.plan.catalogue import PROVIDERS
from runner.plan.plan import (
    AgentRecipe,
    Branch,
    ChainFlow,
    Limits,
    ModelRecipe,
    ParallelFlow,
    Plan,
    RetryPolicy,
    Step,
    Task,
    WorkflowFlow,
)
from runner.plan.scope import RESERVED
from runner.plan.scopes import Scopes
from runner.plan.tools import Tooling
from runner.plan.variables import resolve
from runner.spec import models as spec
from runner.spec import patterns
from runner.spec.load import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from runner.plan.plan import Flow
    from runner.plan.tools import ToolRecipe
    from runner.spec.load import Document

    Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Overrides:
    """What the inputs of the action set over the file; None leaves the file's own."""

    provider: str | None = None
    model_id: str | None = None
    host: str | None = None
    region: str | None = None
    max_parallel: int | None = None
    max_tokens: int | None = None
    timeout_s: float | None = None


def make_plan(
    source: spec.Spec,
    document: Document,
    *,
    overrides: Overrides = Overrides(),
    variables: Mapping[str, Any] | None = None,
    root: Path | None = None,
    need_values: bool = True,
) -> Plan:
    """Plan a checked file. `root` is the directory that paths inside the file start from; with `need_values` every
    required variable must have its value by now.

    Raises SpecError with every finding, UsageError when the variables given do not fit.
    """
    source = source.model_copy(update={"runtime": _runtime(source.runtime, overrides)})
    _refuse(offered.refusals(source, document))
    maker = _Maker(source, document, source.runtime, root)
    flow = maker.flow()
    _refuse(maker.findings)
    scopes = Scopes(flow, source, document, maker.places)
    values = resolve(source.inputs, variables or {}, scopes.used_names(), document, need_values=need_values)
    _refuse(scopes.findings(values, need_values=need_values))
    plan = Plan(
        name=source.name,
        file=document.file,
        flow=flow,
        limits=_limits(maker.runtime, overrides),
        variables=values,
        step_outputs=source.outputs.step_outputs,
        artifacts=tuple((artifact.path, artifact.from_) for artifact in source.outputs.artifacts),
        config_hash="",
        tools=maker.tools,
    )
    plan = replace(plan, config_hash=digest.plan_hash(flow, plan.needs()))
    return replace(plan, warnings=tuple(lint.warnings(plan, source, document)))


def _refuse(findings: Iterable[Finding]) -> None:
    """Raise what was found, each once and in the order of the file."""
    if unique := sorted(dict.fromkeys(findings), key=lambda finding: finding.at):
        raise SpecError(unique)


def _runtime(runtime: spec.Runtime, over: Overrides) -> spec.Runtime:
    """The file's runtime under the inputs' overrides. Another provider leaves the file's model and address behind."""
    changes: dict[str, Any] = {}
    if over.provider is not None and over.provider not in PROVIDERS:
        raise UsageError(f"input 'provider' '{over.provider}' is not one of: {', '.join(PROVIDERS)}")
    if over.provider is not None and over.provider != runtime.provider:
        changes |= {"provider": over.provider, "model_id": None, "host": None, "region": None, "params": {}}
    given = {"model_id": over.model_id, "host": over.host, "region": over.region}
    return runtime.model_copy(update=changes | {key: value for key, value in given.items() if value is not None})


def _limits(runtime: spec.Runtime, over: Overrides) -> Limits:
    budgets = runtime.budgets or spec.Budgets()
    policy = runtime.failure_policy
    return Limits(
        max_parallel=over.max_parallel or runtime.max_parallel,
        max_tokens=over.max_tokens or budgets.max_tokens,
        max_steps=budgets.max_steps,
        timeout_s=over.timeout_s or budgets.max_duration_s,
        warn_threshold=budgets.warn_threshold,
        retry=RetryPolicy(policy.backoff, policy.wait_min, policy.wait_max),
    )


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


@dataclass
class _Maker:
    """Builds the flow of one file and collects what is wrong with it on the way."""

    source: spec.Spec
    document: Document
    runtime: spec.Runtime
    root: Path | None
    findings: list[Finding] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    """Where in the file each planned step stands, by its path."""
    tools: dict[str, ToolRecipe] = field(default_factory=dict)

    @cached_property
    def tooling(self) -> Tooling:
        return Tooling(self.source, self._find)

    def _find(self, message: str, *places: Place) -> None:
        """Note something wrong, at the most exact of the places given."""
        at = max(self.document.locate(place) for place in places)
        self.findings.append(Finding(message, at))

    def _unique(self, ids: Sequence[str | None], base: Place, kind: str) -> None:
        for index, one in enumerate(ids):
            if one is not None and one in ids[:index]:
                self._find(f"{kind} id '{one}' stands here again", (*base, index, "id"))

    def flow(self) -> Flow:
        keep_going = self.runtime.failure_policy.on_failure == "continue"
        base: Place = ("pattern", "config")
        match self.source.pattern:
            case patterns.Chain(config=chain):
                return ChainFlow(self._row(chain.steps, base, ""))
            case patterns.Parallel(config=parallel):
                return self._parallel(parallel, base, keep_going)
            case patterns.Workflow(config=workflow):
                return self._workflow(workflow, base, keep_going)
            case other:
                raise AssertionError(f"{other.type} is refused before it is planned")

    def _parallel(self, config: patterns.ParallelConfig, base: Place, keep_going: bool) -> ParallelFlow:
        self._unique([branch.id for branch in config.branches], (*base, "branches"), "branch")
        branches = tuple(
            Branch(branch.id, self._row(branch.steps, (*base, "branches", index), f"branches.{branch.id}."))
            for index, branch in enumerate(config.branches)
        )
        reduce = None
        if config.reduce is not None:
            reduce = self._step(config.reduce, (*base, "reduce"), "reduce")
        return ParallelFlow(branches, reduce, keep_going)

    def _workflow(self, config: patterns.WorkflowConfig, base: Place, keep_going: bool) -> WorkflowFlow:
        base = (*base, "tasks")
        ids = [task.id for task in config.tasks]
        self._unique(ids, base, "task")
        for index, task in enumerate(config.tasks):
            for number, dep in enumerate(task.deps):
                if dep not in ids:
                    self._find(
                        f"task '{task.id}' needs unknown task '{dep}'; {nearest(dep, ids)}",
                        (*base, index, "deps", number),
                        (*base, index, "depends_on", number),
                    )
        tasks = {
            task.id: Task(task.id, self._step(task, (*base, index), f"tasks.{task.id}"), tuple(task.deps))
            for index, task in enumerate(config.tasks)
        }
        deps = {task.id: tuple(dep for dep in task.deps if dep in tasks) for task in tasks.values()}
        if circle := order.circle(deps):
            self._find(f"tasks wait for each other: {' → '.join(circle)}", (*base, ids.index(circle[0])))
            return WorkflowFlow(())
        return WorkflowFlow(tuple(tasks.values()), keep_going)

    def _row(self, steps: Sequence[patterns.Step | patterns.Gate], base: Place, prefix: str) -> tuple[Step, ...]:
        plain = [step for step in steps if isinstance(step, patterns.Step)]
        self._unique([step.id for step in plain], (*base, "steps"), "step")
        return tuple(
            self._step(step, (*base, "steps", index), f"{prefix}steps[{index}]") for index, step in enumerate(plain)
        )

    def _step(self, step: patterns.Step, place: Place, path: str) -> Step:
        self.places[path] = place
        for name in RESERVED & step.vars.keys():
            self._find(
                f"a variable cannot be named '{name}': that is what templates call answers", (*place, "vars", name)
            )
        policy = self.runtime.failure_policy
        question = step.input
        if question is None and isinstance(step, patterns.Task):
            question = step.description
        return digest.sign_step(
            Step(
                path=path,
                agent=self._agent(step, place),
                input=question,
                vars=step.vars,
                id=step.id,
                timeout_s=step.timeout_s or self.runtime.timeout_s,
                retries=policy.retries if step.retries is None else step.retries,
                at=self.document.locate(place),
            )
        )

    def _agent(self, step: patterns.Step, place: Place) -> AgentRecipe:
        agent = self.source.agents.get(step.agent)
        if agent is None:
            self._find(
                f"unknown agent '{step.agent}'; {nearest(step.agent, list(self.source.agents))}", (*place, "agent")
            )
            return AgentRecipe(step.agent, "", ModelRecipe("", ""))
        home: Place = ("agents", step.agent)
        schema, schema_place = agent.output_schema, (*home, "output_schema")
        if step.output_schema is not None:
            schema, schema_place = step.output_schema, (*place, "output_schema")
        recipe = AgentRecipe(
            id=step.agent,
            prompt=agent.prompt or "",
            model=self._model(agent, home),
            tools=self._tools(step, agent, place, home),
            output_schema=self._schema(schema, schema_place),
        )
        return digest.sign_agent(recipe, lambda name: digest.text_digest(self.tools[name].canonical()))

    def _model(self, agent: spec.Agent, home: Place) -> ModelRecipe:
        runtime = self.runtime
        provider = agent.provider or runtime.provider
        here = provider == runtime.provider  # an address and a model belong to the provider they were written for
        model_id = agent.model_id or (runtime.model_id if here else None) or PROVIDERS[provider].default_model
        if model_id is None:
            place = (*home, "provider") if agent.provider else ("runtime", "provider")
            self._find(f"provider '{provider}' needs a model_id", place)
        if here and runtime.host is not None and (problem := bad_host(runtime.host)):
            self._find(problem, ("runtime", "host"))
        own = agent.inference or spec.Inference()
        facts = PROVIDERS[provider]
        for name in facts.own_params & (runtime.params if here else {}).keys():
            self._find(f"params cannot have '{name}', which is the step's own", ("runtime", "params", name))
        host, region = (runtime.host, runtime.region) if here else (None, None)
        if host is not None and not facts.takes_host:
            self._find(f"provider '{provider}' takes no host", ("runtime", "host"))
        if region is not None and not facts.takes_region:
            self._find(f"provider '{provider}' takes no region", ("runtime", "region"))
        return ModelRecipe(
            provider=provider,
            model_id=model_id or "",
            host=host,
            region=region,
            temperature=runtime.temperature if own.temperature is None else own.temperature,
            top_p=runtime.top_p if own.top_p is None else own.top_p,
            max_tokens=own.max_tokens or runtime.max_tokens,
            params=runtime.params if here else {},
        )

    def _tools(self, step: patterns.Step, agent: spec.Agent, place: Place, home: Place) -> tuple[str, ...]:
        names, where = agent.tools, (*home, "tools")
        if step.tool_overrides is not None:
            names, where = step.tool_overrides, (*place, "tool_overrides")
        found = self.tooling.of(names, lambda index: (where, (*where, index)))
        provider = agent.provider or self.runtime.provider
        if found and not PROVIDERS[provider].takes_tools:
            self._find(f"provider '{provider}' cannot use tools", ("tools",), where)
        self.tools |= found
        return tuple(found)

    def _schema(self, schema: str | dict[str, Any] | None, place: Place) -> Mapping[str, Any] | None:
        try:
            return schemas.load(schema, self.root)
        except SpecError as error:
            self._find(error.message, place)
            return None
