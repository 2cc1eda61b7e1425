"""Secrets planted everywhere, in every form: a run leaves none of them in any file and no byte of what it prints."""

from __future__ import annotations

import html
import json
import shlex
from base64 import b32encode, b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import pytest

from runner import run as running
from runner.deliver import Delivery
from tests.agents.test_http_tools import api, get
from tests.agents.test_mcp import server as mcp
from tests.build import chain
from tests.contract.leaks import leaks
from tests.contract.replaying import FAST
from tests.servers import Answer, OpenAIServer, Request, WebServer
from tests.workspace import Outcome, Workspace, workflow

VALUE = "vL7#xQ\"2m'Zp/Kd9+Rt=Wy&4Bn\\Hc6Jf"
FILED = "fGq8Zr2Lw5Xc1Vb9Nm4Kp7Jh3Td6Ys0A"
LINES = "-----BEGIN-----\nMzU4Qm9Lx2Tr7Wv\nHd6Yp1Ke8Zc3Ns\n-----END-----"
KEY, JOB, RUNTIME = "sk-Ab3De6Gh9Jk2Mn5Pq8St1Vw4", "ghs_Zy1Xw2Vu3Ts4Rq5Po6Nm7Lk8", "eyJhR9tK3mQ7zX1cV5bN8pL2wD6"
PROXY, CUSTOM = "Pr0xyP4sswordXkQ7m", "cUst0mTokenQw9Er8Ty7"
SECRETS = [VALUE, FILED, *LINES.split("\n")[1:3], KEY, JOB, RUNTIME, PROXY, CUSTOM]
ENVIRON = {
    "VALUE": VALUE,
    "OPENAI_API_KEY": KEY,
    "GITHUB_TOKEN": JOB,
    "ACTIONS_RUNTIME_TOKEN": RUNTIME,
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.test/?api-version=2",
    "FTP_PROXY": f"http://me:{PROXY}@127.0.0.1:9",
    "REGISTRY_TOKEN": CUSTOM,
}
DECLARED = {
    "secrets": [
        {"key": "VALUE", "source": "env"},
        {"key": "FILED", "source": "file", "path": "filed"},
        {"key": "LINES", "source": "file", "path": "lines.pem"},
    ]
}
PLANTED = {"workflow.yaml", "workflow.test.yaml", "filed", "lines.pem", "event.json", "known.txt"}
"""Files that a test wrote, and no run."""


def wrapped(text: str, width: int, sign: str = "") -> str:
    return "\n".join(f"{sign}{text[at : at + width]}" for at in range(0, len(text), width))


FORMS = {
    "plain": str,
    "base64": lambda one: b64encode(one.encode()).decode(),
    "base64 behind a name": lambda one: b64encode(b"user:" + one.encode()).decode(),
    "base64 for URLs": lambda one: urlsafe_b64encode(one.encode()).decode().rstrip("="),
    "base64 in lines": lambda one: wrapped(b64encode(one.encode()).decode(), 16),
    "base32": lambda one: b32encode(one.encode()).decode(),
    "in a URL": lambda one: quote(one, safe=""),
    "in a URL, all of it": lambda one: "".join(f"%{byte:02x}" for byte in one.encode()),
    "in JSON": lambda one: json.dumps(one)[1:-1],
    "in JSON in JSON": lambda one: json.dumps(json.dumps(one)),
    "as code points": lambda one: "".join(rf"\u{ord(sign):04x}" for sign in one),
    "as bytes": lambda one: "".join(rf"\x{byte:02X}" for byte in one.encode()),
    "hexadecimal": lambda one: one.encode().hex(),
    "in HTML": html.escape,
    "in HTML, all of it": lambda one: "".join(f"&#{ord(sign)};" for sign in one),
    "in a shell": shlex.quote,
    "split over lines": lambda one: wrapped(one, 7),
    "split and indented": lambda one: wrapped(one, 9, "    "),
    "split and quoted": lambda one: wrapped(one, 10, "> "),
    "split in a difference": lambda one: wrapped(one, 8, "+ "),
    "split in JSON": lambda one: json.dumps(wrapped(one, 6))[1:-1],
}


def every_form(kind: str = "") -> str:
    """All secrets in every form whose name begins so."""
    whole = [VALUE, FILED, LINES, KEY, JOB, RUNTIME, PROXY, CUSTOM]
    return "\n".join(f"({write(one)})" for name, write in FORMS.items() if name.startswith(kind) for one in whole)


@pytest.fixture
def planted(workspace: Workspace) -> Workspace:
    workspace.environ |= {**ENVIRON, "GITHUB_EVENT_PATH": str(workspace.root / "event.json")}
    for name, text in {"filed": FILED, "lines.pem": LINES, "known.txt": every_form()}.items():
        workspace.write(name, text)
    workspace.write("event.json", json.dumps({"comment": {"body": every_form()}}))
    return workspace


