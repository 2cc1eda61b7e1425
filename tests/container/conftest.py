"""What the container tests share: an engine, the image, and the runner's own `docker run` line."""

import contextlib
import os
from collections.abc import Iterator
from typing import Final

import docker
import pytest
from docker.errors import BuildError
from testcontainers.core.config import testcontainers_config

from tests.container.engine import NoEngineError, running_engine
from tests.container.job import LABEL, ROOT
from tests.container.notes import BASE, WHY_NOT, note
from tests.container.standin import NoBaseImageError, base_tag, ensure_base, is_standin

IMAGE: Final = "strands-action:test"
# The release tests what it has pushed instead of what it would build.
GIVEN_IMAGE: Final = os.environ.get("STRANDS_TEST_IMAGE")
REQUIRED: Final = bool(os.environ.get("STRANDS_REQUIRE_ENGINE"))

# Its reaper is an image of its own, which cannot be pulled everywhere; the fixtures below clean up themselves.
testcontainers_config.ryuk_disabled = True


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[docker.DockerClient]:
    with contextlib.ExitStack() as stack:
        with _or_give_up(request.config):
            client = stack.enter_context(running_engine())
        stack.callback(_remove_leftovers, client)
        yield client


@pytest.fixture(scope="session")
def base_image(request: pytest.FixtureRequest, engine: docker.DockerClient) -> str:
    tag = base_tag(ROOT / "Dockerfile")
    with _or_give_up(request.config):
        ensure_base(engine, tag)
    if is_standin(engine, tag):
        note(request.config, BASE, f"container tests: {tag} is a stand-in, no image registry answered")
    return tag


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest, engine: docker.DockerClient) -> str:
    """The image, built once from the repository as it is."""
    if GIVEN_IMAGE:
        return GIVEN_IMAGE
    request.getfixturevalue("base_image")
    try:
        engine.images.build(path=str(ROOT), tag=IMAGE, rm=True, forcerm=True)
    except BuildError as error:
        log = "".join(str(event.get("stream", event.get("error", ""))) for event in error.build_log)
        pytest.fail(f"the image does not build:\n{log[-4000:]}", pytrace=False)
    return IMAGE


@contextlib.contextmanager
def _or_give_up(config: pytest.Config) -> Iterator[None]:
    try:
        yield
        return
    except (NoEngineError, NoBaseImageError) as error:
        reason = str(error)
        note(config, WHY_NOT, reason)
    if REQUIRED:
        raise pytest.fail.Exception(f"STRANDS_REQUIRE_ENGINE is set, but {reason}", pytrace=False) from None
    raise pytest.skip.Exception(reason) from None


def _remove_leftovers(client: docker.DockerClient) -> None:
    # Only what a test that was cut off left behind; each test removes its own.
    for container in client.containers.list(all=True, filters={"label": LABEL}):
        container.remove(force=True, v=True)
