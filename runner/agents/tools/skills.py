"""The tool `Skill`, and what an agent that has it is told of the skills there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.agents.tools.tool import Run
    from runner.plan.tools import SkillBook

DESCRIPTION: Final = "Load a skill: instructions for a kind of task, by the skill's id."
PARAMETERS: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"skill_id": {"type": "string", "description": "The id of the skill"}},
    "required": ["skill_id"],
}


def told(book: SkillBook) -> str | None:
    """The part of a system prompt that lists the preloaded skills; None when there are none."""
    preloaded = [one for one in book.skills if one.preload]
    if not preloaded:
        return None
    listed = (f"- {one.id}: {one.description}" if one.description else f"- {one.id}" for one in preloaded)
    return "\n".join(["Skills (call the tool Skill with the skill_id to load one before you need it):", *listed])


def loader(book: SkillBook) -> Run:
    texts = {one.id: one.text for one in book.skills}

    async def run(given: Mapping[str, Any]) -> str:
        wanted = given["skill_id"]
        if wanted not in texts:
            raise ToolProblem(f"there is no skill {wanted[:200]!r}; there are: {', '.join(texts)}")
        return texts[wanted]

    return run
