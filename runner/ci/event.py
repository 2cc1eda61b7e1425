"""What started this job, as the host tells it: the event's name, its payload, and whose words it carries.

A payload is written by whoever caused the event. Nothing here believes its shape: what is not there, or not what it
should be, is None.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from runner.records import dataclass

MAX_PAYLOAD: Final = 32 * 1024 * 1024
"""Bytes; the host's own limit is 25 MB."""

_LOGIN: Final = re.compile(r"[A-Za-z0-9_-]{1,100}(\[bot\])?", re.ASCII)
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_REPOSITORY: Final = re.compile(r"(?!\.)[\w.-]{1,100}/(?!\.\.?$)[\w.-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Account:
    """Somebody at the host. The number is who it is; the login is only what the account is called today."""

    id: int
    login: str


@dataclass(frozen=True)
class Told:
    """What somebody else wrote as a JSON object."""

    payload: Mapping[str, Any] = field(default_factory=dict)

    def at(self, *path: str) -> Any:
        """What stands in the payload at a path; None where there is nothing."""
        found: Any = self.payload
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def text(self, *path: str) -> str:
        """The text at a path; empty where there is none."""
        found = self.at(*path)
        return found if isinstance(found, str) else ""

    def part(self, *path: str) -> Told:
        """The object at a path; empty where there is none."""
        found = self.at(*path)
        return Told(found if isinstance(found, Mapping) else {})

    def each(self, *path: str) -> list[Told]:
        """The objects of the list at a path; none where it is no list."""
        found = self.at(*path)
        return [Told(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    def id(self, *path: str) -> int | None:
        """The number that says which repository or account stands at a path."""
        found = self.at(*path, "id")
        return found if type(found) is int else None  # not True, which is 1

    def account(self, *path: str) -> Account | None:
        """The account at a path; None where none can be told from it."""
        number, login = self.id(*path), self.text(*path, "login")
        return Account(number, login) if number is not None and _LOGIN.fullmatch(login) else None

    def commit(self, *path: str) -> str:
        """The commit at a path; empty where it is none."""
        found = self.text(*path)
        return found if _SHA.fullmatch(found) else ""


@dataclass(frozen=True)
class Event(Told):
    """One event. `trouble` says why its payload cannot be read, and is empty where it can."""

    name: str = ""
    repository: str = ""
    """As owner/name."""
    sha: str = ""
    """The commit that the host runs for: of a pull request the merge with its base, else one of this repository."""
    actor: int | None = None
    trouble: str = ""


def event_of(environ: Mapping[str, str]) -> Event:
    """The event of this job. Never fails: what cannot be read is an event with a `trouble`."""
    payload, trouble = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    repository, sha, actor = (environ.get(f"GITHUB_{name}", "") for name in ("REPOSITORY", "SHA", "ACTOR_ID"))
    return Event(
        name=environ.get("GITHUB_EVENT_NAME", ""),
        payload=payload,
        repository=repository if _REPOSITORY.fullmatch(repository) else "",
        sha=sha if _SHA.fullmatch(sha) else "",
        actor=int(actor) if re.fullmatch(r"[0-9]{1,18}", actor) else None,
        trouble=trouble,
    )


def _payload(path: str) -> tuple[Mapping[str, Any], str]:
    if not path:
        return {}, "GITHUB_EVENT_PATH names no file"
    try:
        # A pipe that somebody planted would hold up whoever opens it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return {}, "it is not a regular file"
            content = file.read(MAX_PAYLOAD + 1)
        if len(content) > MAX_PAYLOAD:
            return {}, f"it is larger than {MAX_PAYLOAD // 1024 // 1024} MiB"
        found = json.loads(content)
    except OSError as error:
        return {}, f"it cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return {}, "it is not JSON"
    return (found, "") if isinstance(found, dict) else ({}, "it is not a JSON object")