def left(outcome: Outcome) -> dict[str, str]:
    """Everything that a run wrote or printed, but for the commands that tell the host what to mask."""
    files = [path for path in outcome.root.rglob("*") if path.is_file() and path.name not in PLANTED]
    written = {str(path.relative_to(outcome.root)): path.read_bytes().decode(errors="replace") for path in files}
    log = "\n".join(line for line in outcome.log.splitlines() if not line.startswith("::add-mask::"))
    return written | {"log": log, "stdout": outcome.stdout}


def assert_none(outcome: Outcome) -> None:
    assert leaks(left(outcome), SECRETS) == []


def echo(request: Request) -> Answer:
    """A server that gives back what it was sent."""
    return Answer(json.dumps([request.headers, request.query]), headers={"x-echo": request.headers["authorization"]})


def everything(host: str, web: str, said: str) -> dict[str, Any]:
    """A file with a secret wherever one may be named, and wherever somebody may have written one."""
    tools = api(web, headers={"Authorization": "Bearer {{ secrets.VALUE }}"}, description=f"With {FILED}.")
    tools |= {"python": ["file_read", "grep", "calculator"], "mcp": [mcp(env={"TOKEN": "{{ secrets.FILED }}"})]}
    return workflow(
        host,
        chain({"input": "Go {{ topic }}", "vars": {"more": CUSTOM}}, "And {{ last_response }}?"),
        env=DECLARED,
        description=f"Made with {KEY}.",
        inputs={"required": {"topic": "string"}},
        agents={"writer": {"prompt": f"You know {VALUE}, {said}", "tools": ["api", "small", *tools["python"]]}},
        tools=tools,
        context_policy={"notes": {"file": "notes.md"}},
        outputs={
            "artifacts": [{"path": "said.md", "from": "{{ last_response }}"}, {"path": "trace", "from": "{{ TRACE }}"}],
            "step_outputs": {"said": "{{ last_response }}"},
        },
    )


def whole_run(workspace: Workspace, kind: str, mode: str, **inputs: str) -> Outcome:
    calls = [
        *(get("/echo", query={"given": write(VALUE)}) for name, write in FORMS.items() if name.startswith(kind)),
        ("file_read", {"path": "known.txt"}),
        ("grep", {"pattern": "\\(", "path": "known.txt"}),
        ("env", {}),
        ("calculator", {"expression": every_form(kind)}),
    ]
    script = [Answer("", tool_calls=calls), Answer(every_form(kind), chunks=9), Answer(f"Yes: {every_form(kind)}")]
    with WebServer(echo) as web, OpenAIServer(script) as model:
        content = everything(model.url, web.url, every_form(kind))
        return workspace.run(content, mode=mode, variables=json.dumps({"topic": every_form(kind)}), **inputs)


# -- the judge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [VALUE, FILED])
def test_the_judge_finds_a_secret_in_every_form(form: str, secret: str):
    assert leaks({"a file": f"so {FORMS[form](secret)} it is"}, [secret])


def test_the_judge_finds_a_piece_of_a_secret_and_nothing_where_none_is():
    assert leaks({"a file": f"so {FILED[5:20]}… it is"}, [FILED])
    assert leaks({"a file": f"so {b64encode(b'me:' + FILED[:20].encode()).decode()} it is"}, [FILED])
    assert leaks({"a file": "so *** it is, as sk-Ab3De6 or vL7"}, SECRETS) == []


# -- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "base", "in", "as", "hexadecimal", "split"])
def test_in_everything_that_a_run_is_given_and_told(planted: Workspace, kind: str):
    """Its file, its inputs, what tools and the model say."""
    outcome = whole_run(planted, kind, "live", debug="true")
    assert outcome.exit_code == 0, outcome.log
    assert len(outcome.results["steps"][0]["tools"]) >= 5
    assert "***" in (planted.root / "notes.md").read_text()
    assert_none(outcome)


def test_in_a_recording_and_what_is_made_of_it(planted: Workspace):
    assert_none(recorded := whole_run(planted, "", "record"))
    assert (planted.root / "fixtures/test").is_dir()
    assert recorded.exit_code == 0, recorded.log
    variables = {"variables": json.dumps({"topic": every_form()})}
    assert_none(replayed := planted.action(spec="workflow.yaml", mode="replay", **variables))
    assert replayed.exit_code == 0, replayed.log
    assert_none(resumed := planted.action(spec="workflow.yaml", mode="resume", **variables))
    assert resumed.exit_code == 0, resumed.log


def test_in_test_cases(planted: Workspace):
    case = {"name": f"with {VALUE}", "variables": {"topic": every_form()}, "expect": {"contains": f"not {KEY}"}}
    planted.write("workflow.test.yaml", {"cases": [case]})
    whole_run(planted, "", "record")
    outcome = planted.action(spec="workflow.test.yaml", mode="test")
    assert outcome.exit_code != 0
    assert_none(outcome)


