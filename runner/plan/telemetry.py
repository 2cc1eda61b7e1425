"""Where the spans of a run go and under which name, as the file says; `runner.telemetry` sends them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.plan.problems import Find, Place
    from runner.spec import models as spec

OTEL: Final[Place] = ("telemetry", "otel")
GRPC_PORT: Final = 4317


@dataclass(frozen=True)
class Telemetry:
    """What stands where the job's environment says nothing. `sample_ratio` is the share of runs that are exported."""

    endpoint: str | None = None
    service_name: str | None = None
    sample_ratio: float = 1.0


def telemetry_of(source: spec.Spec, find: Find) -> Telemetry:
    """The file's telemetry; `find` is told of an endpoint that is none."""
    otel = source.telemetry.otel if source.telemetry else None
    if otel is None:
        return Telemetry()
    if otel.endpoint is not None and (problem := _bad_endpoint(otel.endpoint)):
        find(problem, (*OTEL, "endpoint"))
    return Telemetry(otel.endpoint, otel.service_name, otel.sample_ratio)


def advice(source: spec.Spec) -> Iterator[tuple[str, Place]]:
    """What in the file will not do what its writer hopes, each with its place."""
    if source.telemetry is None:
        return
    otel, redact = source.telemetry.otel, source.telemetry.redact
    if otel is not None and otel.endpoint and _port(otel.endpoint) == GRPC_PORT:
        yield f"{GRPC_PORT} is the port for gRPC; spans are sent over HTTP, mostly to port 4318", (*OTEL, "endpoint")
    for name in sorted(redact.model_fields_set if redact else ()):
        if not getattr(redact, name):
            told = "what tools are given and answer is in no trace, unless OTEL_SEMCONV_STABILITY_OPT_IN asks for it"
            yield f"redact.{name}: false changes nothing: {told}", ("telemetry", "redact", name)


def _bad_endpoint(endpoint: str) -> str | None:
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s?#]", endpoint):
        return f"endpoint {endpoint!r} is not a base URL, such as http://localhost:4318"
    if parts.path.rstrip("/").endswith("/v1/traces"):
        return f"endpoint '{endpoint}' is more than the base URL: /v1/traces is added to it"
    return None


def _port(endpoint: str) -> int | None:
    try:
        return urlsplit(endpoint).port
    except ValueError:
        return None
