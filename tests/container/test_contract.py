"""The image under the runner's contract: what it is given, what it must leave behind, and how it must end."""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import docker
import pytest

from tests.container.job import Job, Outcome, action
from tests.servers import Answer, OpenAIServer

# The first test to ask for the image makes the stand-in and builds, which is minutes on a slow machine.
pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

KEY: Final = {"OPENAI_API_KEY": "key-that-must-not-be-printed"}
# A model that tries every door into the runner's command parser.
HOSTILE: Final = "::error::pwned\n##[add-mask]e\n::set-output name=approved::true\n::stop-commands::x\nEOF\nlast 100%25"
# Names that Python, the entrypoint or the engine import; in an unguarded interpreter the workspace's would win.
PLANTED: Final = ("sitecustomize.py", "usercustomize.py", "runner/__init__.py", "yaml.py", "strands.py", "asyncio.py")
PLANT: Final = "open('/github/workspace/planted', 'a').write(__name__)\n"
CHAIN: Final = """\
version: 0
name: two-steps
runtime:
  provider: openai
  model_id: scripted
  failure_policy: {retries: 0}
inputs:
  required:
    topic: string
agents:
  writer:
    prompt: You write one sentence.
    tools: []
pattern:
  type: chain
  config:
    steps:
      - {agent: writer, input: "Write about {{ topic }}"}
      - {agent: writer, input: "Improve: {{ steps[0].response }}"}
outputs:
  step_outputs:
    headline: "{{ last_response }}"
"""
INPUTS: Final = {"spec": "workflow.yaml", "variables": "topic: boats"}

NewJob = Callable[[Mapping[str, str]], Job]


@pytest.fixture
def job(tmp_path: Path) -> NewJob:
    return lambda files: Job(tmp_path, files)


# A run that succeeds


