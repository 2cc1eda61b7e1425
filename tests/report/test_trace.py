"""The trace files: one that people read, one that collectors load."""

from __future__ import annotations

import base64
import json
import tempfile
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runner.errors import FileProblem
from runner.report.trace import SpanRecord, as_json, as_otlp_lines
from runner.spans import Spans
from runner.spill import SMALL

SECOND = 1_000_000_000


def span(name: str = "step", **changes: Any) -> SpanRecord:
    """A span of one second, one hour after 1970 began."""
    defaults: dict[str, Any] = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "parent_id": None,
        "start_ns": 3600 * SECOND,
        "end_ns": 3601 * SECOND,
        "status": "unset",
        "attributes": {},
        "scope": "strands-action",
    }
    return SpanRecord(name, **{**defaults, **changes})


def kept(*spans: SpanRecord, room: int = 0) -> Spans:
    """As a run keeps them, where memory has no room for any."""
    found = Spans(room)
    for one in spans:
        found.append(one)
    return found


def loaded(text: str) -> list[ExportTraceServiceRequest]:
    """Every line as a collector reads it. OTLP/JSON has hexadecimal ids where protobuf's JSON has base64."""
    requests = []
    for line in text.splitlines():
        data = json.loads(line)
        for one in [one for part in data["resourceSpans"] for scope in part["scopeSpans"] for one in scope["spans"]]:
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in one:
                    one[key] = base64.b64encode(bytes.fromhex(one[key])).decode()
        requests.append(ParseDict(data, ExportTraceServiceRequest()))
    return requests


def spans_of(text: str) -> list[Any]:
    return [
        one
        for request in loaded(text)
        for part in request.resource_spans
        for scope in part.scope_spans
        for one in scope.spans
    ]


# -- for people -------------------------------------------------------------------------------------------------------


def test_a_span_is_told_with_its_place_time_and_attributes() -> None:
    found = json.loads(
        "".join(as_json([span("agent.invoke", parent_id="00f067aa0ba902b7", attributes={"agent": "ü"})]))
    )
    assert found == {
        "spans": [
            {
                "name": "agent.invoke",
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "span_id": "b7ad6b7169203331",
                "parent_id": "00f067aa0ba902b7",
                "start": "1970-01-01T01:00:00.000+00:00",
                "duration_ms": 1000.0,
                "status": "unset",
                "attributes": {"agent": "ü"},
            }
        ]
    }


def test_spans_stand_in_the_order_of_their_starts() -> None:
    spans = kept(span("child", start_ns=2), span("root", start_ns=1))
    assert [one["name"] for one in json.loads("".join(as_json(spans.by_start())))["spans"]] == ["root", "child"]


def test_spans_that_do_not_fit_into_memory_are_told_all_the_same() -> None:
    told = {"a": 1, "b": 0.5, "c": "ü\ud800" * SMALL, "d": True, "e": ("x", 1)}
    spans = [span("one", attributes=told), span("two", events=(("said", told),), parent_id="00f067aa0ba902b7")]
    assert [*as_json(kept(*spans).by_start())] == [*as_json(spans)]
    assert [*as_otlp_lines(kept(*spans).by_scope())] == [*as_otlp_lines(spans)]


@given(st.lists(st.integers(0, 2**63), max_size=12), st.integers(0, 1500), st.integers(0, 3))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_spans_may_go_on_ending_while_the_others_are_read(starts: list[int], room: int, late: int) -> None:
    spans = [span(f"s{number}", start_ns=start, scope="xy"[number % 2]) for number, start in enumerate(starts)]
    found = kept(*spans, room=room)
    reading = found.by_scope()
    for _ in range(late):
        found.append(span("late"))
    in_order = sorted(spans, key=lambda one: (one.scope, one.start_ns))
    assert [(one.name, one.start_ns) for one in reading] == [(one.name, one.start_ns) for one in in_order]


def test_spans_that_there_is_no_room_for_end_no_run_and_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    spans = kept(span(), span(attributes={"a": "x" * SMALL}))
    with pytest.raises(FileProblem, match="cannot be kept below /nowhere"):
        [*spans.by_start()]


def test_no_spans_are_an_empty_list() -> None:
    assert json.loads("".join(as_json([]))) == {"spans": []}
    assert "".join(as_otlp_lines([])) == ""


# -- for collectors ---------------------------------------------------------------------------------------------------


def test_a_collector_reads_the_same_span() -> None:
    (found,) = spans_of("".join(as_otlp_lines([span("step", parent_id="00f067aa0ba902b7", status="error")])))
    assert found.name == "step"
    assert found.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert (found.span_id.hex(), found.parent_span_id.hex()) == ("b7ad6b7169203331", "00f067aa0ba902b7")
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (3600 * SECOND, 3601 * SECOND)
    assert (found.kind, found.status.code) == (1, 2)


def test_a_root_has_no_parent() -> None:
    assert "parentSpanId" not in "".join(as_otlp_lines([span()]))


@pytest.mark.parametrize(("status", "code"), [("unset", 0), ("ok", 1), ("error", 2), ("whatever", 0)])
def test_every_status_has_its_number(status: str, code: int) -> None:
    assert spans_of("".join(as_otlp_lines([span(status=status)])))[0].status.code == code


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("ü", "string_value", "ü"),
        (True, "bool_value", True),
        (0, "int_value", 0),
        (2**53 + 1, "int_value", 2**53 + 1),
        (0.5, "double_value", 0.5),
    ],
)
def test_an_attribute_keeps_its_type(value: Any, kind: str, read: Any) -> None:
    (attribute,) = spans_of("".join(as_otlp_lines([span(attributes={"a": value})])))[0].attributes
    assert attribute.key == "a"
    assert attribute.value.WhichOneof("value") == kind
    assert getattr(attribute.value, kind) == read


def test_a_list_is_a_list() -> None:
    (attribute,) = spans_of("".join(as_otlp_lines([span(attributes={"a": ("x", 1)})])))[0].attributes
    assert [one.string_value or one.int_value for one in attribute.value.array_value.values] == ["x", 1]


def test_the_service_has_a_name() -> None:
    (request,) = loaded("".join(as_otlp_lines([span()])))
    (attribute,) = request.resource_spans[0].resource.attributes
    assert (attribute.key, attribute.value.string_value) == ("service.name", "strands-action")


def test_every_scope_keeps_its_spans() -> None:
    spans = kept(span("a", scope="x"), span("b", scope="y"), span("c", scope="x")).by_scope()
    found = {
        scope.scope.name: [one.name for one in scope.spans]
        for request in loaded("".join(as_otlp_lines(spans)))
        for part in request.resource_spans
        for scope in part.scope_spans
    }
    assert found == {"x": ["a", "c"], "y": ["b"]}


def test_a_large_trace_has_lines_that_can_be_read() -> None:
    text = "".join(as_otlp_lines([span(f"s{number}", start_ns=number, end_ns=number + 1) for number in range(220)]))
    assert [len(request.resource_spans[0].scope_spans[0].spans) for request in loaded(text)] == [100, 100, 20]
    assert [one.name for one in spans_of(text)] == [f"s{number}" for number in range(220)]
