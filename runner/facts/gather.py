"""Where the facts of a run come from: a file, git, or the host. Nobody is asked for what no template names, and a
replay asks nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.ci.refusal import NoAnswer
from runner.ci.waiting import patient
from runner.errors import FileProblem, RecordingProblem, UsageError
from runner.facts.ci import ci_of_host
from runner.facts.compared import pull_of_compare
from runner.facts.facts import Facts, facts_of
from runner.facts.file import BESIDE, as_text, read_facts
from runner.facts.from_git import github_of_git, pull_of_git
from runner.facts.from_host import Asking, github_of_host
from runner.facts.git import git_in
from runner.facts.marker import key_of_job
from runner.facts.target import target_of
from runner.facts.views import with_facts
from runner.plan.facts import PARTS
from runner.report.nested import changed

if TYPE_CHECKING:
    from runner.ci.api import Api
    from runner.ci.event import Event
    from runner.folder import Folder
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan

GIVE: Final = "give it with the input 'facts', or as a variable"
NOBODY: Final = "neither a replay nor a test asks anybody"
MOST_WAITED_S: Final = 600.0
"""How long the host is asked, with all that it is waited for."""

OWN: Final = "facts.json"
"""What the file is called that a run writes among its own."""


@dataclass(frozen=True)
class Sources:
    """Where one run may have facts from. `event` and `api` are None where there is no host, `recordings` where there
    are none. `tell` hears of every time that the host is waited for, `clean` takes secrets out of a text. Where nobody
    `asks`, as in a test, there are files and nothing else."""

    inputs: ActionInputs
    environ: Mapping[str, str]
    workspace: Path
    recordings: Folder | None = None
    event: Event | None = None
    api: Api | None = None
    tell: Callable[[str], object] = lambda told: None
    clean: Callable[[str], str] = lambda text: text
    asks: bool = True


def informed(plan: Plan, sources: Sources, own: Folder | None = None) -> tuple[Plan, Facts]:
    """The plan with the facts that its templates name among its variables; and these. They are written among the run's
    `own` files, and when they are recorded beside the recordings.

    Raises UsageError for what nobody can tell, RecordingProblem for a replay without facts, and what is wrong with a
    file.
    """
    _refuse_unused(sources.inputs, plan.facts)
    if not plan.facts:
        return plan, Facts()
    told, where = _told(plan, sources)
    raw = changed(told, lambda text: sources.clean(_whole(text)))
    facts = facts_of(raw, of_now=not where)
    plan, facts = with_facts(plan, facts, where)
    if own is not None and raw:
        own.write(OWN, as_text(raw))
    if sources.inputs.mode == "record" and sources.recordings is not None and raw and not where:
        sources.recordings.write(BESIDE, as_text(raw))
    return plan, facts


def _refuse_unused(inputs: ActionInputs, wanted: Collection[str]) -> None:
    """An input that nothing looks at would be passed over in silence."""
    if inputs.diff_base is not None and "pr" not in wanted:
        raise UsageError("input 'diff-base' is for a workflow whose templates name `pr`, and this has none")
    if inputs.facts is not None and not wanted:
        raise UsageError(f"input 'facts' is for a workflow whose templates name {', '.join(PARTS)}, and this has none")


def _told(plan: Plan, sources: Sources) -> tuple[dict[str, Any], str]:
    """The facts, and the file that they are from; empty where they were asked for anew."""
    inputs, recordings = sources.inputs, sources.recordings
    if inputs.facts is not None:
        return _read(sources.workspace / inputs.facts, inputs.facts, sources.workspace), inputs.facts
    asks = sources.asks and inputs.mode != "replay"
    if recordings is not None and inputs.diff_base is None and (inputs.mode == "record" or not asks):
        beside = recordings.directory / BESIDE
        shown = recordings.shown(beside)
        if beside.exists():
            return _read(beside, shown, sources.workspace), shown
        if not asks and plan.facts_needed:
            raise RecordingProblem(f"there are no facts of the event in {shown}, and {NOBODY}; {GIVE}, or record it")
    if not asks:
        return {}, "the recordings"
    asked = _Anew(plan, sources)
    return {name: found for name in plan.facts if (found := asked.of(name)) is not None}, ""


def _read(path: Path, shown: str, workspace: Path) -> dict[str, Any]:
    """A file of facts. What leads out of the workspace by a link is the repository's doing: it is not read."""
    below = not os.path.isabs(shown) or Path(os.path.normpath(shown)).is_relative_to(workspace)
    if below and not path.resolve().is_relative_to(workspace.resolve()):
        raise FileProblem(f"{shown} leads out of the workspace; for a file elsewhere give its absolute path")
    return read_facts(path, shown)


class _NotHere(UsageError):
    """What a template asks for there is not, where this runs."""


@dataclass(frozen=True)
class _Anew:
    """Asks the host, or git."""

    plan: Plan
    sources: Sources

    def of(self, name: str) -> dict[str, Any] | None:
        """One of the names of facts; None where there is none of it, and every template can do without."""
        ask = {"github": self._github, "pr": self._pull, "ci": self._ci}[name]
        try:
            return ask(self.plan.facts[name])
        except NoAnswer as problem:
            raise UsageError(f"`{name}` cannot be had from the host: {problem}") from None
        except _NotHere:
            if name in self.plan.facts_needed:
                raise
            return None

    @cached_property
    def _api(self) -> Api:
        """The host, waited for where it has to be left alone, and no longer than the run may take."""
        assert self.sources.api is not None
        seconds = min(MOST_WAITED_S, self.plan.limits.timeout_s or MOST_WAITED_S)
        return self.sources.api.waiting(patient(seconds, self.sources.tell))

    def _github(self, parts: frozenset[str]) -> dict[str, Any]:
        sources = self.sources
        if sources.event is not None:
            told = github_of_host(sources.environ, sources.event)
            return {part: told[part] for part in told if part in parts}
        return github_of_git(git_in(sources.workspace, sources.environ), parts)

    def _pull(self, parts: frozenset[str]) -> dict[str, Any]:
        sources = self.sources
        base, event = sources.inputs.diff_base, sources.event
        if event is None:
            return pull_of_git(git_in(sources.workspace, sources.environ), base, parts)
        if base is not None:
            return pull_of_compare(self._api, event, sources.environ, base, parts)
        target = target_of(event, self._api)
        if target is None or not target.is_pull:
            raise _NotHere(
                f"`pr`: the event '{event.name[:40]}' has no pull request. Name a revision to compare with by the "
                f"input 'diff-base', or {GIVE}; or ask `pr is defined` in the template"
            )
        key = key_of_job(sources.environ, self.plan.file, sources.inputs.post_key)
        return Asking(self._api, event, target, key, self.plan.diff.incremental).pull(parts)

    def _ci(self, parts: frozenset[str]) -> dict[str, Any]:
        sources = self.sources
        if sources.event is None:
            raise _NotHere(f"`ci` is what a CI host tells, and there is none here; {GIVE}")
        return ci_of_host(self._api, sources.event, sources.environ, parts)


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold."""
    return text.encode(errors="replace").decode()
