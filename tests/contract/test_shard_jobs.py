"""The example of shards as its ci.yml says it: every job a process in a checkout of its own, with the inputs that stand
there; artifacts go from one to the next as the host would bring them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tests.servers import OpenAIServer
from tests.workspace import push, read_outputs

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/sharded-review"
JOBS: dict[str, Any] = yaml.safe_load((EXAMPLE / "ci.yml").read_text())["jobs"]


class Host:
    """What a CI host does of ci.yml: a checkout for every job, our step with its inputs, artifacts by their names."""

    def __init__(self, root: Path, server: OpenAIServer) -> None:
        self.root, self.server = root, server
        self.artifacts: dict[str, Path] = {}

    def run(self, job: str, name: str, **expressions: str) -> dict[str, str]:
        """The outputs of our step in a job; `${{ … }}` is replaced by what is given for it."""
        checkout = self.root / name
        shutil.copytree(EXAMPLE, checkout / "examples/sharded-review")
        outputs: dict[str, str] = {}
        for step in JOBS[job]["steps"]:
            given = {key: _filled(str(value), expressions) for key, value in step.get("with", {}).items()}
            match re.sub("@.*", "", step.get("uses", "")):
                case "org/strands-action":
                    outputs = self._ours(checkout, given)
                case "actions/upload-artifact":
                    self.artifacts[given["name"]] = checkout / given["path"]
                case "actions/download-artifact":
                    for artifact, path in self.artifacts.items():
                        shutil.copytree(path, checkout / given["path"] / artifact)
        return outputs

    def _ours(self, checkout: Path, given: dict[str, str]) -> dict[str, str]:
        output = checkout / ".output"
        output.write_text("")
        inputs = {f"INPUT_{name.upper()}": value for name, value in {"host": self.server.url, **given}.items()}
        ended = subprocess.run(
            [sys.executable, str(ROOT / "entrypoint.py")],
            cwd=checkout,
            env={
                "PATH": os.environ["PATH"],
                "GITHUB_ACTIONS": "true",
                **push(checkout),
                "GITHUB_WORKSPACE": str(checkout),
                "GITHUB_OUTPUT": str(output),
                "OPENAI_API_KEY": "sk-of-a-test-0123456789",
                **inputs,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return read_outputs(output.read_text())


def _filled(text: str, expressions: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ (?:matrix|strategy)\.([\w-]+) \}\}", lambda found: expressions[found[1]], text)


def test_the_jobs_of_the_example_ask_each_question_once_and_end_as_one_run_would(tmp_path: Path):
    with OpenAIServer(lambda request: f"<{request.user_texts[-1]}>") as server:
        host = Host(tmp_path, server)
        shards = json.loads(host.run("plan", "plan")["matrix"])["shard"]
        assert shards == ["1/3", "2/3", "3/3"]
        with ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(host.run, "shard", f"shard-{at}", **{"shard": one, "job-index": str(at)})
                for at, one in enumerate(shards)
            ]
            assert {job.result()["status"] for job in jobs} == {"success"}
        in_shards = Counter(request.user_texts[-1] for request in server.requests)
        rest = host.run("rest", "rest")
        asked = Counter(request.user_texts[-1] for request in server.requests)

    assert (rest["status"], rest["steps-resumed"], rest["steps-run"]) == ("success", "4", "5")
    assert (len(in_shards), set(asked.values())) == (4, {1})
    [last] = asked.keys() - in_shards.keys()
    assert all(f"<{question}>" in last for question in in_shards)
    assert rest["review"] == f"<{last}>"
