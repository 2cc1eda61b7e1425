"""Spans of one run: ours and the SDK's, collected for the trace files and sent on by OTLP where that is configured.

OpenTelemetry allows one provider a process, so a relay is installed once and listens for the run in hand. Nothing is
installed, and nothing costs, when the trace is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from runner.report.trace import SpanRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

OTLP_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

SEMCONV_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
KEEP_CONTENT_OUT: Final = "gen_ai_unredacted_attributes="
"""Given to the SDK in SEMCONV_VARIABLE: prompts, answers and tool values are redacted from its spans. Somebody who
sets the variable themselves has asked for something else."""

FLUSH_MS: Final = 5_000


class Tracing:
    """The spans of one run, from `start` to `finish`."""

    def __init__(self, environ: Mapping[str, str], *, enabled: bool) -> None:
        self.spans: list[SpanRecord] = []
        self._exporter: SpanProcessor | None = None
        wants_otlp = any(environ.get(name) for name in OTLP_VARIABLES)
        self._relay = _relay() if enabled or wants_otlp else None
        if self._relay is not None:
            self._exporter = _otlp() if wants_otlp else None
            self._relay.targets = (self.spans.append if enabled else None, self._exporter)

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

    def finish(self) -> list[SpanRecord]:
        """Every span of the run; those for OTLP are on their way or given up when this returns."""
        if self._exporter is not None:
            self._exporter.force_flush(FLUSH_MS)
            self._exporter.shutdown()
        if self._relay is not None:
            self._relay.targets = (None, None)
        return self.spans


def _otlp() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


@cache
def _relay() -> Any:
    """The process's one span processor, and the provider that feeds it."""
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Relay(SpanProcessor):
        targets: tuple[Callable[[SpanRecord], None] | None, SpanProcessor | None] = (None, None)

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if self.targets[1] is not None:
                self.targets[1].on_start(span, parent_context)

        def on_end(self, span: ReadableSpan) -> None:
            collect, export = self.targets
            if collect is not None:
                collect(_record(span))
            if export is not None:
                export.on_end(span)

    resource = Resource.create({"service.name": "strands-action"})
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    relay = Relay()
    provider.add_span_processor(relay)
    trace.set_tracer_provider(provider)
    return relay


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
    )
