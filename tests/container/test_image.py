"""What the image is made of: how much there is above its base, and that nothing is missing which a run can reach."""

from __future__ import annotations

import json
import tarfile
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from requirements.leave_out import SERVICES
from tests.build import as_text
from tests.container import inside
from tests.container.job import Job
from tests.contract.test_reuse import KEYS
from tests.servers import Answer, AzureServer, BedrockServer, OllamaServer
from tests.workspace import workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

MB: Final = 1_000_000
UNPACKED_MB: Final = 90
COMPRESSED_MB: Final = 30
FOLDER: Final = 6
"""How many names of a path tell its folder: opt/venv/lib/python3.13/site-packages/cryptography."""
AWS_KEYS: Final = ("AssumeRole", "AssumeRoleWithWebIdentity", "sso", "container", "instance")


def test_the_layers_above_the_base_are_small(engine: docker.DockerClient, base_image: str, image: str) -> None:
    folders: Counter[str] = Counter()
    compressed = 0
    for layer in layers_above(engine, base_image, image):
        compressed += gzipped(layer)
        with tarfile.open(layer) as files:
            for file in files:
                folders["/".join(Path(file.name).parts[:FOLDER])] += file.size
    found = (folders.total() / MB, compressed / MB)
    largest = "\n".join(f"{size / MB:6.1f} MB  {folder}" for folder, size in folders.most_common(20))
    told = f"unpacked {found[0]:.1f} MB of {UNPACKED_MB}, compressed {found[1]:.1f} MB of {COMPRESSED_MB}:\n{largest}"
    assert found[0] <= UNPACKED_MB, told
    assert found[1] <= COMPRESSED_MB, told


def layers_above(engine: docker.DockerClient, base: str, image: str) -> Iterator[Path]:
    """The layers that an image adds to its base, each as a tar archive."""
    below = engine.images.get(base).attrs["RootFS"]["Layers"]
    kept = engine.images.get(image)
    assert kept.attrs["RootFS"]["Layers"][: len(below)] == below, f"{image} was not built on {base}"
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "image.tar")
        with saved.open("wb") as file:
            for chunk in kept.save():
                file.write(chunk)
        with tarfile.open(saved) as archive:
            [manifest] = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
            for name in manifest["Layers"][len(below) :]:
                archive.extract(name, folder, filter="data")
                yield Path(folder, name)


def gzipped(layer: Path) -> int:
    """Bytes of a layer as registries keep it."""
    packing = zlib.compressobj(6, wbits=31)
    with layer.open("rb") as file:
        packed = sum(len(packing.compress(chunk)) for chunk in iter(lambda: file.read(1 << 20), b""))
    return packed + len(packing.flush())


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
