"""One run in which everybody else says hostile things: models, their providers, tools, an MCP server, a file of the
repository, the workflow file itself. And the judge of what came of it, who reads as the runner does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runner.report.results import OUTPUTS
from tests.build import dag
from tests.build import workflow as file
from tests.container.runner_parser import Effects, in_any_order, parse_file_command, parse_log, parse_summary
from tests.hostile import COMMANDS, TEXTS, huge
from tests.servers import Answer, Request
from tests.servers.http import Scripted

NAME: Final = "::error::pwned ##[add-mask]e \u202e"
TITLE: Final = "::error::pwned ## [add-mask]e ⟨U+202E⟩"
LOUD: Final = "\n".join(COMMANDS.values())
PRINTED: Final = "::error::pwned ##[add-mask]e"
FAILING: Final = 3  # a fourth in a row, and the provider would be left alone for a while

MCP: Final = """\
import json, sys
LOUD = json.load(open("loud.json"))
TOOL = {"name": "pwn", "description": LOUD, "inputSchema": {"type": "object", "properties": {}}}
sys.stderr.write(LOUD + "\\n")
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    sys.stderr.write(LOUD + "\\n")
    match message["method"]:
        case "initialize":
            found = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                     "serverInfo": {"name": "::error::pwned", "version": "##[add-mask]e"}}
        case "tools/list":
            found = {"tools": [TOOL]}
        case _:
            found = {"content": [{"type": "text", "text": LOUD}], "isError": True}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": found}), flush=True)
"""

FILES: Final = {
    "hostile.txt": LOUD.replace("\0", ""),  # with one it were no text, and not read
    "loud.json": json.dumps(LOUD),
    "small.py": MCP,
    "strands-artifacts/matcher.json": '{"problemMatcher": [{"owner": "pwned", "pattern": [{"regexp": "(.*)"}]}]}',
}
"""What the pull request brings along."""

CODE: Final = """\
import sys
print(open("/dev/null").read() + {loud!r})
print({loud!r}, file=sys.stderr)
raise ValueError({loud!r})
"""


def texts() -> dict[str, str]:
    """What each task is answered, by its id: several texts each, one a line. No answer is blank: a step that got
    nothing would fail."""
    answers = [*("\n".join(some) for some in batched(TEXTS.values(), 8)), huge(100_000)]
    return {f"t{number}": f"{text}\nend" for number, text in enumerate(answers)}


def batched(values: Iterable[str], size: int) -> list[list[str]]:
    found = list(values)
    return [found[start : start + size] for start in range(0, len(found), size)]


def workflow(host: str, python: str) -> dict[str, Any]:
    """The file. `python` starts the MCP server."""
    asked = [{"id": name, "input": name} for name in texts()]
    asked += [
        {"id": "shaped", "input": "shaped", "agent": "shaped"},
        {"id": "path", "input": "path"},
        {"id": "long", "input": "long"},
        {"id": "using", "input": "using", "agent": "user"},
        *({"id": f"failing{number}", "input": f"failing{number}"} for number in range(FAILING)),
    ]
    outputs = {name: f"{{{{ tasks.{name}.response }}}}" for name in texts()}
    return file(
        name=NAME,
        description=LOUD,
        runtime={"host": host, "max_parallel": 8, "failure_policy": {"retries": 2, "wait_min": 0.01, "wait_max": 0.01}},
        agents={
            "writer": {"prompt": LOUD},
            "shaped": {"prompt": "p", "output_schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "user": {"prompt": "p", "tools": ["file_read", "python_exec", "small"]},
        },
        tools={
            "python": ["file_read", "python_exec"],
            "mcp": [{"id": "small", "command": python, "args": ["small.py"]}],
        },
        security={"guardrails": {"allow_tools": ["file_read", "python_exec", "small"]}},
        pattern=dag(*asked),
        outputs={
            "step_outputs": {**outputs, "shaped": "{{ tasks.shaped.response }}"},
            "artifacts": [{"path": "{{ tasks.path.response }}.md", "from": "{{ tasks.t0.response }}"}],
        },
    )


class Hostile:
    """What the model's server answers, once with a line of so many characters. Providers fail with each of the
    commands."""

    def __init__(self, longest: int = 10_000_000) -> None:
        self._texts = {**texts(), "long": huge(longest)}
        self._failed: set[str] = set()
        self.told: list[str] = []

    def __call__(self, request: Request) -> Scripted:
        asked = request.user_texts[-1]
        if asked.startswith("failing") and asked not in self._failed:
            self._failed.add(asked)
            text = "\n".join(list(COMMANDS.values())[int(asked.removeprefix("failing")) :: FAILING])
            return Answer(status=500, error={"error": {"message": text, "type": text, "code": text}})
        if asked == "using":
            return self._using(request)
        if asked == "shaped":
            return json.dumps({"a": LOUD})
        return PRINTED if asked == "path" else self._texts.get(asked, LOUD)

    def _using(self, request: Request) -> Answer:
        told = [str(message["content"]) for message in request.messages if message["role"] == "tool"]
        if told:
            self.told = told
            return Answer(LOUD)
        calls: list[tuple[str, dict[str, Any]]] = [
            ("file_read", {"path": "hostile.txt"}),
            ("file_read", {"path": LOUD}),
            ("python_exec", {"code": CODE.format(loud=LOUD)}),
            (LOUD, {}),
            *((tool["function"]["name"], {}) for tool in request.body["tools"] if "pwn" in tool["function"]["name"]),
        ]
        return Answer("", tool_calls=calls)


def written(text: str) -> str:
    """A text as a template gives it and an output can hold it."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text).replace("\r\n", "\n").replace("\r", "\n").strip()


def judge(stdout: str, stderr: str, files: Mapping[str, str]) -> None:
    """Nothing was done to the job but what a run of ours does: one group, and its outputs. `files` holds what it
    wrote where, by the variable that names it."""
    for commands in in_any_order(stdout, stderr):
        assert [(one.name, one.data) for one in commands] == [("group", f"strands-action: {TITLE}"), ("endgroup", "")]
        assert Effects.of(commands) == Effects(groups=[f"strands-action: {TITLE}"])
    assert [name for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE") if files.get(name)] == []
    parse_summary(files["GITHUB_STEP_SUMMARY"])
    outputs = parse_file_command(files["GITHUB_OUTPUT"])
    assert outputs["status"] == "success"
    expected = {name: written(text) for name, text in texts().items()}
    assert {name: outputs.get(name) for name in expected} == expected
    assert "PWNED" not in outputs
    assert set(outputs) == {*expected, "shaped", *OUTPUTS}


def tokens(stderr: str) -> list[str]:
    """What would have had the host listen again."""
    return [one.data for one in parse_log(stderr) if one.name == "stop-commands"]
