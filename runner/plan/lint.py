"""Advice about a plan that would run, but not as well as its writer hopes. Rules yield findings; callers decide."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from runner.errors import Finding
from runner.plan import telemetry
from runner.plan.flows import (
    ChainFlow,
    EvaluatorOptimizerFlow,
    GraphFlow,
    OrchestratorWorkersFlow,
    ParallelFlow,
    Upstream,
    WorkflowFlow,
)
from runner.plan.order import reached
from runner.plan.plan import Gate
from runner.plan.templates import references, references_of_condition
from runner.prices import dollars, price
from runner.report.results import Usage
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from runner.plan.flows import Branch, Flow
    from runner.plan.plan import Plan, Step
    from runner.plan.problems import Place
    from runner.spec import models as spec
    from runner.spec.load import Document

EARLIER: Final = frozenset({"steps", "last_response"})
"""Names by which a step of a chain sees those before it."""

MANY_ITERATIONS: Final = 5
HIGH: Final = 0.95

KEYS: Final = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|AKIA[0-9A-Z]{16}|xox[abps]-[\w-]{20,}"
    r"|AIza[\w-]{35}|glpat-[\w-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)
"""What keys of well-known services look like; https://docs.github.com/en/code-security/secret-scanning."""


def warnings(plan: Plan, source: spec.Spec, document: Document, used: Collection[str]) -> Iterator[Finding]:
    """Every piece of advice for one planned file; `used` are the names that its templates ask for."""
    yield from _unused_agents(plan, source, document)
    yield from _unused_tools(plan, source, document)
    yield from _unused_inputs(source, document, used)
    yield from _unused_policy(plan, source, document)
    yield from _twins(plan, document)
    yield from _independent_steps(plan)
    yield from _unreachable_nodes(plan, document)
    yield from _hardly_reachable_score(plan, document)
    yield from _review_of_one_draft(plan, document)
    yield from _shared_sessions(plan)
    if "max_parallel" in source.runtime.model_fields_set:
        yield from _too_parallel(plan, document)
    yield from _no_prompt_cache(plan, document)
    yield from _budget_below_its_calls(plan, document)
    yield from _money_below_one_call(plan, document)
    yield from _no_time_for_fallbacks(plan)
    yield from _keys_in_the_file(document)
    yield from (_advice(message, document, path) for message, path in telemetry.advice(source))


# -- what nothing uses ------------------------------------------------------------------------------------------------


def _unused_agents(plan: Plan, source: spec.Spec, document: Document) -> Iterator[Finding]:
    used = {step.agent.id for step in plan.steps()}
    for name in source.agents:
        if name not in used:
            yield _advice(f"agent '{name}' is used by no step", document, ("agents", name), key=True)


def _unused_tools(plan: Plan, source: spec.Spec, document: Document) -> Iterator[Finding]:
    if source.tools is None:
        return
    declared = {"http_executors": [one.id for one in source.tools.http_executors]}
    declared["mcp"] = [one.id for one in source.tools.mcp]
    for kind, names in declared.items():
        for index, name in enumerate(names):
            if name not in plan.tools:
                yield _advice(f"tool '{name}' is given to no agent", document, ("tools", kind, index, "id"))


def _unused_inputs(source: spec.Spec, document: Document, used: Collection[str]) -> Iterator[Finding]:
    if "inputs" in used:  # all of them at once
        return
    for kind in ("required", "optional", "values"):
        for name in getattr(source.inputs, kind):
            if name not in used:
                told = f"input '{name}' is used by no template"
                yield _advice(told, document, ("inputs", kind, name), key=True)


def _unused_policy(plan: Plan, source: spec.Spec, document: Document) -> Iterator[Finding]:
    if source.context_policy and source.context_policy.pull_request and "pr" not in plan.facts:
        told = "context_policy.pull_request is about `pr`, which no template names, or which is given as a variable"
        yield _advice(told, document, ("context_policy", "pull_request"), key=True)


# -- what could be faster or surer ------------------------------------------------------------------------------------


def _twins(plan: Plan, document: Document) -> Iterator[Finding]:
    first: dict[str, str] = {}
    told: set[tuple[str, str]] = set()
    for step in plan.steps():
        agent = step.agent
        pair = first.setdefault(agent.config_hash, agent.id), agent.id
        if pair[0] != pair[1] and pair not in told:
            told.add(pair)
            message = f"agents '{pair[0]}' and '{pair[1]}' are configured alike; under one id the cache can reuse it"
            yield _advice(message, document, ("agents", agent.id), key=True)


