"""The pytest plugin: options, the fixture `workflow`, and what is told at the end. A door of its own: environment and
clock come in here.

pytest imports it wherever the package is installed, so it imports nothing that a test has not asked for.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runner.testing.fixture import Session, Workflow

TOLD = "strands_action"
"""The attribute of a test's report that tells about its recordings; plain data, which goes from process to process."""

RECORD = ("none", "changed", "all")

MOST_NAMED = 3
"""Tests in a command that is to be copied."""

_TALLY = pytest.StashKey[Any]()
_SESSION = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("strands-action", "workflows on recordings").addoption(
        "--record",
        choices=RECORD,
        default="none",
        help="what the fixture 'workflow' asks of models: nothing (none, the default: recordings are replayed), "
        "what has no recording or another one (changed), or everything anew (all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Told(), "strands-action-told")


@pytest.fixture
def workflow(request: pytest.FixtureRequest) -> Workflow:
    """Run a workflow file on its recordings: `report = workflow("triage.yaml", variables={"title": "down"})`."""
    from runner.testing.fixture import Workflow

    node = request.node
    made = Workflow(_session(request.config), _typed(node), node.name, node.path.parent)
    node.stash[_TALLY] = made.tally
    return made


def _session(config: pytest.Config) -> Session:
    from runner.testing.fixture import Session

    if _SESSION not in config.stash:
        root, record = config.rootpath, config.getoption("--record")
        config.stash[_SESSION] = Session(root, record, os.environ, lambda: datetime.now(UTC))
    session: Session = config.stash[_SESSION]
    return session


def _typed(item: pytest.Item) -> str:
    """A test as it is named on a command line, from where pytest was called."""
    file = os.path.relpath(item.path, item.config.invocation_params.dir)
    return f"{file}::{item.nodeid.partition('::')[2]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what a test did with recordings into the report of its phase: it may have run in another process."""
    report = yield
    if tally := item.stash.get(_TALLY, None):
        setattr(report, TOLD, {"test": _typed(item), **tally})
        tally.clear()
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Beside a status that is not the one wanted, why."""
    # Asked of every comparison in a project that fails, so nobody's own object is asked for an attribute.
    known = [getattr(one, "why", None) for one in (left, right) if isinstance(one, str)]
    why = next((one for one in known if isinstance(one, str)), None)
    return None if why is None else [f"{left!r} {op} {right!r}", why]


@dataclass
class Told:
    """What the tests told about recordings, for the end."""

    made: dict[str, dict[str, int]] = field(default_factory=dict)
    stale: dict[str, set[str]] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = getattr(report, TOLD, {})
        for place, verdicts in told.get("made", {}).items():
            self.made.setdefault(place, verdicts)  # what another test finds there is what the first one recorded
        if "stale" in told and report.failed:
            self.stale.setdefault(told["stale"], set()).add(told["test"])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Only where there is something to do."""
        if not self.made and not self.stale:
            return
        terminalreporter.section("workflow recordings")
        if self.made:
            terminalreporter.line("recorded, to be reviewed and committed:")
            for place in sorted(self.made):
                told = ", ".join(f"{count} {verdict}" for verdict, count in self.made[place].items())
                terminalreporter.line(f"  {place}: {told}")
        for record, tests in sorted(self.stale.items()):
            told = "1 test" if len(tests) == 1 else f"{len(tests)} tests"
            terminalreporter.line(f"{told} without the right recordings; to record them, with the keys of the models:")
            terminalreporter.line(f"  {shlex.join(['pytest', f'--record={record}', *_few(tests)])}")


def _few(tests: set[str]) -> list[str]:
    """The tests, or their files where they are many."""
    return sorted(tests if len(tests) <= MOST_NAMED else {one.partition("::")[0] for one in tests})
