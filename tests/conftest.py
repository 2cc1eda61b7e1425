"""What all tests share, and how they are shared out: `make test` has two processes, one of which has the container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.container import notes
from tests.servers import Internet
from tests.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    return Internet(monkeypatch)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One engine and one image are enough: all tests of the container go to one process, and they come first, because
    most of their time is waiting."""
    for item in items:
        if item.get_closest_marker("container"):
            item.add_marker(pytest.mark.xdist_group("container"))
    items.sort(key=lambda item: item.get_closest_marker("container") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    notes.hand_on(node.config, getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    notes.tell(config, terminalreporter)
