"""The secrets that a file declares, fetched from where it says: every problem at once, and none of them with a value.

What a secret of the environment or of a file needs is known without asking anybody, so `validate` can tell; AWS is
asked by a run only.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.credentials import NOT_GIVEN, Unavailable, require
from runner.credentials.scrub import SHORTEST_SECRET
from runner.errors import Finding, SecretsMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from runner.credentials.scrub import Scrubber
    from runner.plan.plan import Plan
    from runner.plan.secrets import Secret

MAX_FILE: Final = 64 * 1024
"""Bytes of a file that holds a secret."""


def needed(
    plan: Plan,
    environ: Mapping[str, str],
    workspace: Path,
    scrub: Scrubber,
    *,
    models: bool,
    tools: bool,
    mask: Callable[[Iterable[str]], object] = list,
) -> dict[str, str]:
    """The secrets of a plan's file, for a run that asks models or uses tools; one that does neither has none. From
    here on `scrub` knows them, those that are at hand in any case, and `mask` is told those that no host can know.

    Raises UsageError for what cannot be had, and with `models` for one without its key.
    """
    if not (models or tools):
        scrub.learn(there(plan.secrets, environ, workspace))
        return {}
    secrets = resolve(plan.secrets, environ, workspace)
    scrub.learn(secrets.values())
    # What is in the environment is masked already, when it came from the host's own secrets.
    mask(secrets[one.called] for one in plan.secrets if one.source != "env")
    if models:
        require(plan.steps(), {**environ, **secrets})
    return secrets


def resolve(secrets: Iterable[Secret], environ: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """The values by key. Raises SecretsMissing with a finding for each that cannot be had.

    AWS is asked with the credentials of the environment, and with those that are themselves secrets of the file.
    """
    found: dict[str, str] = {}
    problems: list[Finding] = []
    at_hand = [one for one in secrets if one.source in ("env", "file")]
    elsewhere = [one for one in secrets if one not in at_hand]
    for one in at_hand:
        try:
            found[one.called] = _long_enough(_at_hand(one, environ, workspace))
        except Unavailable as problem:
            problems.append(_finding(one, problem))
    if elsewhere:
        from runner.credentials.aws import Vault  # boto3: half a second that most runs do without

        with Vault({**environ, **found}) as vault:
            for one in elsewhere:
                try:
                    found[one.called] = _long_enough(vault.value(one))
                except Unavailable as problem:
                    problems.append(_finding(one, problem))
    if problems:
        raise SecretsMissing(sorted(problems, key=lambda finding: finding.at))
    return found


def absent(secrets: Iterable[Secret], environ: Mapping[str, str], workspace: Path) -> Iterator[Finding]:
    """A warning for every secret of the environment or of a file that a run would miss here."""
    for one in secrets:
        if one.source in ("env", "file"):
            try:
                _long_enough(_at_hand(one, environ, workspace))
            except Unavailable as problem:
                yield replace(_finding(one, problem), level="warning")


def there(secrets: Iterable[Secret], environ: Mapping[str, str], workspace: Path) -> Iterator[str]:
    """The values of those that are in the environment or a file, for what needs none and must not tell them either."""
    for one in secrets:
        if one.source in ("env", "file"):
            with suppress(Unavailable):
                yield _long_enough(_at_hand(one, environ, workspace))


def _finding(one: Secret, problem: Unavailable) -> Finding:
    return Finding(f"secret '{one.called}' (source {one.source}): {problem}", one.at)


def _long_enough(value: str) -> str:
    if len(value.strip()) < SHORTEST_SECRET:
        raise Unavailable(f"its value is shorter than {SHORTEST_SECRET} characters, too short to be kept out of texts")
    return value


def _at_hand(one: Secret, environ: Mapping[str, str], workspace: Path) -> str:
    if one.source == "file":
        return _content(one.path or "", workspace)
    if not environ.get(one.key):
        raise Unavailable(f"the environment variable {one.key} is not set ({NOT_GIVEN})")
    return environ[one.key]


def _content(name: str, workspace: Path) -> str:
    """The text of a file, without the newline at its end. What a repository names must lie in the workspace, unless
    it is named by its whole path: a link is nothing that a reviewer looks behind."""
    try:
        path = (workspace / name).resolve()
        if not os.path.isabs(name) and not path.is_relative_to(workspace.resolve()):
            raise Unavailable(f"the path '{name}' leads out of the workspace; write the whole path")
        content = _read(path, name)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise Unavailable(f"there is no file {name}") from None
    except UnicodeDecodeError:
        raise Unavailable(f"the file {name} is not UTF-8 text") from None
    except OSError as error:
        raise Unavailable(f"the file {name} cannot be read: {error.strerror}") from None
    except (ValueError, RuntimeError):  # a null byte, a loop of links
        raise Unavailable(f"{name!r} is not the path of a file") from None
    return text.removesuffix("\n").removesuffix("\r")


def _read(path: Path, name: str) -> bytes:
    # A pipe that somebody planted would hold up whoever opens it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unavailable(f"{name} is not a regular file")
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise Unavailable(f"the file {name} is larger than {MAX_FILE // 1024} KiB")
    return content