def _independent_steps(plan: Plan) -> Iterator[Finding]:
    """Steps of a chain that look at nothing before them, where that is not the order of a conversation or of notes,
    nor what a human lets pass."""
    if not isinstance(plan.flow, ChainFlow) or plan.context.notes is not None:
        return
    for step in [*takewhile(lambda row: not isinstance(row, Gate), plan.flow.steps)][1:]:
        assert not isinstance(step, Gate)
        found = [
            references(step.agent.prompt),
            references(step.input or ""),
            references_of_condition(step.when) if step.when else references(""),
        ]
        names = frozenset[str]().union(*(one.names | one.guarded for one in found))
        if step.input is not None and step.session is None and not step.agent.tools and not names & EARLIER:
            told = "looks at no answer before it; as a task of a workflow it could run at the same time"
            yield Finding(f"{step.path} {told}", step.at, level="warning")


def _unreachable_nodes(plan: Plan, document: Document) -> Iterator[Finding]:
    if not isinstance(plan.flow, GraphFlow):
        return
    first = next(iter(plan.flow.nodes))
    seen = {first} | reached(plan.flow.leads_to, [first])
    for node in plan.flow.nodes:
        if node not in seen:
            told = f"node '{node}' is never reached: no way leads there from the first node"
            yield _advice(told, document, ("pattern", "config", "nodes", node), key=True)


def _hardly_reachable_score(plan: Plan, document: Document) -> Iterator[Finding]:
    flow = plan.flow
    if not isinstance(flow, EvaluatorOptimizerFlow) or flow.max_iters < MANY_ITERATIONS:
        return
    scale = next((top for top in (1, 10, 100) if flow.min_score <= top), flow.min_score)
    if flow.min_score >= HIGH * scale:
        told = f"min_score {flow.min_score:g} of {scale:g} is rarely reached, and {flow.max_iters} iterations cost much"
        base: Place = ("pattern", "config")
        at = max(document.locate((*base, "min_score")), document.locate((*base, "accept", "min_score")))
        yield Finding(told, at, level="warning")


def _review_of_one_draft(plan: Plan, document: Document) -> Iterator[Finding]:
    flow = plan.flow
    if isinstance(flow, EvaluatorOptimizerFlow) and flow.review is not None and flow.max_iters == 1:
        told = "review_gate is never asked: there is one draft (max_iters), and it is for what comes between two"
        yield _advice(told, document, ("pattern", "config", "review_gate"), key=True)


def _shared_sessions(plan: Plan) -> Iterator[Finding]:
    """Sessions whose steps may run at once: each waits for its turn, and nobody knows in which order."""
    match plan.flow:
        case ParallelFlow(branches):
            crossing = _crossing_branches(branches)
        case WorkflowFlow() if any(step.session for step in plan.steps()):
            crossing = _crossing_tasks(plan.flow)
        case _:
            return
    for step in crossing:
        told = f"session '{step.session}' is shared by steps that may run at once"
        yield Finding(f"{told}; their order may change from run to run", step.at, level="warning")


def _crossing_branches(branches: Sequence[Branch]) -> Iterator[Step]:
    """For each session that several branches share, its first step in the second of them."""
    found: dict[str, list[Step]] = {}
    for branch in branches:
        steps = [step for step in branch.steps if not isinstance(step, Gate)]
        first = {step.session: step for step in reversed(steps) if step.session}
        for session, step in first.items():
            found.setdefault(session, []).append(step)
    yield from (steps[1] for steps in found.values() if len(steps) > 1)


def _crossing_tasks(flow: WorkflowFlow) -> Iterator[Step]:
    """For each session with tasks of which neither waits for the other, one of those."""
    deps = flow.deps
    steps = {task.id: task.step for task in flow.tasks}
    latest: dict[str, str] = {}
    told = set[str]()
    for one in TopologicalSorter(deps).static_order():
        step = steps[one]
        if isinstance(step, Gate) or (session := step.session) is None or session in told:
            continue
        if session in latest and latest[session] not in Upstream(one, deps):
            told.add(session)
            yield step
        latest[session] = one