@pytest.mark.parametrize("before", range(212, 300, 22))
def test_in_what_a_provider_says_wherever_it_is_cut(planted: Workspace, before: int):
    said = f"{'x' * before} {KEY} {VALUE}"
    answer = Answer(status=401, error={"error": {"message": said}}, headers={"x-echo": KEY})
    with OpenAIServer(lambda _: answer) as server:
        outcome = planted.run(
            workflow(server.url, chain("go"), env=DECLARED, runtime={"failure_policy": {"retries": 0}})
        )
    assert outcome.exit_code == 10
    assert "refused the credentials" in outcome.log
    assert_none(outcome)


def test_in_what_a_provider_says_in_every_form(planted: Workspace):
    said = [Answer(status=503, error={"error": {"message": every_form(form)}}) for form in FORMS]
    patient = {"failure_policy": {"retries": len(said) - 1, **FAST}}
    with OpenAIServer(said) as server:
        outcome = planted.run(workflow(server.url, chain("go"), env=DECLARED, runtime=patient))
    assert outcome.exit_code == 10
    assert len(outcome.logged("step_retry")) == len(said) - 1
    assert_none(outcome)


@pytest.mark.parametrize("mode", ["live", "record"])
def test_in_a_bug_of_ours_in_the_midst_of_a_run(planted: Workspace, monkeypatch: pytest.MonkeyPatch, mode: str):
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(every_form()) from ValueError(every_form())

    monkeypatch.setattr(running, "wrapped", broken)
    outcome = planted.run(
        workflow("http://127.0.0.1:9/v1", chain("go"), env=DECLARED, runtime={"failure_policy": {"retries": 0}}),
        mode=mode,
    )
    assert outcome.exit_code == 70
    assert "RuntimeError" in outcome.log
    assert_none(outcome)


def test_in_a_bug_of_ours_at_the_door(planted: Workspace, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any) -> Any:
        raise RuntimeError(every_form())

    monkeypatch.setattr(Delivery, "run", broken)
    with OpenAIServer() as server:
        outcome = planted.run(
            workflow(server.url, chain("go"), env=DECLARED, runtime={"failure_policy": {"retries": 0}})
        )
    assert outcome.exit_code == 70
    assert "a bug of ours" in outcome.log
    assert_none(outcome)


# -- what is refused, and what only looks -----------------------------------------------------------------------------

OF_THE_JOB = [KEY, JOB, RUNTIME, PROXY, CUSTOM]
"""Secrets that are known before any file is read."""


@pytest.mark.parametrize(
    "inputs",
    [
        {"mode": KEY},
        {"spec": f"{CUSTOM}.yaml"},
        {"spec": "workflow.yaml", "max_parallel": JOB},
        {"spec": "workflow.yaml", "variables": f"[{RUNTIME}"},
        {"spec": "workflow.yaml", "variables": json.dumps({CUSTOM: KEY})},
        {"prompt": f"{KEY}", "provider": CUSTOM},
    ],
)
def test_in_an_input_that_is_refused(planted: Workspace, inputs: dict[str, str]):
    planted.write(
        "workflow.yaml",
        workflow("http://127.0.0.1:9/v1", chain("go"), env=DECLARED, runtime={"failure_policy": {"retries": 0}}),
    )
    outcome = planted.action(**inputs)
    assert outcome.exit_code not in (0, 70)
    assert leaks(left(outcome), OF_THE_JOB) == []


@pytest.mark.parametrize("mode", ["live", "validate", "plan"])
@pytest.mark.parametrize(
    "changes",
    [
        {"agents": {"writer": {"prompt": "p", "tools": [CUSTOM]}}},
        {"runtime": {"temperature": f"{'x' * 40}{KEY}"}},
        {KEY: {"a": JOB}},
        {"agents": {"writer": {"prompt": f"{{{{ {CUSTOM} }}}}"}}},
        {"agents": {"writer": {"prompt": "{{ a.b | " + CUSTOM + " }}"}}},
        {"name": [KEY]},
    ],
)
def test_in_a_file_that_is_refused(planted: Workspace, changes: dict[str, Any], mode: str):
    outcome = planted.run({**workflow("http://127.0.0.1:9/v1", chain("go")), **changes}, mode=mode)
    assert outcome.exit_code == 3
    assert leaks(left(outcome), OF_THE_JOB) == []


@pytest.mark.parametrize("how", [["plan"], ["plan", "--json"], ["plan", "--mermaid"], ["validate"]])
def test_in_a_file_that_is_only_looked_at(planted: Workspace, how: list[str]):
    content = everything("http://127.0.0.1:9/v1", "https://web.test", every_form())
    planted.write("workflow.yaml", {**content, "name": f"with {FILED}"})
    outcome = planted.command(how[0], "workflow.yaml", *how[1:])
    assert outcome.exit_code == 0, outcome.log
    assert_none(outcome)
