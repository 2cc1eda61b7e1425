"""Secrets Manager and Systems Manager's parameters, in AWS's JSON protocol, as far as secrets are read from them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping

from .http import Answer, Json, ModelServer, Request

AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "aws-secret-0123", "AWS_REGION": "eu-west-1"}
"""Credentials that the server does not look at."""


class AwsServer(ModelServer):
    """Has these secrets and parameters; bytes are a binary secret. `asked` tells for what and in which region."""

    route = re.compile("/")
    stream_type = "application/x-amz-json-1.1"

    def __init__(self, secrets: Mapping[str, str | bytes] | None = None, parameters: Mapping[str, str] | None = None):
        super().__init__(self._tell)
        self._secrets, self._parameters = secrets or {}, parameters or {}

    @property
    def environ(self) -> dict[str, str]:
        """What points boto3 here."""
        return {**AWS, "AWS_ENDPOINT_URL": self.url}

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The names asked for, each with the region that the request was signed for."""
        return [
            (request.body.get("SecretId") or request.body["Name"], request.headers["authorization"].split("/")[2])
            for request in self.requests
        ]

    def streams(self, request: Request) -> bool:
        return False

    def whole(self, request: Request, answer: Answer) -> Json:
        return {}  # every answer is raw

    def error(self, status: int, message: str) -> Json:
        return {"__type": message, "message": "no such thing"}

    def _tell(self, request: Request) -> Answer:
        match request.headers["x-amz-target"]:
            case "secretsmanager.GetSecretValue" if (name := request.body["SecretId"]) in self._secrets:
                value = self._secrets[name]
                kind = "SecretString" if isinstance(value, str) else "SecretBinary"
                return _said({"Name": name, kind: value if isinstance(value, str) else b64encode(value).decode()})
            case "AmazonSSM.GetParameter" if (name := request.body["Name"]) in self._parameters:
                assert request.body["WithDecryption"] is True
                return _said({"Parameter": {"Name": name, "Value": self._parameters[name]}})
            case "AmazonSSM.GetParameter":
                return Answer(status=400, error=self.error(400, "ParameterNotFound"))
        return Answer(status=400, error=self.error(400, "ResourceNotFoundException"))


def _said(body: Json) -> Answer:
    return Answer(raw=json.dumps(body).encode())
