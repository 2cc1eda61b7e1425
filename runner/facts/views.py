"""Facts as templates see them: cut to what a model can be shown, and without what no human sees. That is done when they
are shown and not when they are gathered, so that a replay is held to the same limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from runner.diff.left_out import LeftOut
from runner.diff.shape import shaped
from runner.diff.since import fresh
from runner.errors import UsageError
from runner.facts.from_host import OF_THE_DIFF
from runner.invisible import stripped
from runner.report.nested import changed
from runner.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runner.diff.shape import ShapedFile
    from runner.facts.facts import Facts, Pull
    from runner.plan.plan import DiffRecipe, Plan

COMMENTS_TOKENS: Final = 20_000
"""Of all comments together."""

COMMENT_TOKENS: Final = 2_000
"""Of one: nobody's words take the room of all others."""

A_COMMENT: Final = 20
"""Tokens for what stands around a comment."""


def with_facts(plan: Plan, facts: Facts, source: str) -> tuple[Plan, Facts]:
    """The plan with the facts that its templates name among its variables; and the facts with what is not shown of
    them. Raises UsageError for what is not among the facts; `source` says in messages where those are from."""
    views = {}
    for name, parts in plan.facts.items():
        known = _known(name, parts, facts, plan.diff)
        if known is None:
            if name in plan.facts_needed:
                raise UsageError(f"`{name}` is not among the facts in {source}, and a template names it")
            continue
        if missing := sorted(parts - known.keys()):
            told = ", ".join(f"{name}.{part}" for part in missing)
            raise UsageError(f"{told}: not among the facts in {source}, and a template asks for it")
        views[name] = {part: known[part] for part in parts}
        if name == "pr" and OF_THE_DIFF.intersection(parts):
            assert facts.pull is not None
            since = facts.pull.since if _only_fresh(facts.pull, plan.diff) else ""
            facts = replace(facts, unseen=known["left_out"], since=since)
    return replace(plan, variables={**views, **plan.variables}), facts


def _only_fresh(pull: Pull, recipe: DiffRecipe) -> bool:
    return recipe.incremental and pull.fresh is not None


def _known(name: str, parts: Collection[str], facts: Facts, recipe: DiffRecipe) -> Mapping[str, Any] | None:
    match name:
        case "github":
            return facts.raw.get(name)
        case "pr":
            return None if facts.pull is None else _pull(facts.pull, parts, recipe)
    return None if facts.ci is None else changed(facts.ci, stripped)


def _pull(pull: Pull, parts: Collection[str], recipe: DiffRecipe) -> dict[str, Any]:
    told = changed({"since": pull.since, **pull.told}, stripped)
    if "body" in told:
        told["body"] = seen(told["body"])
    if "comments" in told:
        told["comments"] = latest([{**one, "body": seen(one["body"])} for one in told["comments"]])
    return {**told, **(_change(pull, recipe) if OF_THE_DIFF.intersection(parts) else {})}


def latest(comments: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The newest of the comments, as many as there is room for, in their order; and above them how many there are that
    are older. One that is very long is cut."""
    left, kept = COMMENTS_TOKENS, list[Mapping[str, Any]]()
    for one in reversed(comments):
        body = _beginning(one["body"])
        left -= tokens(body) + A_COMMENT
        if left < 0:
            break
        kept.append({**one, "body": body})
    if missing := len(comments) - len(kept):
        told = f"[{missing:,} older comments are left out]"
        kept.append({"author": "", "body": told, "path": None, "line": None, "created": ""})
    return kept[::-1]


def _beginning(text: str) -> str:
    """The text, cut behind so many tokens as one comment may have."""
    if tokens(text) <= COMMENT_TOKENS:
        return text
    kept = text[: 4 * COMMENT_TOKENS]
    while tokens(kept) > COMMENT_TOKENS:
        kept = kept[: len(kept) * 9 // 10]
    return f"{kept} [the rest of this comment is left out]"


def _change(pull: Pull, recipe: DiffRecipe) -> dict[str, Any]:
    """The diff, as much of it as there is room for; nothing where it was not told."""
    if pull.change is None:
        return {}
    new = fresh(pull.change, pull.fresh) if pull.fresh is not None and _only_fresh(pull, recipe) else pull.change
    found = shaped(new, recipe.max_tokens, LeftOut(recipe.ignore, {"": pull.attributes}))
    return {"diff": found.text, "files": [_file(one) for one in found.files], "left_out": found.left_out}


def _file(shown: ShapedFile) -> dict[str, Any]:
    file = shown.file
    return {
        "path": file.path,
        "old_path": file.old_path,
        "status": file.status,
        "added": file.added,
        "removed": file.removed,
        "left_out": shown.left_out,
        "diff": shown.text,
    }


def seen(text: str) -> str:
    """What a human sees of a text in Markdown: no HTML comments, and no characters that nobody sees.

    One that is not ended hides all that follows where it begins a line, and is shown elsewhere.
    https://spec.commonmark.org/0.31.2/#html-comment
    """
    text = stripped(text)
    parts: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0:
        short = next((end for end in (">", "->") if text.startswith(end, start + 4)), "")
        end = start + 4 if short else text.find("-->", start + 4)
        if end < 0:
            hidden = not text[text.rfind("\n", 0, start) + 1 : start].strip(" ")
            return "".join([*parts, text[at:start] if hidden else text[at:]])
        parts.append(text[at:start])
        at = end + len(short or "-->")
    return "".join([*parts, text[at:]])
