"""What the image is made of: how much there is above its base, and that nothing is missing which a run can reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks.image import LIMITS, MB, weighed
from requirements.leave_out import SERVICES
from tests.build import as_text
from tests.container import inside
from tests.container.job import Job
from tests.contract.test_reuse import KEYS
from tests.servers import Answer, AzureServer, BedrockServer, OllamaServer
from tests.workspace import workflow

if TYPE_CHECKING:
    import docker

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

AWS_KEYS: Final = ("AssumeRole", "AssumeRoleWithWebIdentity", "sso", "container", "instance")


def test_the_layers_above_the_base_are_small(
    engine: docker.DockerClient, base_image: str, image: str, tmp_path: Path
) -> None:
    below = engine.images.get(base_image).attrs["RootFS"]["Layers"]
    kept = engine.images.get(image)
    assert kept.attrs["RootFS"]["Layers"][: len(below)] == below, f"{image} was not built on {base_image}"
    with (tmp_path / "image.tar").open("wb") as file:
        file.writelines(kept.save())

    folders, compressed = weighed(tmp_path / "image.tar", len(below))
    (tmp_path / "image.tar").unlink()
    found = {"unpacked": folders.total() / MB, "compressed": compressed / MB}
    largest = "\n".join(f"{size / MB:6.1f} MB  {folder}" for folder, size in folders.most_common(20))
    for name, limit in LIMITS.items():
        assert limit.holds(found[name]), f"{name} {found[name]:.1f} MB, which is not {limit}:\n{largest}"


@pytest.fixture(scope="module")
def told(engine: docker.DockerClient, image: str) -> Any:
    """What the program `inside` found in the image, without a network."""
    code = Path(inside.__file__).read_text(encoding="utf-8")
    python = ["/opt/venv/bin/python", "-I", "-c", code]
    return json.loads(engine.containers.run(image, entrypoint=python, network_mode="none", remove=True))


def test_all_of_ours_and_what_it_reaches_can_be_imported(told: Any) -> None:
    assert told["failed"] == []


def test_nothing_that_was_imported_had_to_be_compiled(told: Any) -> None:
    assert told["bytecode"] == []


def test_every_way_to_credentials_of_aws_is_open(told: Any) -> None:
    assert told["credentials"] == {name: name for name in AWS_KEYS}
    assert told["services"] == sorted(SERVICES)


def test_spans_reach_a_collector(told: Any) -> None:
    assert told["exported"] == "SUCCESS"


def test_every_licence_came_along(told: Any) -> None:
    assert told["licences"] == []


def test_providers_of_the_core_answer(image: str, tmp_path: Path) -> None:
    """`openai` answers in the other tests of the image; of these the last is asked where another is down."""
    steps = [{"agent": name, "input": f"of {name}"} for name in ("amazon", "azure", "azure")]
    with BedrockServer() as amazon, OllamaServer() as llama, AzureServer(reply=[Answer(), Answer(status=503)]) as azure:
        spec = workflow(
            azure.url,
            {"type": "chain", "config": {"steps": steps}},
            provider="azure_openai",
            agents={"azure": {"prompt": "p"}, "amazon": {"prompt": "p", "provider": "bedrock", "model_id": "m"}},
            runtime={
                "failure_policy": {"retries": 0},
                "fallbacks": [{"provider": "ollama", "model_id": "m", "host": llama.url}],
            },
        )
        job = Job(tmp_path, {"workflow.yaml": as_text(spec)})
        outcome = job.run(image, {"spec": "workflow.yaml"}, {**KEYS, "AWS_ENDPOINT_URL": amazon.url})
    assert outcome.exit_code == 0, outcome.stderr
    models = [
        step["model"].partition("/")[0] for step in json.loads(outcome.artifact("results-path").read_text())["steps"]
    ]
    assert models == ["bedrock", "azure_openai", "ollama"]
