"""Which values of the environment are secrets: by the names of variables, and by where in an address they stand.

A word that everybody uses must not be one of them, for it would be blotted out of every answer.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECRETS: Final = frozenset(
    {
        *(key for facts in PROVIDERS.values() for key in facts.keys),
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "GITHUB_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    }
)
"""Variables whose value is a secret whatever it looks like."""

_NAME: Final = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|(?:^|_)(?:TOKEN|AUTHTOKEN|SECRET|CREDENTIALS?|PAT|APIKEY"
    r"|(?:API|ACCESS|SECRET|PRIVATE|ACCOUNT|SIGNING|ENCRYPTION)_KEY))(?:_[0-9]+)?$"
)
"""How the name of what is secret ends, in capitals and with underscores for every other sign."""

_ORDINARY: Final = re.compile(
    r"[-+0-9.,:_]+"  # a number
    r"|(?:~|\.{0,2})(?:/[\w.@ -]+){2,}/?|[\w./-]+\.(?:json|ya?ml|pem|key|p12|txt)|[A-Za-z]:\\.*"  # a path
    r"|password|passwd|passphrase|credentials?",  # what a test of a workflow has for one
    re.IGNORECASE,
)
_PASSWORD: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://([^\s/?#:@]*):([^\s/?#]+)@", re.IGNORECASE)
"""In an address: whose it is, and what is secret."""


def secrets_in(environ: Mapping[str, str]) -> Iterator[str]:
    """The values that nobody may be shown, some of them too short to be taken out of texts."""
    for name, value in environ.items():
        if name in SECRETS:
            yield value.strip()
        elif is_secret(name, value):
            yield value.strip()
            yield from _inside(value)
        if name.lower().endswith("_proxy"):
            yield from _of_proxy(value)
        yield from _passwords(value)
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        for pair in environ.get(name, "").split(","):
            told = pair.partition("=")[2].strip()
            yield from (told, unquote(told))


def is_secret(name: str, value: str) -> bool:
    """Whether a variable's name says that its value is a secret, and the value is not plainly something else."""
    ending = re.sub(r"[^A-Z0-9]+", "_", name.upper())
    return _NAME.search(ending) is not None and _ORDINARY.fullmatch(value.strip()) is None


def _inside(value: str) -> Iterator[str]:
    """The secrets of one that is JSON, such as the key of a service account, by the names that they have there."""
    if not value.lstrip().startswith("{"):
        return
    try:
        entries: dict[str, Any] = json.loads(value)
    except (ValueError, RecursionError):
        return
    yield from (one for name, one in entries.items() if isinstance(one, str) and is_secret(name, one))


def _of_proxy(address: str) -> Iterator[str]:
    """What is secret in the address of a proxy: all of it, where it is no address."""
    try:
        found = urlsplit(address).password or ""
    except ValueError:
        found = address
    yield from (found, unquote(found))


def _passwords(value: str) -> Iterator[str]:
    """The passwords in addresses, but for those that are the user's name: a database of a test has such."""
    if "://" not in value:
        return
    for user, password in _PASSWORD.findall(value):
        if password != user and not _ORDINARY.fullmatch(password):
            yield from (password, unquote(password))