@pytest.fixture(scope="module")
def good(image: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    job = Job(tmp_path_factory.mktemp("good"), {"workflow.yaml": CHAIN, **dict.fromkeys(PLANTED, PLANT)})
    with OpenAIServer(reply=[Answer("a draft"), Answer(HOSTILE)]) as server:
        inputs = {**INPUTS, "host": server.url, "max-parallel": "2"}
        outcome = job.run(image, inputs, {**KEY, "PYTHONPATH": "/github/workspace"})
        assert [request.user_texts for request in server.requests] == [["Write about boats"], ["Improve: a draft"]]
    return outcome


def test_success_and_its_outputs(good: Outcome) -> None:
    assert (good.exit_code, good.outputs["status"]) == (0, "success"), good.stderr
    wanted = {
        "response": HOSTILE,
        "headline": HOSTILE,
        "steps-run": "2",
        "steps-failed": "0",
        "cache-builds": "1",
        "cache-hits": "1",
        "cache-hit-rate": "50",
        "clients-created": "1",
        "input-tokens": "20",
        "output-tokens": "10",
        "total-tokens": "30",
    }
    assert {name: good.outputs.get(name) for name in wanted} == wanted
    assert re.fullmatch(r"[0-9a-f]{12,64}", good.outputs["config-hash"])


def test_files_of_a_run_belong_to_the_owner_of_the_workspace(good: Outcome) -> None:
    folder = good.job.workspace / "strands-artifacts"
    found = {path.name for path in folder.rglob("*") if path.is_file()}
    for pattern in (r"results\.json", r"trace-[^.]+\.json", r"trace-[^.]+\.otlp\.jsonl", r"summary\.md"):
        assert any(re.fullmatch(pattern, name) for name in found), f"no {pattern} among {sorted(found)}"
    assert json.loads(good.artifact("results-path").read_text())["status"] == "success"
    assert json.loads(good.artifact("trace-path").read_text())["spans"]
    left = [path for root in (folder, good.job.root / "home") for path in (root, *root.rglob("*"))]
    strangers = [path for path in left if (path.stat().st_uid, path.stat().st_gid) != good.job.owner]
    assert strangers == []


def test_the_summary_is_there_and_within_the_runners_limit(good: Outcome) -> None:
    assert 0 < len(good.summary.encode()) <= 1024 * 1024


def test_nothing_the_model_says_is_a_command(good: Outcome) -> None:
    said = {command.name for command in good.commands}
    assert said <= {"group", "endgroup", "notice", "debug"}, good.commands
    assert "approved" not in good.outputs


def test_no_secret_is_told(good: Outcome) -> None:
    files = [path for path in (good.job.workspace / "strands-artifacts").rglob("*") if path.is_file()]
    told = [good.stdout, good.stderr, good.summary, *good.outputs.values(), *(path.read_text() for path in files)]
    assert not [text for text in told if "must-not-be-printed" in text]


def test_nothing_is_imported_from_the_workspace(good: Outcome) -> None:
    assert good.exit_code == 0
    assert not (good.job.workspace / "planted").exists()


# Runs that do not


@pytest.mark.parametrize(
    ("files", "inputs", "exit_code", "says"),
    [
        pytest.param({}, INPUTS, 12, "workflow.yaml", id="missing file"),
        pytest.param({"workflow.yaml": CHAIN}, {**INPUTS, "max-parallel": "many"}, 2, "max-parallel", id="bad input"),
    ],
)
def test_refused(
    image: str, job: NewJob, files: dict[str, str], inputs: dict[str, str], exit_code: int, says: str
) -> None:
    outcome = job(files).run(image, inputs, KEY)
    assert (outcome.exit_code, outcome.outputs["status"]) == (exit_code, "invalid"), outcome.stderr
    assert any(says in error.data for error in outcome.errors), outcome.commands


def test_an_invalid_workflow_is_annotated_where_it_is_wrong(image: str, job: NewJob) -> None:
    outcome = job({"workflow.yaml": CHAIN.replace("    tools: []", "    tolls: []")}).run(image, INPUTS, KEY)
    assert (outcome.exit_code, outcome.outputs["status"]) == (3, "invalid"), outcome.stderr
    line = CHAIN.splitlines().index("    tools: []") + 1
    (error,) = (error for error in outcome.errors if "tolls" in error.data)
    assert "tools" in error.data, "the nearest known key is named"
    assert [error.properties.get(name) for name in ("file", "line", "col")] == ["workflow.yaml", str(line), "5"]


def test_a_failing_step_still_leaves_everything_behind(image: str, job: NewJob) -> None:
    with OpenAIServer(reply=[Answer("a draft"), Answer(status=400)]) as server:
        outcome = job({"workflow.yaml": CHAIN}).run(image, {**INPUTS, "host": server.url}, KEY)
    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed"), outcome.stderr
    assert (outcome.outputs["steps-run"], outcome.outputs["steps-failed"]) in {("1", "1"), ("2", "1")}
    assert outcome.errors
    assert outcome.summary
    assert json.loads(outcome.artifact("results-path").read_text())["status"] == "failed"
    assert json.loads(outcome.artifact("trace-path").read_text())["spans"]


def test_an_interrupt_ends_the_run_in_time_with_everything_written(image: str, job: NewJob) -> None:
    with (
        OpenAIServer(reply=[Answer("a draft"), Answer(delay=60)]) as server,
        job({"workflow.yaml": CHAIN}).started(image, {**INPUTS, "host": server.url}, KEY) as running,
    ):
        server.until(lambda: len(server.requests) == 2, timeout=30)
        begun = time.monotonic()
        running.signal("SIGINT")
        outcome = running.outcome()
        took = time.monotonic() - begun
    assert (outcome.exit_code, outcome.outputs["status"]) == (130, "cancelled"), outcome.stderr
    assert took < 5, "the runner waits 7.5 s before it asks less kindly"
    assert outcome.summary
    results = json.loads(outcome.artifact("results-path").read_text())
    assert results["status"] == "cancelled"
    assert "a draft" in json.dumps(results), "what was finished is kept"


# The command line and the image itself


def test_help_needs_no_environment(engine: docker.DockerClient, image: str) -> None:
    assert b"usage" in engine.containers.run(image, ["--help"], network_mode="none", remove=True)


def test_validate_loads_no_sdk(image: str, job: NewJob) -> None:
    outcome = job({"workflow.yaml": CHAIN}).run(
        image,
        {},
        entrypoint=["/opt/venv/bin/python", "-I", "-X", "importtime"],
        command=["/opt/strands-action/entrypoint.py", "validate", "workflow.yaml"],
    )
    loaded = {name.split(".")[0] for name in re.findall(r"^import time:.*\|\s*(\S+)$", outcome.stderr, re.MULTILINE)}
    assert outcome.exit_code == 0, outcome.stderr[-2000:]
    assert "runner" in loaded
    assert not loaded & {"strands", "openai", "boto3", "botocore", "ollama", "aiohttp", "httpx", "opentelemetry"}


def test_the_image_says_what_it_is_and_leaves_the_rest_to_the_runner(engine: docker.DockerClient, image: str) -> None:
    config = engine.images.get(image).attrs["Config"]
    assert config["Entrypoint"] == ["/opt/venv/bin/python", "-I", "-u", "/opt/strands-action/entrypoint.py"]
    runs = action()["runs"]
    assert [runs["entrypoint"], *runs["args"]] == config["Entrypoint"]
    assert [config.get(name) for name in ("User", "Volumes", "Healthcheck", "WorkingDir")] in (
        ["", None, None, ""],
        ["", None, None, "/"],
    )
    labels = {name.removeprefix("org.opencontainers.image.") for name in config["Labels"]}
    assert labels >= {"title", "description", "licenses", "version", "revision", "created"}


def test_the_image_holds_nothing_to_install_or_compile_with_nor_a_way_to_another_user(
    engine: docker.DockerClient, image: str
) -> None:
    modules = "import importlib.util as u; print([m for m in ('pip', 'ensurepip', 'setuptools') if u.find_spec(m)])"
    others = (
        "find / -xdev ! -type l -perm -0002 ! -perm -1000; find / -xdev -type f -perm /6000"  # write here, or become
    )
    script = (
        f'id -u; command -v pip pip3 gcc cc g++ make; python -c "{modules}"; /opt/venv/bin/python -I -c "{modules}"; '
        f"{others}"
    )
    output = engine.containers.run(image, ["-c", script], entrypoint="sh", network_mode="none", remove=True)
    assert output.decode().split("\n") == ["0", "[]", "[]", ""]


def test_the_image_is_compiled(engine: docker.DockerClient, image: str) -> None:
    # A module without bytecode would be compiled again at every start.
    lacking = (
        "import sys, pathlib, importlib.util as u; import runner.main, asyncio, yaml, pydantic;"
        "print([m for m in sys.modules.values() if (f := getattr(m, '__file__', None)) and f.endswith('.py')"
        " and not pathlib.Path(u.cache_from_source(f)).exists()])"
    )
    output = engine.containers.run(
        image, ["-I", "-B", "-c", lacking], entrypoint="/opt/venv/bin/python", network_mode="none", remove=True
    )
    assert output.decode().strip() == "[]"
