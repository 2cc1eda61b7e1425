"""Spec to Plan: who is asked what, signed; and everything that would go wrong, found before a token is spent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Finding, SpecError, UsageError
from runner.plan import digest, lint, offered
from runner.plan.build import Builder
from runner.plan.context import context_plan, diff_recipe
from runner.plan.money import unpriced
from runner.plan.plan import Limits, Plan, RetryPolicy, Timeouts
from runner.plan.posting import post_recipe
from runner.plan.problems import Problems
from runner.plan.recipes import Recipes, bad_host
from runner.plan.scope import reserved
from runner.plan.scopes import Scopes
from runner.plan.secrets import secrets_of
from runner.plan.telemetry import telemetry_of
from runner.plan.variables import resolve
from runner.records import dataclass
from runner.spec import models as spec
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from runner.spec.load import Document


@dataclass(frozen=True)
class Overrides:
    """What the inputs of the action set over the file; None leaves the file's own."""

    provider: str | None = None
    model_id: str | None = None
    host: str | None = None
    region: str | None = None
    max_parallel: int | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    timeout_s: float | None = None


_NOTHING: Final = Overrides()


def make_plan(
    source: spec.Spec,
    document: Document,
    *,
    overrides: Overrides = _NOTHING,
    variables: Mapping[str, Any] | None = None,
    root: Path | None = None,
    workspace: Path | None = None,
    need_values: bool = True,
    read_only: bool = False,
) -> Plan:
    """Plan a checked file. `root` is the directory that paths inside the file start from, `workspace` the one that
    none of them leaves; without a root no other file is read, and warnings name those that were not. With
    `need_values` every required variable must have its value by now. A `read_only` plan has no secrets, no notes, and
    only tools that change nothing and reach nobody; the hashes are those of what is left.

    Raises SpecError with every finding, UsageError when the variables given do not fit.
    """
    source = source.model_copy(update={"runtime": _runtime(source.runtime, overrides)})
    problems = Problems(document, [*offered.refusals(source, document)])
    recipes = Recipes(source, source.runtime, root, workspace, problems, read_only)
    context = context_plan(source, problems.find)
    context = replace(context, notes=None) if read_only else context
    builder = Builder(source.runtime, recipes, problems, context=context)
    flow = builder.flow(source.pattern)
    scopes = Scopes(flow, source, document, builder.places, recipes.written)
    used, taken = scopes.used_names(), reserved(flow.type)
    values, wrong = resolve(source.inputs, variables or {}, used, taken, document, need_values=need_values)
    secrets = secrets_of(source, document, problems.find)
    telemetry = telemetry_of(source, problems.find)
    post = post_recipe(source, problems.find)
    unfit, facts = scopes.checked(values, need_values=need_values)
    _refuse([*problems.findings, *wrong, *unfit])
    plan = Plan(
        name=source.name,
        file=document.file,
        flow=flow,
        limits=_limits(source.runtime, overrides),
        variables=values,
        step_outputs=source.outputs.step_outputs,
        artifacts=tuple((artifact.path, artifact.from_) for artifact in source.outputs.artifacts),
        config_hash=digest.plan_hash(flow),
        tools=recipes.tools,
        deny_network=recipes.tooling.denied,
        context=context,
        secrets=() if read_only else secrets,
        withheld=tuple(sorted(recipes.withheld)),
        telemetry=telemetry,
        post=post,
        facts=facts.parts,
        facts_needed=facts.needed,
        diff=diff_recipe(source),
    )
    _refuse(Finding(told, document.locate(("runtime", "budgets", "max_cost_usd"))) for told in unpriced(plan))
    return replace(plan, warnings=(*problems.unread, *lint.warnings(plan, source, document, used)))


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
    for problem in _bad_address(over.provider or runtime.provider, over):
        raise UsageError(problem)
    given = {"model_id": over.model_id, "host": over.host, "region": over.region}
    return runtime.model_copy(update=changes | {key: value for key, value in given.items() if value is not None})


def _bad_address(provider: str, over: Overrides) -> Iterator[str]:
    """Why the inputs cannot say where a provider is."""
    facts = PROVIDERS[provider]
    if over.host is not None and (problem := bad_host(over.host)):
        yield f"input 'host': {problem.removeprefix('host ')}"
    if over.host is not None and not facts.takes_host:
        yield f"input 'host': provider '{provider}' takes no host"
    if over.region is not None and not facts.takes_region:
        yield f"input 'region': provider '{provider}' takes no region"


def _limits(runtime: spec.Runtime, over: Overrides) -> Limits:
    budgets = runtime.budgets or spec.Budgets()
    policy, waits = runtime.failure_policy, runtime.timeouts
    return Limits(
        max_parallel=over.max_parallel or runtime.max_parallel,
        max_tokens=over.max_tokens or budgets.max_tokens,
        max_cost_usd=over.max_cost_usd or budgets.max_cost_usd,
        max_steps=budgets.max_steps,
        timeout_s=over.timeout_s or budgets.max_duration_s,
        warn_threshold=budgets.warn_threshold,
        retry=RetryPolicy(policy.backoff, policy.wait_min, policy.wait_max),
        timeouts=Timeouts(waits.connect_s, waits.first_token_s, waits.between_tokens_s),
    )
