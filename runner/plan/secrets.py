"""The secrets that a file declares: where each is to be found, never a value. `runner.credentials` fetches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from runner.errors import Location
from runner.records import dataclass

if TYPE_CHECKING:
    from runner.plan.problems import Find
    from runner.spec import models as spec
    from runner.spec.load import Document

Source: TypeAlias = Literal["env", "file", "secrets_manager", "ssm"]

ONLY_THERE: Final = "AWS_BEARER_TOKEN_BEDROCK"
"""The one key of a provider that cannot be handed over: its SDK looks for it by itself."""


@dataclass(frozen=True)
class Secret:
    """`called` is what the file and the providers call it, `key` what its source does.

    `path` is the file of a secret from a file, and a key inside the JSON of one that AWS keeps.
    """

    called: str
    source: Source
    key: str
    path: str | None = None
    at: Location = Location("")


def secrets_of(source: spec.Spec, document: Document, find: Find) -> tuple[Secret, ...]:
    """The declared secrets in the order of the file; `find` is told of those that cannot be."""
    found: dict[str, Secret] = {}
    for index, one in enumerate(source.env.secrets if source.env else ()):
        key, place = one.called, ("env", "secrets", index)
        if key in found:
            find(f"secret '{key}' stands here again; it was first declared in line {found[key].at.line}", place)
        if key == ONLY_THERE and (one.source, one.key or key) != ("env", key):
            find(f"boto3 takes {key} from the environment and from nowhere else; set it there", place)
        found.setdefault(key, Secret(key, one.source, one.key or key, one.path, document.locate(place)))
    return tuple(found.values())
