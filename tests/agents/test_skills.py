"""Skills in a run: what an agent is told of them, and what it gets when it asks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Answer, OpenAIServer
from tests.workspace import Workspace, chain, workflow

SKILLS = [{"id": "pdf", "path": "skills/pdf"}, {"id": "tea", "path": "tea.md", "preload_metadata": False}]


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    workspace.write("skills/pdf/SKILL.md", "---\nname: PDF\ndescription: Read PDF files.\n---\n\n# How\n\nCarefully.\n")
    workspace.write("tea.md", "Make tea.\n")
    return workspace


def system(server: OpenAIServer) -> str:
    content = server.requests[0].messages[0]["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


def result(server: OpenAIServer) -> str:
    return str(server.requests[1].messages[-1]["content"])


def asking(skill: Any) -> OpenAIServer:
    return OpenAIServer(reply=[Answer("", tool_calls=[("Skill", {"skill_id": skill})]), Answer("done")])


def test_an_agent_is_told_at_the_end_of_its_prompt_which_skills_are_preloaded(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain("go"), skills=SKILLS))

    assert system(server) == (
        "You write.\n\n"
        "Skills (call the tool Skill with the skill_id to load one before you need it):\n"
        "- pdf: Read PDF files."
    )
    assert [tool["function"]["name"] for tool in server.requests[0].body["tools"]] == ["Skill"]


def test_an_agent_is_told_of_no_skill_when_none_is_preloaded(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, chain("go"), skills=SKILLS[1:]))

    assert system(server) == "You write."
    assert [tool["function"]["name"] for tool in server.requests[0].body["tools"]] == ["Skill"]


@pytest.mark.parametrize(("skill", "text"), [("pdf", "# How\n\nCarefully.\n"), ("tea", "Make tea.\n")])
def test_a_skill_is_loaded_by_its_id_without_its_front_matter(workspace: Workspace, skill: str, text: str):
    with asking(skill) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), skills=SKILLS))

    assert result(server) == text
    assert outcome.outputs["status"] == "success"


def test_an_unknown_skill_is_told_with_those_there_are(workspace: Workspace):
    with asking("../tea.md") as server:
        workspace.run(workflow(server.url, chain("go"), skills=SKILLS))

    assert result(server) == "Error: there is no skill '../tea.md'; there are: pdf, tea"


def test_a_skill_is_text_and_no_template(workspace: Workspace):
    workspace.write("tea.md", "{{ secrets.KEY }}")
    with asking("tea") as server:
        workspace.run(workflow(server.url, chain("go"), skills=SKILLS))

    assert result(server) == "{{ secrets.KEY }}"


def test_skills_and_an_answer_by_schema_go_together(workspace: Workspace):
    agents = {"writer": {"prompt": "You write.", "output_schema": {"type": "object"}}}
    with OpenAIServer(reply=lambda _: "{}") as server:
        outcome = workspace.run(workflow(server.url, chain("go"), skills=SKILLS, agents=agents))

    assert outcome.outputs["structured"] == "{}"
    assert system(server).startswith("You write.\n\nSkills (")
