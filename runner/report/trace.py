"""Spans as files: a JSON that people read, and OTLP/JSON that collectors load. Pure functions of records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any, Final

from runner.report.streamed import members

_STATUS: Final = {"unset": 0, "ok": 1, "error": 2}
_INTERNAL: Final = 1  # SPAN_KIND_INTERNAL
_LINE: Final = 100  # spans a line, so that no reader meets a line too long for it


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One finished span; ids in hexadecimal, times in nanoseconds since 1970."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    status: str
    attributes: Mapping[str, Any]
    scope: str
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """What happened in it, by name; only in a run that was asked for prompts and answers."""


def as_json(spans: Iterable[SpanRecord]) -> Iterator[str]:
    """The trace artifact, piece by piece: `{"spans": [...]}`, in the order in which they come."""
    rows = (
        {
            "name": span.name,
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "start": datetime.fromtimestamp(span.start_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
            "duration_ms": round((span.end_ns - span.start_ns) / 1e6, 3),
            "status": span.status,
            "attributes": dict(span.attributes),
            **({"events": [{"name": name, **told} for name, told in span.events]} if span.events else {}),
        }
        for span in spans
    )
    return members({"spans": rows}, 1)


def as_otlp_lines(spans: Iterable[SpanRecord], service: str = "strands-action") -> Iterator[str]:
    """OTLP/JSON, a request a line; https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding."""
    resource = {"attributes": _attributes({"service.name": service})}
    for scope, group in groupby(spans, key=lambda span: span.scope):
        while some := [_otlp_span(span) for span in islice(group, _LINE)]:
            scoped = {"scope": {"name": scope}, "spans": some}
            yield json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scoped]}]}) + "\n"


def _otlp_span(span: SpanRecord) -> dict[str, Any]:
    encoded = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "status": {"code": _STATUS.get(span.status, 0)},
    }
    if span.events:
        encoded["events"] = [{"name": name, "attributes": _attributes(told)} for name, told in span.events]
    return encoded | ({"parentSpanId": span.parent_id} if span.parent_id else {})


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(one) for one in value]}}
        case _:
            return {"stringValue": str(value)}
