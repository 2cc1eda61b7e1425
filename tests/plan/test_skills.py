"""Skills are read while planning: from beside the file, in bounds, and told of at their place when they cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.plan.skills import MAX_BYTES
from runner.plan.tools import SkillBook, SkillText
from tests.build import findings_of, plan_of, warnings_of, workflow


def skilled(path: str = "a.md", **keys: Any) -> dict[str, Any]:
    return workflow(skills=[{"id": "a", "path": path, **keys}])


def skill(root: Path, path: str = "a.md", **keys: Any) -> SkillText:
    """The one skill of a file that has it."""
    book = plan_of(skilled(path, **keys), root=root).tools["Skill"]
    assert isinstance(book, SkillBook)
    (found,) = book.skills
    return found


def said(root: Path, path: str = "a.md") -> str:
    (found,) = findings_of(skilled(path), root=root)
    place, message = found.split(": ", 1)
    assert place == "workflow.yaml:17:9"
    return message


@pytest.mark.parametrize("names", [["SKILL.md"], ["README.md"], ["SKILL.md", "README.md"]])
def test_a_directory_holds_its_skill_in_one_of_two_files(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "pdf").mkdir()
    for name in names:
        (tmp_path / "pdf" / name).write_text(f"text of {name}")
    assert skill(tmp_path, "pdf").text == f"text of {names[0]}"


@pytest.mark.parametrize(
    ("text", "own", "description", "body"),
    [
        ("Text.", None, "", "Text."),
        ("---\ndescription: How.\n---\nText.", None, "How.", "Text."),
        ("---\ndescription: How.\n---\nText.", "Other.", "Other.", "Text."),
        ("---\nname: N\nallowed-tools: [a]\nlicense: {x: 1}\n---\n\nText.", None, "N", "Text."),
        ("---\n---\nText.", None, "", "Text."),
        ("\ufeff---\r\ndescription: >\r\n  two\r\n  lines\r\n---\r\nText.\r\n", None, "two lines", "Text.\n"),
        ("Text.\n---\nname: N\n---\n", None, "", "Text.\n---\nname: N\n---\n"),
    ],
    ids=range(7),
)
def test_front_matter_describes_a_skill_that_the_file_does_not(
    tmp_path: Path, text: str, own: str | None, description: str, body: str
) -> None:
    (tmp_path / "a.md").write_text(text, newline="")
    found = skill(tmp_path, **({"description": own} if own else {}))
    assert (found.description, found.text) == (description, body)


@pytest.mark.parametrize("path", ["../b.md", "/etc", "link.md", "link", "inner"])
def test_a_skill_outside_the_workspace_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "b.md").write_text("secret")
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "link.md").symlink_to(tmp_path / "b.md")
    (root / "link").symlink_to(tmp_path)
    (root / "inner/SKILL.md").symlink_to(tmp_path / "b.md")
    assert said(root, path) == f"skill '{path}' lies outside the workspace"


@pytest.mark.parametrize("path", ["a.md", "dir", "dir/b.md"])
def test_a_skill_that_is_not_there_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "dir").mkdir()
    assert said(tmp_path, path) == f"skill '{path}' is not there: it needs a directory with a SKILL.md, or a .md file"


def test_a_file_of_another_kind_is_no_skill(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=1")
    assert said(tmp_path, ".env") == "skill '.env' is neither a directory with a SKILL.md nor a .md file"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * (MAX_BYTES + 1), "is larger than 256 KiB"),
        (b"a\xff", "is not UTF-8 text (byte 1)"),
        (b"---\nname: N\n", ": its front matter has no end, a line of ---"),
        (b"---\n- a\n---\n", ": its front matter is not a mapping"),
        (b"---\nname: [a]\n---\n", ": name in its front matter is not text"),
        (b"---\nname: a\nb: c: d\n---\n", ": its front matter, line 3: not valid YAML: "),
        (b"---\na: !!python/name:os.system\n---\n", ": its front matter, line 2: tag "),
    ],
    ids=range(7),
)
def test_a_file_that_holds_no_skill_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.md").write_bytes(content)
    assert said(tmp_path).replace("' ", "'", 1).startswith(f"skill 'a.md'{message.removeprefix(' ')}")


def test_an_id_that_stands_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    twice = workflow(skills=[{"id": "a", "path": "a.md"}, {"id": "a", "path": "a.md"}])
    assert findings_of(twice, root=tmp_path) == ["workflow.yaml:18:7: skill id 'a' stands here again"]


def test_a_pipe_is_no_skill_and_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.md")
    assert said(tmp_path) == "skill 'a.md' is not a regular file"


def test_every_agent_has_the_skills_also_one_without_tools_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    plan = plan_of(skilled() | {"agents": {"writer": {"prompt": "p", "tools": []}}}, root=tmp_path)
    assert plan.steps()[0].agent.tools == ("Skill",)


def test_the_text_of_a_skill_is_in_the_hash(tmp_path: Path) -> None:
    hashes = set()
    for text in ("One.", "Two."):
        (tmp_path / "a.md").write_text(text)
        hashes.add(plan_of(skilled(), root=tmp_path).config_hash)
    assert len(hashes) == 2


def test_without_a_directory_nothing_is_read_and_that_is_said() -> None:
    assert warnings_of(skilled("/etc/passwd.md")) == [
        "workflow.yaml:17:9: skill '/etc/passwd.md' is a file of its own, which is not read here"
    ]
