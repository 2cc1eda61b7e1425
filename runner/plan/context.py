"""What a file says about the context of every call: summaries, notes, personal data; and about what is shown
of a pull request. How it is done is in `runner.agents`, `runner.calls` and `runner.facts`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from runner.plan.plan import CompactionPlan, ContextPlan, DiffRecipe, NotesPlan
from runner.spec import models as spec
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from runner.plan.problems import Find


def context_plan(source: spec.Spec, find: Find) -> ContextPlan:
    """The policy of one file; what cannot be kept is found."""
    policy = source.context_policy or spec.ContextPolicy()
    guardrails = (source.security.guardrails if source.security else None) or spec.Guardrails()
    return ContextPlan(
        compaction=_compaction(policy.compaction, source, find),
        notes=_notes(policy.notes, find),
        redact_pii=bool(guardrails.pii_redaction),
    )


def diff_recipe(source: spec.Spec) -> DiffRecipe:
    """How much of a pull request one file wants to be shown."""
    asked = (source.context_policy and source.context_policy.pull_request) or spec.PullRequest()
    return DiffRecipe(asked.max_tokens, tuple(asked.ignore), asked.incremental)


def _compaction(asked: spec.Compaction | None, source: spec.Spec, find: Find) -> CompactionPlan | None:
    if asked is None or not asked.enabled:
        return None
    providers = {agent.provider or source.runtime.provider for agent in source.agents.values()}
    for name in sorted(providers):
        if asked.summarization_model is not None and name in PROVIDERS and not PROVIDERS[name].many_models:
            find(f"provider '{name}' has one model", ("context_policy", "compaction", "summarization_model"))
    if asked.summary_ratio == 0:
        find("a summary_ratio of 0 would summarise nothing", ("context_policy", "compaction", "summary_ratio"))
    return CompactionPlan(
        when_tokens_over=asked.when_tokens_over or CompactionPlan.when_tokens_over,
        summary_ratio=asked.summary_ratio,
        preserve_recent_messages=asked.preserve_recent_messages,
        model_id=asked.summarization_model,
    )


def _notes(asked: spec.Notes | None, find: Find) -> NotesPlan | None:
    if asked is None:
        return None
    if problem := bad_notes_path(asked.file):
        find(f"notes file {asked.file!r} {problem}", ("context_policy", "notes", "file"))
    return NotesPlan(str(PurePosixPath(asked.file)), asked.include_last, asked.format)


def bad_notes_path(name: str) -> str | None:
    """Why a path cannot be that of notes, whatever there is on the disk; None when it can."""
    path = PurePosixPath(name)
    if not path.parts or name.endswith("/") or not name.isprintable():
        return "is not the path of a file"
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the workspace; name a path below it, such as notes/agents.md"
    if any(part.lower() == ".git" for part in path.parts):
        return "lies in .git; name one beside it, such as notes/agents.md"
    return None
