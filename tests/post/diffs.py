"""Changes for tests of posting, and a judge of where the host takes a comment, which knows nothing of our own rules."""

from __future__ import annotations

from typing import Any

from runner.diff.change import Change, FileChange, Hunk, Line, Side
from runner.facts.facts import Target
from runner.plan.plan import PostRecipe
from runner.post.make import plan_of
from runner.post.plan import Comment, Kind, PostPlan
from runner.post.said import said

HEAD = "0123456789abcdef0123456789abcdef01234567"
NO_RECIPE = PostRecipe()
TARGET = Target("owner/repo", 7, HEAD, is_pull=True)


def hunk(start: int, *lines: str, old: int | None = None) -> Hunk:
    """A hunk that begins at line `start` of the new file (and `old` of the old one), of lines as git prints them."""
    before, after, found = start if old is None else old, start, []
    for text in lines:
        match text[0]:
            case "+":
                found.append(Line("added", text[1:], None, after))
            case "-":
                found.append(Line("removed", text[1:], before, None))
            case _:
                found.append(Line("same", text[1:], before, after))
        before, after = before + (text[0] != "+"), after + (text[0] != "-")
    return Hunk(tuple(found))


CHANGE = Change(
    (
        FileChange("src/a.py", "modified", (hunk(10, " a", "+b", "-old b", " c"), hunk(40, " x", "+y", "+y", " z"))),
        FileChange("src/new.py", "renamed", (hunk(1, " one", "+two"),), old_path="src/old.py"),
        FileChange("gone.py", "removed", (hunk(0, "-first", "-second", old=1),)),
        FileChange("logo.png", "added", binary=True),
        FileChange("big.json", "modified", withheld=True, added=9_000),
    )
)
"""`src/a.py` has the lines 10 to 12 and 40 to 43; its line 11 was another one."""


def planned(
    *findings: dict[str, Any],
    recipe: PostRecipe = NO_RECIPE,
    change: Change | None = CHANGE,
    kind: Kind = "review",
    **more: Any,
) -> PostPlan:
    """The plan of these findings, and of what else is said."""
    return plan_of(said({"findings": [*findings], **more}), recipe, TARGET, change, kind)


def taken(comment: Comment, change: Change) -> bool:
    """Whether the host takes a comment: at a file of the diff, or at lines of one hunk on one side of it."""
    [file] = [one for one in change.files if one.path == comment.path] or [None]
    if file is None or comment.line is None:
        return file is not None and comment.start_line is None
    wanted = set(range(comment.start_line or comment.line, comment.line + 1))
    return any(wanted <= _numbers(one, comment.side) for one in file.hunks)


def _numbers(one: Hunk, side: Side) -> set[int | None]:
    if side == "old":
        return {line.old for line in one.lines if line.kind == "removed"}
    return {line.new for line in one.lines if line.kind != "removed"}
