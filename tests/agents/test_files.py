"""The tools that read, write and search files: what they do, and that nothing gets them out of the workspace."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.agents.tools import search
from runner.agents.tools.files import MAX_READ, MAX_WRITE
from runner.agents.tools.rooted import Rooted
from runner.agents.tools.tool import MAX_RESULT, ToolProblem
from tests.agents import toolwork
from tests.agents.using import Told, bench, use
from tests.servers import Answer, OpenAIServer
from tests.workspace import Workspace, chain, workflow

SECRET = "the-token-of-the-checkout"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return home(tmp_path / "workspace")


def home(root: Path) -> Path:
    """A workspace with one file that may be read, and every way out of it that we know."""
    outside = root.parent / "outside"
    for directory in (root / "src", root / ".git", root / "sub/.git", root / "artifacts", outside):
        directory.mkdir(parents=True)
    (root / "src/main.py").write_text("one\ntwo\nthree\n")
    hidden = (".git/config", "sub/.git/config", "artifacts/results.json", "gha-creds-1f.json")
    for file in (outside / "secret.txt", *(root / name for name in hidden)):
        file.write_text(SECRET)
    for name, target in {
        "link-out": outside / "secret.txt",
        "link-up": "../outside/secret.txt",
        "link-link": "link-out",
        "dir-out": outside,
        "link-git": ".git/config",
        "dir-git": ".git",
        "dir-artifacts": "artifacts",
        "loop": "loop",
        "link-in": "src/main.py",
        "environ": "/proc/self/environ",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")
    return root


def closed_bench(root: Path) -> Any:
    return bench(root, closed=(root / "artifacts",))


def used(root: Path, tool: str, **given: Any) -> Told:
    return asyncio.run(use(tool, closed_bench(root), **given))


ESCAPES = [
    "../outside/secret.txt",
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "/proc/self/environ",
    "/dev/zero",
    "src/../../outside/secret.txt",
    "../workspace-of-another/file",
    "link-out",
    "link-up",
    "link-link",
    "dir-out/secret.txt",
    "dir-out",
    "environ",
    "loop",
    ".git/config",
    ".git",
    ".GIT/config",
    ".Git/config",
    ".git /config",
    ".git./config",
    ".g\u200cit/config",
    "git~1/config",
    ".git::$INDEX_ALLOCATION/config",
    "./.git/../.git/config",
    "src/../.git/config",
    "artifacts/../.git/config",
    "sub/.git/config",
    "link-git",
    "dir-git/config",
    "artifacts",
    "artifacts/results.json",
    "dir-artifacts/results.json",
    "gha-creds-1f.json",
    "pipe",
    "src/main.py\0.txt",
    "\ud800",
    "n" * 300,
    "n/" * 3000,
    "src/main.py/more",
    "nothing",
]


# -- nothing gets out -------------------------------------------------------------------------------------------------


# Half a surrogate pair the client cannot send back, so a run ends before it could show the refusal.
@pytest.mark.parametrize("path", [one for one in ESCAPES if one != "\ud800"], ids=lambda path: ascii(path[:40]))
def test_a_path_that_is_not_for_tools_is_refused_in_a_whole_run(tmp_path: Path, path: str):
    workspace = Workspace(home(tmp_path / "workspace"))
    shutil.rmtree(workspace.root / "artifacts")  # the run makes its own
    agents = {"writer": {"prompt": "p", "tools": ["file_read"]}}
    answers = [Answer("", tool_calls=[("file_read", {"path": path})]), Answer("done")]
    with OpenAIServer(reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=agents), artifacts_dir="artifacts")

    assert outcome.outputs["status"] == "success"
    told = server.requests[1].messages[-1]
    assert told["role"] == "tool"
    assert "Error: " in str(told["content"])
    assert SECRET not in json.dumps(server.requests[1].body)
    assert "root:" not in str(told["content"])


@pytest.mark.parametrize("tool", ["file_read", "head", "tail", "grep", "search", "file_write"])
@pytest.mark.parametrize("path", [path for path in ESCAPES if path != "nothing"], ids=lambda path: ascii(path[:40]))
def test_every_file_tool_refuses_it_and_leaves_it_as_it_was(root: Path, tool: str, path: str):
    more = {
        "grep": {"pattern": "a"},
        "search": {"keywords": "a"},
        "file_write": {"content": "x"},
    }.get(tool, {})
    before = snapshot(root.parent)
    assert used(root, tool, path=path, **more).refused
    assert snapshot(root.parent) == before


def snapshot(directory: Path) -> dict[str, Any]:
    """Every name below a directory, and what its files hold."""
    return {
        str(path): path.read_text() if path.is_file() and not path.is_symlink() else None
        for path in sorted(directory.rglob("*"))
    }


NAMES = ["..", ".", "", ".git", ".GIT", "src", "main.py", "sub", "artifacts", "config", "results.json", "pipe", "\0"]
LINKS = ["link-out", "link-up", "dir-out", "dir-git", "link-git", "link-in", "loop", "secret.txt", "outside", "~"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home(tmp_path_factory.mktemp("nasty") / "workspace")


@given(
    parts=st.lists(st.one_of(st.sampled_from(NAMES + LINKS), st.text(max_size=8)), max_size=8),
    start=st.sampled_from(["", "/", "./", "../workspace/", "{root}/", "{root}"]),
)
def test_whatever_path_is_asked_for_nothing_hidden_is_read(shared: Path, parts: list[str], start: str):
    files = Rooted.of(closed_bench(shared))
    try:
        found = files.find(start.replace("{root}", str(shared)) + "/".join(parts))
        data, _ = files.read(found, 1000)
    except ToolProblem:
        return
    assert Path(files.root, *found).resolve() == shared / "src/main.py"
    assert SECRET.encode() not in data


@pytest.mark.parametrize(
    "path", ["src/main.py", "./src/../src/main.py", "link-in", "{root}/src/main.py", "src//main.py"]
)
def test_a_path_that_stays_inside_is_read_however_it_is_written(root: Path, path: str):
    assert used(root, "file_read", path=path.replace("{root}", str(root))) == ("success", "one\ntwo\nthree")


# Between the judging of a path and its opening somebody may put something else in its place.


def test_a_file_that_becomes_a_link_meanwhile_is_not_followed(root: Path):
    files = Rooted.of(bench(root))
    found = files.find("src/main.py")
    (root / "src/main.py").unlink()
    (root / "src/main.py").symlink_to(root.parent / "outside/secret.txt")
    with pytest.raises(ToolProblem, match=r"src/main\.py"):
        files.read(found, 1000)


def test_a_directory_that_becomes_a_link_meanwhile_is_not_entered(root: Path):
    files = Rooted.of(bench(root))
    found = files.find("src/secret.txt")
    (root / "src").rename(root / "moved")
    (root / "src").symlink_to(root.parent / "outside")
    for touch in (lambda: files.read(found, 1000), lambda: files.write(found, b"x"), lambda: files.entries(found[:1])):
        with pytest.raises(ToolProblem, match="src"):
            touch()
    assert (root.parent / "outside/secret.txt").read_text() == SECRET


def test_a_pipe_is_not_waited_for(root: Path):
    started = time.monotonic()
    assert used(root, "file_read", path="pipe").text == "Error: pipe is not a regular file"
    assert time.monotonic() - started < 30


# -- file_read, head, tail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ({}, "one\ntwo\nthree"),
        ({"start_line": 2}, "two\nthree"),
        ({"start_line": 2, "end_line": 2}, "two"),
        ({"end_line": 99}, "one\ntwo\nthree"),
    ],
)
def test_lines_are_read_by_their_numbers_from_one(root: Path, lines: dict[str, int], text: str):
    assert used(root, "file_read", path="src/main.py", **lines).text == text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"start_line": 4}, "src/main.py has 3 lines; start_line 4 is behind the last"),
        ({"start_line": 3, "end_line": 2}, "end_line 2 is before start_line 3"),
        ({"start_line": 0}, "the arguments do not fit: $.start_line: minimum should be 1"),
    ],
)
def test_lines_that_are_not_there_are_told(root: Path, lines: dict[str, int], said: str):
    assert used(root, "file_read", path="src/main.py", **lines) == ("error", f"Error: {said}")


def test_a_text_too_long_to_tell_says_where_to_go_on(root: Path):
    (root / "long.txt").write_text("".join(f"line {number:>6}\n" for number in range(1, 10_001)))
    first = used(root, "file_read", path="long.txt").text
    assert len(first) < MAX_RESULT + 100
    go_on = int(first.rsplit(" ", 1)[1].rstrip("]"))
    assert used(root, "file_read", path="long.txt", start_line=go_on).text.startswith(f"line {go_on:>6}\n")


def test_a_directory_gives_the_names_in_it_without_those_that_are_not_for_tools(root: Path):
    names = used(root, "file_read", path=".").text.split("\n")
    assert names == sorted(names)
    assert {"src/", "sub/", "link-in@", "pipe"} <= set(names)
    assert not {".git/", "artifacts/", "gha-creds-1f.json"} & set(names)


def test_a_binary_file_is_refused(root: Path):
    (root / "a.bin").write_bytes(b"text\0text")
    assert used(root, "file_read", path="a.bin").text == "Error: a.bin is a binary file; only text can be read"


def test_bytes_that_are_no_text_are_replaced_and_line_ends_made_alike(root: Path):
    (root / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntw\xff\n")
    assert used(root, "file_read", path="a.txt").text == "one\ntw\ufffd"


def test_what_nobody_sees_in_a_file_is_written_out(root: Path):
    orders = "".join(chr(0xE0000 + ord(sign)) for sign in "obey")
    (root / "a.txt").write_text(f"a{orders}b \u202e👩\u200d💻\ttab é")
    assert used(root, "file_read", path="a.txt").text == "a⟨U+E006F and 3 more⟩b ⟨U+202E⟩👩\u200d💻\ttab é"


def test_what_is_written_out_makes_no_result_longer_than_one_may_be(root: Path):
    (root / "a.txt").write_text("a\u202e" * (MAX_RESULT // 2 - 200))
    assert len(used(root, "head", path="a.txt").text) < MAX_RESULT + 100


@pytest.mark.parametrize(("tool", "text"), [("head", "one\ntwo"), ("tail", "two\nthree")])
def test_the_first_and_the_last_lines(root: Path, tool: str, text: str):
    assert used(root, tool, path="src/main.py", lines=2).text == text


def test_the_end_of_a_large_file_is_read_without_its_beginning(root: Path):
    with open(root / "large.txt", "wb") as file:
        file.truncate(10 * MAX_READ)
        file.seek(0, os.SEEK_END)
        file.write(b"x" * MAX_READ + b"\nlast\n")
    assert used(root, "tail", path="large.txt", lines=1).text == "last"


# -- file_write -------------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_the_directories_it_needs(root: Path):
    assert used(root, "file_write", path="a/b/c.txt", content="grüße\n") == (
        "success",
        "created a/b/c.txt: 8 bytes written",
    )
    assert (root / "a/b/c.txt").read_text() == "grüße\n"
    assert [path.name for path in (root / "a/b").iterdir()] == ["c.txt"]


def test_what_was_there_is_replaced_or_added_to_and_keeps_its_mode(root: Path):
    (root / "src/main.py").chmod(0o755)
    assert used(root, "file_write", path="src/main.py", content="1\n").text.startswith("replaced ")
    assert used(root, "file_write", path="src/main.py", content="2\n", mode="append").text.startswith("appended to ")
    assert (root / "src/main.py").read_text() == "1\n2\n"
    assert stat.S_IMODE((root / "src/main.py").stat().st_mode) == 0o755


def test_what_is_added_at_once_is_all_there(root: Path):
    async def all_at_once() -> None:
        from runner.agents.tools.files import TOOLS

        write = TOOLS["file_write"](bench(root))
        texts = [f"line {number}\n" for number in range(20)]
        await asyncio.gather(*(write({"path": "log", "content": text, "mode": "append"}) for text in texts))

    asyncio.run(all_at_once())
    assert sorted((root / "log").read_text().splitlines()) == sorted(f"line {number}" for number in range(20))


@pytest.mark.parametrize(
    "path",
    [".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", "./.github/actions/a/action.yml", "workflows/ci.yml"],
)
def test_what_the_ci_host_runs_is_not_written(root: Path, path: str):
    (root / ".github/workflows").mkdir(parents=True)
    (root / "workflows").symlink_to(".github/workflows")
    told = used(root, "file_write", path=path, content="on: push")
    assert told.refused
    assert told.text.endswith("would be run by the CI host with its rights; tools do not write there")
    assert [path for path in (root / ".github").rglob("*") if path.is_file()] == []


def test_a_link_that_leads_to_nothing_outside_is_not_written_through(root: Path):
    (root / "new").symlink_to(root.parent / "outside/new.txt")
    assert used(root, "file_write", path="new", content="x").refused
    assert not (root.parent / "outside/new.txt").exists()


def test_too_much_is_not_written(root: Path):
    told = used(root, "file_write", path="a.txt", content="x" * (MAX_WRITE + 1))
    assert told.text == "Error: the content is larger than 1024 KiB"
    assert not (root / "a.txt").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_belongs_to_the_workspaces_owner(root: Path):
    os.chown(root, 1234, 1235)
    used(root, "file_write", path="new/a.txt", content="x")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (root / "new", root / "new/a.txt")}
    assert owners == {(1234, 1235)}


# -- grep, search -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {
        "b/two.txt": "Alpha\nbeta\ngamma\n",
        "a.txt": "alpha\nbeta beta\n",
        "b/one.txt": "none here\n",
        ".git/log": "alpha\n",
        "closed/own.txt": "alpha\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin").write_bytes(b"alpha\0")
    (tmp_path / "link.txt").symlink_to("a.txt")
    (tmp_path / "link-b").symlink_to("b")
    return tmp_path


def found(tree: Path, tool: str, **given: Any) -> list[str]:
    told = asyncio.run(use(tool, bench(tree, closed=(tree / "closed",)), **{"path": ".", **given}))
    assert told.status == "success", told.text
    return told.text.split("\n")


def test_lines_are_found_in_every_text_file_by_name_and_through_no_link(tree: Path):
    assert found(tree, "grep", pattern="beta") == [
        "a.txt:2: beta beta",
        "b/two.txt:2: beta",
        "[2 matches in 2 of 3 files]",
    ]


@pytest.mark.parametrize("is_regex", [False, True])
def test_case_counts_unless_it_is_said_not_to(tree: Path, is_regex: bool):
    assert len(found(tree, "grep", pattern="alpha", is_regex=is_regex)) == 2
    assert len(found(tree, "grep", pattern="alpha", is_regex=is_regex, case_sensitive=False)) == 3


def test_a_pattern_is_plain_text_unless_it_is_said_to_be_a_regular_expression(tree: Path):
    assert found(tree, "grep", pattern="^b.ta$") == ["[0 matches in 0 of 3 files]"]
    assert found(tree, "grep", pattern="^b.ta$", is_regex=True)[0] == "b/two.txt:2: beta"


def test_lines_around_a_match_are_shown_as_such(tree: Path):
    assert found(tree, "grep", path="b/two.txt", pattern="beta", context_lines=1)[:3] == [
        "b/two.txt-1- Alpha",
        "b/two.txt:2: beta",
        "b/two.txt-3- gamma",
    ]


@pytest.mark.parametrize("is_regex", [False, True])
def test_no_more_matches_are_shown_than_asked_for_and_it_says_so(tree: Path, is_regex: bool):
    assert found(tree, "grep", pattern="a", max_matches=2, is_regex=is_regex) == [
        "a.txt:1: alpha",
        "a.txt:2: beta beta",
        "[the first 2 matches; there are more]",
    ]


@pytest.mark.parametrize("keywords", [["gamma", "none"], ["none here", "gamma"]])
def test_search_finds_lines_with_any_of_its_keywords(tree: Path, keywords: list[str]):
    assert found(tree, "search", keywords=keywords)[:2] == ["b/one.txt:1: none here", "b/two.txt:3: gamma"]


def test_search_takes_one_keyword_too(tree: Path):
    assert found(tree, "search", keywords="gamma", max_results=1)[0] == "b/two.txt:3: gamma"


@pytest.mark.parametrize(
    "given", [{"pattern": ""}, {"pattern": "(", "is_regex": True}, {"pattern": "a{99999999999}", "is_regex": True}]
)
def test_a_pattern_that_is_none_is_told(tree: Path, given: dict[str, Any]):
    assert asyncio.run(use("grep", bench(tree), path=".", **given)).refused


def test_a_pattern_that_backtracks_for_ever_is_ended_and_stops_nobody_else(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "MATCH_S", 1.0)
    (tree / "evil.txt").write_text("a" * 60 + "!\n")

    async def beside() -> tuple[Told, int]:
        asked, ticks = asyncio.create_task(use("grep", bench(tree), path=".", pattern="(a+)+$", is_regex=True)), 0
        while not asked.done():
            await asyncio.sleep(0.05)
            ticks += 1
        return await asked, ticks

    told, ticks = asyncio.run(beside())
    assert told.text == "Error: it takes longer than 1 s; something simpler may not"
    assert ticks >= 5


def test_a_search_of_too_much_stops_and_says_where(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "MAX_FILES", 1)
    assert found(tree, "grep", pattern="beta")[1:] == [
        "[1 matches in 1 of 1 files]",
        "[not everything was searched: stopped after 1 files or 8 MiB, before b/one.txt]",
    ]


def test_a_file_that_is_a_secret_of_the_workflow_is_no_tools(workspace: Workspace):
    (workspace.root / "key.txt").write_text("sesame-open-9\n")
    (workspace.root / "link").symlink_to("key.txt")
    calls: list[tuple[str, Any]] = [("file_read", {"path": name}) for name in ("key.txt", "link")]
    calls.append(("grep", {"path": ".", "pattern": "sesame"}))
    env = {"secrets": [{"source": "file", "key": "KEY", "path": "key.txt"}]}
    agents = {"writer": {"prompt": "p", "tools": ["file_read", "grep"]}}
    used = toolwork.use(workspace, *calls, env=env, agents=agents)

    assert [one.endswith("a secret, which is not for tools") for one in used.told[:2]] == [True, True]
    assert used.told[2].startswith("[0 matches")
