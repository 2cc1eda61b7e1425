"""Secrets that AWS keeps: Secrets Manager and the parameters of Systems Manager. The one room beside `agents` that
imports an SDK, and only a run that needs it imports this."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from runner.credentials import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from runner.plan.secrets import Secret

DEFAULT_REGION: Final = "us-east-1"
CALLS: Final = {"secrets_manager": "secretsmanager", "ssm": "ssm"}
CONFIG: Final = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})


class Vault:
    """AWS, asked once for each name. `with` closes the connections."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._clients: dict[tuple[str, str], Any] = {}
        self._values: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()

    def value(self, one: Secret) -> str:
        """The value of a secret, or of a key inside its JSON. Raises Unavailable."""
        try:
            if (one.source, one.key) not in self._values:
                self._values[one.source, one.key] = self._fetch(one)
        except ClientError as error:
            told = error.response.get("Error", {})
            raise Unavailable(f"AWS does not give '{one.key}': {told.get('Code')}: {told.get('Message')}") from None
        except (BotoCoreError, ValueError) as error:  # no credentials, no region, nobody there; a name that is none
            raise Unavailable(f"AWS cannot be asked for '{one.key}': {error}") from None
        whole = self._values[one.source, one.key]
        return whole if one.path is None else _inside(whole, one)

    def _fetch(self, one: Secret) -> str:
        client = self._client(CALLS[one.source], _region_of(one.key))
        if one.source == "ssm":
            return str(client.get_parameter(Name=one.key, WithDecryption=True)["Parameter"]["Value"])
        answer = client.get_secret_value(SecretId=one.key)
        if "SecretString" not in answer:
            raise Unavailable(f"'{one.key}' is binary; a secret is text")
        return str(answer["SecretString"])

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            environ = self._environ
            session = boto3.Session(
                aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID") or None,
                aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
                aws_session_token=environ.get("AWS_SESSION_TOKEN") or None,
                profile_name=environ.get("AWS_PROFILE") or None,
                region_name=region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
            )
            address = environ.get(f"AWS_ENDPOINT_URL_{_VARIABLE[service]}") or environ.get("AWS_ENDPOINT_URL") or None
            self._clients[service, region] = session.client(
                service, region_name=session.region_name or DEFAULT_REGION, endpoint_url=address, config=CONFIG
            )
        return self._clients[service, region]


_VARIABLE: Final = {"secretsmanager": "SECRETS_MANAGER", "ssm": "SSM"}


def _region_of(name: str) -> str:
    """The region that stands in an ARN; nothing in any other name."""
    parts = name.split(":")
    return parts[3] if name.startswith("arn:") and len(parts) > 3 else ""


def _inside(whole: str, one: Secret) -> str:
    try:
        data = json.loads(whole)
    except ValueError:
        raise Unavailable(f"'{one.key}' is not JSON, so it has no '{one.path}'") from None
    found = data.get(one.path) if isinstance(data, dict) else None
    if found is None:
        raise Unavailable(f"the JSON of '{one.key}' has no '{one.path}'")
    return found if isinstance(found, str) else json.dumps(found)
