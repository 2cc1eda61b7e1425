"""A stranger's first minutes: what the README says to type, typed word for word in a clean clone, in an empty container
with Python and make and nothing else. `make stranger` runs it; it takes as long as the packages take to come.

Not a test of the suite: that one need not fetch everything twice. That no line is forgotten is tested there.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.container.engine import NoEngineError, running_engine
from tests.container.job import ROOT
from tests.container.standin import CERTIFICATES, NoBaseImageError, base_tag, ensure_base, is_standin

if TYPE_CHECKING:
    import docker

EMPTY: Final = "strands-action:stranger"
DOCKERFILE: Final = """
FROM {base}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends make
"""
ENGINES: Final = re.compile(r"docker |make image")


@dataclass(frozen=True)
class Line:
    """A line to type, and why it is not typed here, if it is not."""

    text: str
    left_out: str = ""


def told(readme: str, *, whole: bool = False) -> list[Line]:
    """Every line of the blocks for a shell in the section of the README that has `make demo`."""
    [section] = [part for part in re.split(r"^## ", readme, flags=re.MULTILINE) if "\nmake demo\n" in part]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return [_line(text, whole) for block in blocks for text in block.splitlines() if text]


def _line(text: str, whole: bool) -> Line:
    if ENGINES.match(text):
        return Line(text, "an empty container has no engine")
    if text == "make test" and not whole:
        return Line(text, "it takes minutes: make stranger FULL=1")
    return Line(text)


def main(arguments: list[str]) -> int:
    """Exit code 1 when a line failed, 2 when there is nothing to run them in."""
    lines = told((ROOT / "README.md").read_text(encoding="utf-8"), whole="--full" in arguments)
    try:
        with running_engine() as engine, tempfile.TemporaryDirectory(prefix="stranger-") as folder:
            clone = Path(folder) / "strands-action"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            return _typed(engine, clone, lines)
    except (NoEngineError, NoBaseImageError) as error:
        print(f"make stranger needs a container engine: {error}", file=sys.stderr)
        return 2


def _typed(engine: docker.DockerClient, clone: Path, lines: list[Line]) -> int:
    base = base_tag(ROOT / "Dockerfile")
    ensure_base(engine, base)
    engine.images.build(fileobj=io.BytesIO(DOCKERFILE.format(base=base).encode()), tag=EMPTY, rm=True, forcerm=True)
    # Without the tests' label: a suite that ends beside this one removes what has it.
    started = engine.containers.run(
        EMPTY,
        ["sleep", "infinity"],
        detach=True,
        init=True,
        remove=True,
        working_dir="/strands-action",
        environment={"NODE_EXTRA_CA_CERTS": CERTIFICATES} if is_standin(engine, base) else {},  # npm reads no other
        volumes={str(clone): {"bind": "/strands-action"}},
    )
    try:
        return max([_type(engine, started.id, line) for line in lines])
    finally:
        # What root in the container wrote is gone before the clone is, also for somebody who is not root.
        started.exec_run(["find", "/strands-action", "-mindepth", "1", "-delete"])
        started.kill()


def _type(engine: docker.DockerClient, container: str, line: Line) -> int:
    if line.left_out:
        print(f"- {line.text}  (left out: {line.left_out})", flush=True)
        return 0
    print(f"$ {line.text}", flush=True)
    began = time.monotonic()
    typed = engine.api.exec_create(container, ["sh", "-c", line.text])["Id"]
    for printed in engine.api.exec_start(typed, stream=True):
        sys.stdout.buffer.write(printed)
        sys.stdout.flush()
    code = engine.api.exec_inspect(typed)["ExitCode"]
    print(f"  exit code {code} after {time.monotonic() - began:.0f} s", flush=True)
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
