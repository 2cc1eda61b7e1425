"""A key of the language in whole runs: two files that differ in it, and what of their runs must differ.

A file names the servers of its run by words in capitals, which stand where an address would: `MODEL` answers as its
provider, `OTHER` as that of a fallback (or of an agent), `WEB` is a web server, `COLLECTOR` takes spans, `FAR` is a
server of tools, and at `DEAF` nobody accepts a connection. Those that a file names are started for its run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from runner.spec.shape import Shape
from tests.agents.test_mcp import PROGRAM
from tests.build import as_text, workflow
from tests.contract.test_patterns import Script
from tests.contract.test_reuse import AWS
from tests.servers import SERVERS, Answer, Request, WebServer
from tests.servers.collector import Collector
from tests.servers.deaf import deaf
from tests.servers.http import ModelServer, text_of
from tests.workspace import Outcome, Workspace

CHANGED = [
    {"filename": name, "patch": "\n".join(["@@ -0,0 +1,200 @@", *(f"+{name} has {number}" for number in range(200))])}
    for name in ("src/tea.py", "docs/tea.md")
]
"""The files of a pull request, of which the second has changed since it was looked at."""

FILES = {
    "agents/critic.yaml": "prompt: You judge.\n",
    "agents/editor.yaml": "prompt: You edit.\n",
    "tea.md": "Make tea.\n",
    "milk.md": "Warm milk.\n",
    "first.txt": "the first file",
    "second.txt": "the second file",
    "facts.yaml": as_text({"pr": {"files": CHANGED, "since": "c" * 40, "since_files": CHANGED[1:]}}),
}
"""What lies beside every workflow file here."""

ENVIRON = {
    **AWS,
    "KEY": "value of KEY",
    "OTHER_KEY": "value of OTHER_KEY",
    "ANTHROPIC_API_KEY": "a-key-of-anthropic",
}


@dataclass(frozen=True)
class Ran:
    """A run that has ended, and the servers that it named."""

    outcome: Outcome
    servers: Mapping[str, Any]

    @property
    def requests(self) -> list[Request]:
        """What the model was sent, in order."""
        return self.servers["MODEL"].requests  # type: ignore[no-any-return]

    @property
    def last(self) -> Request:
        return self.requests[-1]


@dataclass(frozen=True)
class Row:
    """`look` sees `was` in the run of the file `before`, and `now` in that of `after`, which has the key or another
    value of it. The model answers both as `reply` says."""

    after: dict[str, Any]
    look: Callable[[Ran], Any]
    was: Any
    now: Any
    before: dict[str, Any]
    reply: Any


def acts(
    after: dict[str, Any],
    look: Callable[[Ran], Any],
    was: Any,
    now: Any,
    before: dict[str, Any] | None = None,
    reply: Any = "ok",
) -> Row:
    return Row(after, look, was, now, before or file(), reply)


def refused(
    after: dict[str, Any],
    words: str,
    before: dict[str, Any] | None = None,
    reply: Any = "ok",
    exit_code: int = 3,
) -> Row:
    """Before the first token, in these words; without the key the file runs."""

    def look(ran: Ran) -> tuple[int, bool, bool]:
        return ran.outcome.exit_code, words in ran.outcome.log, bool(ran.requests)

    return acts(after, look, (0, False, True), (exit_code, True, False), before, reply)


def file(**changes: Any) -> dict[str, Any]:
    """The smallest file, asked of `MODEL`, with its attempts close together."""
    policy = {"wait_min": 0.01, **((changes.get("runtime") or {}).get("failure_policy") or {})}
    runtime = {"host": "MODEL", **(changes.pop("runtime", None) or {}), "failure_policy": policy}
    return workflow(runtime=runtime, **changes)


def run(workspace: Workspace, written: dict[str, Any], reply: Any) -> Ran:
    """The file's run, with the servers that it names."""
    for name, content in FILES.items():
        workspace.write(name, content)
    workspace.environ |= ENVIRON
    named = set(re.findall(r"\b(?:MODEL|OTHER|WEB|COLLECTOR|FAR|DEAF)\b", text := as_text(written))) | {"MODEL"}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(_server(name, written, reply)) for name in sorted(named)}
        for name, server in servers.items():
            text = re.sub(rf"\b{name}\b", server if isinstance(server, str) else server.url, text)
        inputs = {"facts": "facts.yaml"} if "{{ pr." in text else {}
        inputs |= {"post": "plan"} if "post" in written.get("outputs", {}) else {}
        return Ran(workspace.run(text, **inputs), servers)


def _server(name: str, written: dict[str, Any], reply: Any) -> Any:
    runtime = written["runtime"]
    match name:
        case "MODEL":
            return SERVERS[runtime["provider"]](reply=Script(reply) if isinstance(reply, dict) else reply)
        case "OTHER":
            return SERVERS[[runtime, *runtime.get("fallbacks", ())][-1]["provider"]](reply="from the other")
        case "WEB":
            return WebServer(lambda request: Answer("a page", delay=0.4 if "slow" in request.path else 0))
        case "COLLECTOR":
            return Collector(silent=False)
        case "DEAF":
            return deaf()
    return _far()


