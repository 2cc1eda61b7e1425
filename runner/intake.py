"""Inputs to a plan: which files are meant, what they say, what the inputs put over it."""

from __future__ import annotations

import os
from dataclasses import replace
from glob import glob
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from runner.errors import RunnerError, SpecError, UsageError
from runner.inputs import DEFAULT_TIMEOUT_S, TESTS
from runner.plan.make import Overrides, make_plan
from runner.spec.load import Document, read, read_through, to_spec
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan


ENDINGS: Final = (".yaml", ".yml")
PASSED_OVER: Final = frozenset({"node_modules", "fixtures"})
"""Directories whose files are nobody's workflows; hidden ones are passed over too, but for .github."""


def plan_of(inputs: ActionInputs, workspace: Path, *, need_values: bool, read_only: bool = False) -> Plan:
    """The plan of the one file (or the prompt) that the inputs name, or the shard of it; raises the errors of the
    tree. `workspace` is where files are read; a `read_only` plan changes nothing and reaches nobody."""
    if inputs.prompt is not None:
        plan = _bounded(_one_step(inputs))
    else:
        files = files_of(inputs, workspace)
        if len(files) != 1:
            raise UsageError(f"a run has one workflow file; 'spec' names {len(files)}: {', '.join(files) or 'none'}")
        [name] = files
        if name.endswith(TESTS):
            raise UsageError(f"{name} is a file of test cases: mode: test runs them, mode: record records them")
        plan = plan_of_file(name, inputs, workspace, need_values=need_values, read_only=read_only)
    if inputs.shard is None:
        return plan
    from runner.plan.shards import shard_of  # few runs are one of several

    return shard_of(plan, *inputs.shard)


def plan_of_file(
    name: str, inputs: ActionInputs, workspace: Path, *, need_values: bool, read_only: bool = False
) -> Plan:
    """The plan of one file by its name in the workspace."""
    path = workspace / name
    if read_only and not _lies_in(path, workspace):
        raise UsageError(
            f"spec '{name}' leads out of the repository; for an untrusted run it is a path in it, such as "
            ".github/agents/triage.yaml"
        )
    document = read(path, name)
    source, findings = read_through(document)
    if source is None:
        raise SpecError(findings)
    try:
        plan = make_plan(
            source,
            document,
            overrides=_overrides(inputs),
            variables=inputs.variables,
            root=path.parent,
            workspace=workspace,
            need_values=need_values and not findings,
            read_only=read_only,
        )
    except SpecError as error:
        told = {finding.at for finding in findings}  # what is no text, say, need not be no address as well
        findings += [finding for finding in error.findings if finding.at not in told]
    except UsageError:
        if not findings:
            raise
    if findings:
        raise SpecError(sorted(dict.fromkeys(findings), key=lambda finding: finding.at))
    return _bounded(plan)


def _lies_in(path: Path, directory: Path) -> bool:
    """Whether a path leads below a directory, through all links."""
    try:
        return path.resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError, ValueError):  # a null byte, a loop of links
        return False


def files_of(inputs: ActionInputs, workspace: Path) -> list[str]:
    """The files that paths and globs name, each once. Raises UsageError for a glob that names none."""
    return list(dict.fromkeys(file for name in inputs.spec for file in matching(name, workspace) or [name]))


def matching(name: str, workspace: Path) -> list[str]:
    """The files that a glob names; none where it is not one. Raises UsageError for a glob that names none."""
    if not any(sign in name for sign in "*?[") or os.path.isfile(workspace / name):
        return []
    # Hidden ones too: .github is where workflow files are kept.
    every = sorted(glob(name, root_dir=workspace, recursive=True, include_hidden=True))
    matches = [match for match in every if (workspace / match).is_file() and not match.startswith(".git/")]
    if not matches:
        raise UsageError(f"no file matches '{name}'")
    return matches


def files_to_check(inputs: ActionInputs, workspace: Path) -> tuple[list[str], list[str]]:
    """The files to validate, where a directory stands for those below it, and what was found there that is none.

    Raises UsageError for a directory without YAML files.
    """
    files: list[str] = []
    others: list[str] = []
    for name in files_of(inputs, workspace):
        if not os.path.isdir(workspace / name):
            files.append(name)
            continue
        found = [(PurePath(name) / one).as_posix() for one in below(workspace / name, ENDINGS, but=TESTS)]
        if not found:
            raise UsageError(f"there is no workflow file (*.yaml, *.yml) below '{name}'")
        for one in found:
            (files if _may_be_a_workflow(one, workspace) else others).append(one)
    return list(dict.fromkeys(files)), [name for name in dict.fromkeys(others) if name not in files]


def below(directory: Path, endings: tuple[str, ...], but: tuple[str, ...] = ()) -> list[str]:
    """The files with these endings below a directory, by their names from there, where people keep workflows."""
    found: list[str] = []
    for base, directories, names in os.walk(directory):
        directories[:] = [
            one for one in directories if one == ".github" or not (one.startswith(".") or one in PASSED_OVER)
        ]
        paths = (Path(base) / name for name in names if name.endswith(endings) and not name.endswith(but))
        found += [path.relative_to(directory).as_posix() for path in paths if path.is_file()]
    return sorted(found)


def _may_be_a_workflow(name: str, workspace: Path) -> bool:
    """Whether a file that nobody named is to be checked. One that cannot be read is: that is worth telling."""
    try:
        data = read(workspace / name, name).data
    except RunnerError:
        return True
    return isinstance(data, dict) and not data.keys().isdisjoint({"pattern", "runtime"})


def _one_step(inputs: ActionInputs) -> Plan:
    """The workflow behind the input `prompt`. The question is a value, not a template: it may be anybody's words."""
    if inputs.provider is None:
        raise UsageError("input 'prompt' needs the input 'provider' (and model-id) beside it")
    facts = PROVIDERS.get(inputs.provider)
    if inputs.model_id is None and facts is not None and facts.default_model is None:
        raise UsageError(f"input 'prompt' needs the input 'model-id' beside it for provider '{inputs.provider}'")
    data = {
        "version": 1,
        "name": "prompt",
        "runtime": {"provider": "local"},  # the input goes over it, and is checked where it does
        "agents": {"assistant": {"prompt": "{{ prompt }}"}},
        "inputs": {"values": {"prompt": inputs.prompt}},
        "pattern": {"type": "chain", "config": {"steps": [{"agent": "assistant"}]}},
    }
    document = Document("prompt", data)
    return make_plan(to_spec(document), document, overrides=_overrides(inputs), variables=inputs.variables)


def _overrides(inputs: ActionInputs) -> Overrides:
    return Overrides(
        provider=inputs.provider,
        model_id=inputs.model_id,
        host=inputs.host,
        region=inputs.region,
        max_parallel=inputs.max_parallel,
        max_tokens=inputs.max_tokens_budget,
        max_cost_usd=inputs.max_cost_usd,
        timeout_s=inputs.timeout,
    )


def _bounded(plan: Plan) -> Plan:
    """No run is without an end: where neither file nor input sets one, it ends before the host ends the job."""
    if plan.limits.timeout_s is not None:
        return plan
    return replace(plan, limits=replace(plan.limits, timeout_s=DEFAULT_TIMEOUT_S))