# -- limits -----------------------------------------------------------------------------------------------------------


def _too_parallel(plan: Plan, document: Document) -> Iterator[Finding]:
    for provider in sorted({step.agent.model.provider for step in plan.steps()}):
        low, high = PROVIDERS[provider].parallel
        if plan.limits.max_parallel > high:
            message = f"max_parallel {plan.limits.max_parallel} is above the guidance for {provider} ({low} to {high})"
            yield _advice(message, document, ("runtime", "max_parallel"))


def _no_prompt_cache(plan: Plan, document: Document) -> Iterator[Finding]:
    models = [step.agent.model for step in plan.steps()]
    for provider in sorted({model.provider for model in models if model.prompt_cache}):
        if not PROVIDERS[provider].caches_prompts:
            message = f"prompt_cache: auto changes nothing for {provider}, which has no prompt cache to ask for"
            yield _advice(message, document, ("runtime", "prompt_cache"))


def _budget_below_its_calls(plan: Plan, document: Document) -> Iterator[Finding]:
    """A budget that one call may use up, or that so many at once do not fit into."""
    largest = max((step.agent.model.max_tokens or 0 for step in plan.steps()), default=0)
    budget, width = plan.limits.max_tokens, min(plan.limits.max_parallel, _at_once(plan.flow))
    if budget is None or largest == 0:
        return
    if largest > budget:
        message = f"the budget of {budget} tokens is smaller than one call's max_tokens ({largest})"
        yield _advice(message, document, ("runtime", "budgets"))
    elif largest * width > budget:
        message = (
            f"{width} calls at once of {largest} max_tokens each are more than the budget of {budget}; some will wait"
        )
        yield _advice(message, document, ("runtime", "budgets"))


def _money_below_one_call(plan: Plan, document: Document) -> Iterator[Finding]:
    """A budget in money that the answer of one call may use up."""
    limit = plan.limits.max_cost_usd
    for model in {step.agent.model.name: step.agent.model for step in plan.steps()}.values():
        most = price(Usage(0, model.max_tokens), model.name) if limit and model.max_tokens else None
        if limit and most is not None and float(most) > limit:
            message = (
                f"max_tokens {model.max_tokens} of {model.name} may cost {dollars(float(most))}, more than the budget"
            )
            yield _advice(f"{message} of {dollars(limit)}", document, ("runtime", "budgets", "max_cost_usd"))


def _no_time_for_fallbacks(plan: Plan) -> Iterator[Finding]:
    """The first step whose time is up before a model that hangs has been given up as often as it is asked."""
    first_s = plan.limits.timeouts.first_token_s
    for step in plan.steps():
        attempts = 1 + step.retries
        if step.fallbacks and step.timeout_s is not None and attempts * first_s >= step.timeout_s:
            told = f"{step.path} leaves no time for its fallbacks when a model hangs: its timeout_s"
            told += f" ({step.timeout_s:g} s) is used up by {attempts} attempt{'s' * (attempts > 1)} of first_token_s"
            told += f" ({first_s:g} s)"
            yield Finding(told, step.at, level="warning")
            return


def _at_once(flow: Flow) -> int:
    """How many calls of a pattern there may be at once."""
    match flow:
        case ParallelFlow(branches):
            return len(branches)
        case WorkflowFlow(tasks):
            return sum(not isinstance(task.step, Gate) for task in tasks)
        case OrchestratorWorkersFlow():
            return min(flow.max_workers or flow.max_tasks, flow.max_tasks)
    return 1


# -- what should not be there -----------------------------------------------------------------------------------------


def _keys_in_the_file(document: Document) -> Iterator[Finding]:
    """Texts that look like a key: what stands in a prompt is sent away, and the file lies in a repository."""
    pending: list[tuple[object, Place]] = [(document.data, ())]
    while pending:
        value, place = pending.pop()
        if isinstance(value, dict):
            pending += [(inner, (*place, name)) for name, inner in value.items()]
        elif isinstance(value, list):
            pending += [(inner, (*place, index)) for index, inner in enumerate(value)]
        elif isinstance(value, str) and KEYS.search(value):
            yield _advice(
                "this looks like a secret; keep it out of the file and name it under env.secrets", document, place
            )


def _advice(message: str, document: Document, path: Place, *, key: bool = False) -> Finding:
    return Finding(message, document.locate(path, key=key), level="warning")
