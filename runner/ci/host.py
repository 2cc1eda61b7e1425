"""The CI host as seen from a step: where it wants outputs and the summary, and whether there is one at all."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.ci.commands import annotate, command, masks, output_file, printable
from runner.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from runner.ci.voice import Voice
    from runner.errors import Finding


class Host:
    """A GitHub Actions runner, one that imitates it, or nobody: then everything here does nothing.

    `scrub` takes secrets out of everything that is said.
    """

    def __init__(
        self, environ: Mapping[str, str], cwd: Path, voice: Voice, scrub: Callable[[str], str] = lambda text: text
    ) -> None:
        self.present = environ.get("GITHUB_ACTIONS") == "true"
        self.workspace = Path(environ.get("GITHUB_WORKSPACE") or cwd)
        self.debugging = environ.get("RUNNER_DEBUG") == "1"
        self._outputs, self._summary = environ.get("GITHUB_OUTPUT"), environ.get("GITHUB_STEP_SUMMARY")
        self._voice, self._scrub = voice, scrub

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set step outputs; a later value of the same name wins. Raises FileProblem."""
        if self._outputs:
            clean = {name: self._scrub(value) for name, value in outputs.items()}
            _append(self._outputs, output_file(clean), "GITHUB_OUTPUT")

    @property
    def takes_summaries(self) -> bool:
        return bool(self._summary)

    def write_summary(self, text: str) -> None:
        """Add to the job summary. Raises FileProblem."""
        if self._summary:
            _append(self._summary, self._scrub(text), "GITHUB_STEP_SUMMARY")

    def annotate(self, findings: Iterable[Finding], title: str) -> None:
        """Put findings on the lines they are about."""
        clean = (replace(one, message=self._scrub(one.message)) for one in findings)  # before it is cut
        self._say(map(self._scrub, annotate(clean, title)))

    def mask(self, values: Iterable[str]) -> None:
        """Have the host blot values out of everything that it shows of this job, line by line."""
        self._say(masks(values))

    def group(self, title: str) -> None:
        """Begin a part of the log that is folded away; `end_group` ends it."""
        self._say([self._scrub(command("group", printable(title)))])

    def end_group(self) -> None:
        self._say([command("endgroup")])

    def quiet(self) -> AbstractContextManager[None]:
        """In here nothing that is printed is a command but what is said through here; `speak` ends it sooner."""
        return self._voice.quiet() if self.present else nullcontext()

    def speak(self) -> None:
        self._voice.speak()

    def _say(self, commands: Iterable[str]) -> None:
        if self.present:
            self._voice.say(list(commands))


def _append(path: str, text: str, name: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with open(descriptor, "a", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise FileProblem(f"{name} cannot be written: {error.strerror}") from error
