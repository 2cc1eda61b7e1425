"""Spans of one run: ours and the SDK's, collected for the trace files and sent on by OTLP where that is configured.

OpenTelemetry allows one provider a process, so a relay is installed once and listens for the run in hand. Nothing is
installed, and nothing costs, when the trace is off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from runner.errors import UsageError
from runner.report.trace import SpanRecord
from runner.spans import Spans

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    from runner.plan.telemetry import Telemetry

OTLP_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

SERVICE: Final = "strands-action"
"""The service's name where nobody gives one."""

SEMCONV_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
_UNREDACTED: Final = "gen_ai_unredacted_attributes="

FLUSH_S: Final = 2.0
"""How long a collector may take at the end: everything else of the run is written by then."""


def without_content(semconv: str) -> str:
    """The value of SEMCONV_VARIABLE that keeps prompts, answers and tool values out of the SDK's spans.

    Somebody who names what stays unredacted there has asked for it, and gets it.
    """
    return semconv if _UNREDACTED in semconv else ",".join(filter(None, [semconv, _UNREDACTED]))


class Tracing:
    """The spans of one run, until `finish`; `flush` gives the collector its time.

    What the file says of telemetry stands where the environment says nothing: the job knows where it runs.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        telemetry: Telemetry,
        *,
        enabled: bool,
        scrub: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.spans = Spans()
        self.service = _service(environ) or telemetry.service_name or SERVICE
        self._exporter: SpanProcessor | None = None
        named = any(environ.get(name) for name in OTLP_VARIABLES)
        wants_otlp = (named or telemetry.endpoint) and environ.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp"
        protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        if wants_otlp and protocol == "grpc":
            raise UsageError("OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not offered; http/protobuf is")
        try:
            self._relay = _relay() if enabled or wants_otlp else None
            self._exporter = _otlp(None if named else telemetry.endpoint) if wants_otlp else None
        except ValueError as error:
            raise UsageError(f"the OTEL_* variables cannot be used: {error}") from None
        self._collects = enabled
        if self._relay is not None:
            self._relay.open.clear()
            self._relay.targets = (self.spans.append if enabled else None, self._exporter)
            self._relay.scrub = scrub
            self._relay.service, self._relay.ratio = self.service, telemetry.sample_ratio
            self._relay.with_events = _UNREDACTED in environ.get(SEMCONV_VARIABLE, "")

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[Callable[..., None]]:
        """Open a span below the current one; call the value with more attributes while it is open."""
        if self._relay is None:
            yield lambda **_: None
            return
        from opentelemetry.trace import Status, StatusCode, get_tracer

        with get_tracer("strands-action").start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:

            def describe(**more: str | int) -> None:
                span.set_attributes(more)

            try:
                yield describe
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def finish(self) -> Spans:
        """Every span of the run."""
        if self._relay is not None:
            self._relay.targets = (None, None)
        return self.spans

    def cut_off(self, now: datetime) -> Spans:
        """As `finish`, with those that are still open, which end now: nobody waits for what they are of."""
        if self._relay is None:
            return self.finish()
        ended_ns = round(now.timestamp() * 1e9)
        cleaned = [self._relay.cleaned(span) for span in [*self._relay.open.values()]]
        spans = self.finish()
        for one in cleaned if self._collects else ():
            spans.append(replace(_record(one), end_ns=ended_ns, status="error"))
        return spans

    def flush(self) -> None:
        """Give the collector, where there is one, a moment to take what it was sent."""
        if self._exporter is None:
            return
        # The exporter's own time limits count attempts, not time; a collector that stalls must not hold a job.
        ending = threading.Thread(target=self._exporter.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)


def sampled(trace_id: int, ratio: float) -> bool:
    """Whether the spans of a trace are exported; by its id, as other services that see the same trace decide it:
    https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased."""
    return trace_id & (2**64 - 1) < round(ratio * 2**64)


def _service(environ: Mapping[str, str]) -> str | None:
    """The service's name in the standard variables."""
    attributes = [pair.partition("=") for pair in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")]
    named = {name.strip(): unquote(value.strip()) for name, _, value in attributes}
    return environ.get("OTEL_SERVICE_NAME") or named.get("service.name")


def _otlp(endpoint: str | None) -> SpanProcessor:
    """What sends spans to a base URL, or where the standard variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    address = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=address))


@cache
def _relay() -> Any:
    """The process's one span processor, and the provider that feeds it."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Relay(SpanProcessor):
        targets: tuple[Callable[[SpanRecord], None] | None, SpanProcessor | None] = (None, None)
        scrub: Callable[[str], str]
        service: str
        ratio: float
        with_events = False

        def __init__(self) -> None:
            self.open: dict[int, ReadableSpan] = {}

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            self.open[span.context.span_id] = span
            if self.targets[1] is not None:
                self.targets[1].on_start(span, parent_context)

        def on_end(self, span: ReadableSpan) -> None:
            collect, export = self.targets
            self.open.pop(span.context.span_id, None)
            clean = self.cleaned(span)
            if collect is not None:
                collect(_record(clean))
            if export is not None and sampled(clean.context.trace_id, self.ratio):
                export.on_end(clean)

        def cleaned(self, span: ReadableSpan) -> ReadableSpan:
            return _cleaned(span, self.scrub, self.service, with_events=self.with_events)

    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    relay = Relay()
    provider.add_span_processor(relay)
    trace.set_tracer_provider(provider)
    return relay


@cache
def _resource(service: str) -> Resource:
    """What the spans of a run are of: OTEL_RESOURCE_ATTRIBUTES, under the run's own name for the service."""
    from opentelemetry.sdk.resources import Resource

    return Resource.create().merge(Resource({"service.name": service}))


def _cleaned(span: ReadableSpan, scrub: Callable[[str], str], service: str, *, with_events: bool) -> ReadableSpan:
    """A span as it may leave: no secret in it, and no events (prompts, answers, exceptions) unless asked for."""
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Status

    def clean(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {scrub(key): each(one) for key, one in (attributes or {}).items()}

    def each(value: Any) -> Any:
        if isinstance(value, str):
            return scrub(value)
        return [each(one) for one in value] if isinstance(value, list | tuple) else value

    events = [Event(one.name, clean(one.attributes), one.timestamp) for one in span.events] if with_events else []
    return ReadableSpan(
        name=scrub(span.name),  # that of a tool is a model's
        context=span.get_span_context(),
        parent=span.parent,
        resource=_resource(service),
        attributes=clean(span.attributes),
        events=events,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _record(span: ReadableSpan) -> SpanRecord:
    context = span.get_span_context()
    return SpanRecord(
        name=span.name,
        trace_id=f"{context.trace_id:032x}" if context else "",
        span_id=f"{context.span_id:016x}" if context else "",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or span.start_time or 0,
        status=span.status.status_code.name.lower(),
        attributes=dict(span.attributes or {}),
        scope=span.instrumentation_scope.name if span.instrumentation_scope else "",
        events=tuple((one.name, dict(one.attributes or {})) for one in span.events),
    )
