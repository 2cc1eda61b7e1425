"""What a file says of telemetry acts where the job says nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.telemetry import sampled
from tests.build import findings_of, warnings_of
from tests.build import workflow as written
from tests.servers import OpenAIServer
from tests.servers.collector import Collector
from tests.workspace import Outcome, Workspace, chain, workflow


def run(workspace: Workspace, **otel: Any) -> Outcome:
    with OpenAIServer() as server:
        return workspace.run(workflow(server.url, chain("go"), telemetry={"otel": otel}))


def service_on_disk(outcome: Outcome) -> str:
    [file] = (outcome.root / "strands-artifacts").glob("*.otlp.jsonl")
    [attribute] = json.loads(file.read_text().splitlines()[0])["resourceSpans"][0]["resource"]["attributes"]
    return str(attribute["value"]["stringValue"])


@pytest.mark.parametrize("slash", ["", "/"])
def test_spans_go_to_the_endpoint_of_the_file_under_the_name_it_gives(workspace: Workspace, slash: str):
    with Collector(silent=False) as collector:
        outcome = run(workspace, endpoint=collector.url + slash, service_name="nightly-review")

    assert outcome.exit_code == 0
    assert collector.received.startswith(b"POST /v1/traces ")
    for mark in (b"workflow.execute", b"nightly-review"):
        assert mark in collector.received
    assert service_on_disk(outcome) == "nightly-review"


def test_without_a_name_the_service_has_ours(workspace: Workspace):
    with Collector(silent=False) as collector:
        outcome = run(workspace, endpoint=collector.url)

    assert b"strands-action" in collector.received
    assert service_on_disk(outcome) == "strands-action"


@pytest.mark.parametrize(
    "environ",
    [{"OTEL_SERVICE_NAME": "of the job"}, {"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=of%20the%20job"}],
)
def test_the_jobs_name_for_the_service_goes_before_the_files(workspace: Workspace, environ: dict[str, str]):
    workspace.environ |= environ
    assert service_on_disk(run(workspace, service_name="of-the-file")) == "of the job"


def test_the_jobs_endpoint_goes_before_the_files(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    with Collector(silent=False) as of_the_job, Collector(silent=False) as of_the_file:
        workspace.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = of_the_job.url
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", of_the_job.url)  # read by the exporter itself
        run(workspace, endpoint=of_the_file.url)

    assert b"workflow.execute" in of_the_job.received
    assert of_the_file.received == b""


def test_a_job_that_exports_nothing_does_not_export_to_the_files_endpoint(workspace: Workspace):
    workspace.environ["OTEL_TRACES_EXPORTER"] = "none"
    with Collector(silent=False) as collector:
        run(workspace, endpoint=collector.url)
    assert collector.received == b""


def test_a_run_that_is_not_sampled_sends_nothing_and_keeps_its_trace_whole(workspace: Workspace):
    with Collector(silent=False) as collector:
        outcome = run(workspace, endpoint=collector.url, sample_ratio=0.0)

    assert collector.received == b""
    assert "workflow.execute" in [span["name"] for span in outcome.trace]


@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_the_share_of_traces_that_are_exported_is_the_ratio(ratio: float):
    traces = [(0xABC << 64) + (number << 54) for number in range(1024)]
    assert sum(sampled(trace, ratio) for trace in traces) == 1024 * ratio


# -- what is said before a run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("localhost:4318", "endpoint 'localhost:4318' is not a base URL, such as http://localhost:4318"),
        ("http://a b", "endpoint 'http://a b' is not a base URL, such as http://localhost:4318"),
        ("http://a:999999", "endpoint 'http://a:999999' is not a base URL, such as http://localhost:4318"),
        ("http://a/v1/traces",
         "endpoint 'http://a/v1/traces' is more than the base URL: /v1/traces is added to it"),
    ],
)  # fmt: skip
def test_an_endpoint_is_a_base_url(endpoint: str, said: str) -> None:
    assert findings_of(written(telemetry={"otel": {"endpoint": endpoint}})) == [f"workflow.yaml:17:15: {said}"]


def test_the_port_of_grpc_is_advised_against() -> None:
    assert warnings_of(written(telemetry={"otel": {"endpoint": "http://localhost:4317"}})) == [
        "workflow.yaml:17:15: 4317 is the port for gRPC; spans are sent over HTTP, mostly to port 4318"
    ]


@pytest.mark.parametrize("name", ["tool_inputs", "tool_outputs"])
def test_asking_for_the_values_of_tools_in_the_trace_is_answered(name: str) -> None:
    (found,) = warnings_of(written(telemetry={"redact": {name: False}}))
    assert found.startswith(f"workflow.yaml:17:{len(name) + 7}: redact.{name}: false changes nothing: what tools are")
    assert warnings_of(written(telemetry={"redact": {name: True}})) == []
    assert warnings_of(written(telemetry={"redact": {}})) == []
