"""What all tests share, and how they are shared out: `make test` has four processes, one of which has the container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.container import notes
from tests.servers import Internet, OpenAIServer
from tests.workspace import Workspace, chain, jobs_workspace, workflow
from tests.zygote import Asked, Zygote


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with jobs_workspace() as made:
        yield made


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    return Internet(monkeypatch)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """One that has run already: its first run is none that can be stopped or killed."""
    root = tmp_path_factory.mktemp("first")
    with Zygote() as started, OpenAIServer() as server:
        (root / "workflow.yaml").write_text(json.dumps(workflow(server.url, chain("go"))))
        first = started.run(Asked(["run", "workflow.yaml", "--post", "plan"], str(root)))
        assert first.code == 0, first.log
        yield started


TOGETHER = (
    "tests/container/",
    "tests/contract/test_stopping.py",
    "tests/testing/test_outsider.py",
    "tests/plan/test_template_limits.py",
)
"""Tests that one process runs: they share an engine and an image, a process that was started for them, a package that
was built, or what took long to find out."""


ALONE = ("tests/test_",)
BY_FUNCTION = ("tests/contract/", "tests/agents/")
"""Tests that take long enough to be shared out one by one, or with the other parameters of theirs. All others go by
file: the scheduler looks at everything that it has given out whenever a test has ended."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Every test to whichever process is free, but those that belong together to one, which begins with them."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return shared_out_as(nodeid)

    return Scheduling(config, log)


def shared_out_as(nodeid: str) -> str:
    """The name of what one process runs this test with."""
    if together := next((group for group in TOGETHER if nodeid.startswith(group)), None):
        return together
    if nodeid.startswith(ALONE):
        return nodeid
    return nodeid.split("[")[0] if nodeid.startswith(BY_FUNCTION) else nodeid.split("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    notes.hand_on(node.config, getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    notes.tell(config, terminalreporter)
