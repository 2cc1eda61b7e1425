"""What must be said loudly at the end of the suite about container tests, whichever process found it out."""

from typing import Any, Final

import pytest

WHY_NOT: Final = "why container tests did not run"
BASE: Final = "what the image was built on"
_SAID: Final = pytest.StashKey[dict[str, str]]()


def note(config: pytest.Config, about: str, text: str) -> None:
    """To be told at the end; a worker of pytest-xdist hands it to the process that tells."""
    said: dict[str, Any] = getattr(config, "workeroutput", config.stash.setdefault(_SAID, {}))
    said[about] = text


def hand_on(config: pytest.Config, workeroutput: dict[str, Any]) -> None:
    """What a worker noted."""
    for about in (WHY_NOT, BASE):
        if about in workeroutput:
            note(config, about, workeroutput[about])


def tell(config: pytest.Config, terminal: pytest.TerminalReporter) -> None:
    said = config.stash.get(_SAID, {})
    if BASE in said:
        terminal.write_line(said[BASE])
    if WHY_NOT not in said:
        return
    terminal.write_sep("!", "THE CONTAINER TESTS DID NOT RUN", red=True, bold=True)
    terminal.write_line(f"Why: {said[WHY_NOT]}.", red=True, bold=True)
    terminal.write_line("So nothing here says whether the image builds or keeps to the runner's contract.", red=True)
    terminal.write_line("With STRANDS_REQUIRE_ENGINE=1, as in .ci/run, this is a failure.", red=True)
    terminal.write_sep("!", red=True, bold=True)