@contextmanager
def _far() -> Iterator[str]:
    """The address of the small server of tools, over HTTP."""
    command = [sys.executable, "-P", str(PROGRAM), "http"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        process.stdin.close()


# -- what the files of a row differ in --------------------------------------------------------------------------------


def values(of: Any, shape: str, name: str) -> list[Any]:
    """What a file says under a key of a shape, wherever that shape stands in it."""
    if isinstance(of, Shape):
        mine = [getattr(of, name)] if type(of).__name__ == shape else []
        inner: list[Any] = [getattr(of, field) for field in type(of).model_fields]
    else:
        mine, inner = [], list(of.values()) if isinstance(of, dict) else of if isinstance(of, list) else []
    return [*mine, *(value for one in inner for value in values(one, shape, name))]


def differences(one: Any, other: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in which two files differ, as deep as both have something there; nothing is as good as empty."""
    if isinstance(one, dict) or isinstance(other, dict):
        one, other = one or {}, other or {}
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from differences(one.get(key), other.get(key), (*where, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, (*where, at))
    elif one != other:
        yield where


# -- what is looked at: what the model was sent -----------------------------------------------------------------------


def questions(ran: Ran) -> list[str]:
    """The question of each request."""
    return [request.user_texts[-1] for request in ran.requests]


def conversation(ran: Ran) -> list[str]:
    """Everything that the user says in the last request."""
    return ran.last.user_texts


def system(ran: Ran) -> str:
    """The system prompt of the last request."""
    return text_of(ran.last.messages[0]["content"]) if ran.last.messages[0]["role"] == "system" else ""


def systems(ran: Ran) -> list[str]:
    return [text_of(one.messages[0]["content"]) for one in ran.requests if one.messages[0]["role"] == "system"]


def asked(ran: Ran) -> int:
    return len(ran.requests)


def sent(name: str) -> Callable[[Ran], Any]:
    """A parameter of the last request."""
    return lambda ran: ran.last.body.get(name)


def offered(ran: Ran) -> list[str]:
    """The tools of the last request."""
    return [tool["function"]["name"] for tool in ran.last.body.get("tools", ())] if ran.requests else []


def described(words: str) -> Callable[[Ran], bool]:
    """Whether this stands in the description of a tool."""
    return lambda ran: any(words in tool["function"]["description"] for tool in ran.requests[0].body["tools"])


def told(ran: Ran) -> str:
    """What the last tool that was used told the model."""
    found = [one["content"] for one in ran.last.messages if one["role"] == "tool"]
    return (found[-1] if isinstance(found[-1], str) else text_of(found[-1])) if found else ""


def shown(ran: Ran) -> list[str]:
    """The files that the model is told of, and those that it sees to the end."""
    names = [one["filename"] for one in CHANGED]
    question = ran.last.user_texts[-1]
    return [*(name for name in names if name in question), *(name for name in names if f"{name} has 199" in question)]


def in_flight(ran: Ran) -> int:
    """The most requests that were under way at once."""
    return ran.servers["MODEL"].max_in_flight  # type: ignore[no-any-return]


def of_other(look: Callable[[Ran], Any]) -> Callable[[Ran], Any]:
    """The same, of what `OTHER` was sent; None when it was sent nothing."""

    def see(ran: Ran) -> Any:
        other: ModelServer | None = ran.servers.get("OTHER")
        return look(Ran(ran.outcome, {"MODEL": other})) if other is not None and other.requests else None

    return see


def path(ran: Ran) -> str:
    return ran.last.path


def region(ran: Ran) -> str:
    """The region for which a request to AWS is signed."""
    return ran.last.headers["authorization"].split("/")[2]


# -- what is looked at: what the run did ------------------------------------------------------------------------------


def ended(ran: Ran) -> tuple[int, str]:
    return ran.outcome.exit_code, ran.outcome.outputs["status"]


def statuses(ran: Ran) -> dict[str, str]:
    return {step["path"]: step["status"] for step in ran.outcome.results["steps"]}


def output(name: str) -> Callable[[Ran], str | None]:
    return lambda ran: ran.outcome.outputs.get(name)


def result(name: str) -> Callable[[Ran], Any]:
    return lambda ran: ran.outcome.results[name]


def said(words: str) -> Callable[[Ran], bool]:
    """Whether the log says it."""
    return lambda ran: words in ran.outcome.log


def warned(words: str) -> Callable[[Ran], bool]:
    """Whether a warning is annotated that says it."""
    return lambda ran: any(line.startswith("::warning") and words in line for line in ran.outcome.annotations)


def artifacts(ran: Ran) -> dict[str, str]:
    return {one.name: one.read_text() for one in ran.outcome.root.rglob("*.out")}


def to_post(name: str) -> Callable[[Ran], Any]:
    """What the plan of a post says below that name."""

    def look(ran: Ran) -> Any:
        [plan] = ran.outcome.root.rglob("*post-plan.json")
        return json.loads(plan.read_text())["plan"][name]

    return look


def written(name: str) -> Callable[[Ran], bool]:
    return lambda ran: (ran.outcome.root / name).exists()


def browsed(ran: Ran) -> list[str]:
    """The paths that `WEB` was asked for."""
    return [request.target for request in ran.servers["WEB"].requests]


def header(ran: Ran) -> str | None:
    """The header X-Key that `WEB` was sent; None where it was asked nothing."""
    return next((request.headers.get("x-key") for request in ran.servers["WEB"].requests), None)


def collected(words: bytes) -> Callable[[Ran], bool]:
    return lambda ran: "COLLECTOR" in ran.servers and words in ran.servers["COLLECTOR"].received


def service(ran: Ran) -> str:
    """The name under which the spans on disk stand."""
    [one] = (ran.outcome.root / "strands-artifacts").glob("*.otlp.jsonl")
    return re.findall(r'"service.name", "value": {"stringValue": "([^"]*)"', one.read_text())[0]  # type: ignore[no-any-return]
