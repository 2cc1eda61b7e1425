"""What the image adds to its base, unpacked and as registries keep it, and how soon a container of it is there. What is
measured is `strands-action:dev`, which `make image` builds; without an engine, or without the image, nothing is.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.children import workspace
from benchmarks.measure import ROOT, in_turns
from benchmarks.row import Figure, Limit, Row
from benchmarks.specs import in_blocks, spec, wide
from benchmarks.start import NOWHERE

IMAGE: Final = "strands-action:dev"
MB: Final = 1_000_000
LIMITS: Final = {"unpacked": Limit("≤", 90, "MB"), "compressed": Limit("≤", 30, "MB")}
FOLDER: Final = 6
"""How many names of a path tell its folder: opt/venv/lib/python3.13/site-packages/cryptography."""


def image(rounds: int = 3, tasks: int = 1000, tag: str = IMAGE) -> Iterator[Row]:
    base = _base()
    if why := _why_not(base, tag):
        yield from (Row(f"image-{name}", "image", limit=limit, why=why) for name, limit in LIMITS.items())
        return
    for name, size in _layers(base, tag).items():
        figure = Figure(f"layers above the base, {name}", (size / MB,), "MB")
        yield Row(f"image-{name}", "image", figure, by="value", limit=LIMITS[name])
    yield from _containers(rounds, tasks, base, tag)


def _base() -> str:
    [base] = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return str(base)


def _why_not(*tags: str) -> str:
    """Why an image cannot be measured; nothing where it can."""
    if shutil.which("docker") is None or not _answers("version"):
        return "no engine"
    gone = [tag for tag in tags if not _answers("image", "inspect", tag)]
    return f"no image {gone[0]} (make image)" if gone else ""


def _answers(*arguments: str) -> bool:
    return subprocess.run(["docker", *arguments], check=False, capture_output=True).returncode == 0


def _docker(*arguments: str) -> Any:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def _layers(base: str, tag: str) -> dict[str, int]:
    below = json.loads(_docker("image", "inspect", base))[0]["RootFS"]["Layers"]
    with workspace() as folder:
        _docker("save", "--output", str(folder / "image.tar"), tag)
        folders, compressed = weighed(folder / "image.tar", len(below))
    return {"unpacked": folders.total(), "compressed": compressed}


def weighed(saved: Path, below: int) -> tuple[Counter[str], int]:
    """Bytes of the files above the layers of a base, by their folders, and of those layers as registries keep them.

    `saved` is what `docker save` writes, `below` how many layers the base has.
    """
    folders, compressed = Counter[str](), 0
    with tarfile.open(saved) as archive:
        for name in json.load(_member(archive, "manifest.json"))[0]["Layers"][below:]:
            with tarfile.open(fileobj=_member(archive, name)) as files:
                for file in files:
                    folders["/".join(Path(file.name).parts[:FOLDER])] += file.size
            compressed += _gzipped(_member(archive, name))
    return folders, compressed


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found, name
    return found


def _gzipped(layer: IO[bytes]) -> int:
    packing = zlib.compressobj(6, wbits=31)
    packed = sum(len(packing.compress(chunk)) for chunk in iter(partial(layer.read, 1 << 20), b""))
    return packed + len(packing.flush())


def _containers(rounds: int, tasks: int, base: str, tag: str) -> Iterator[Row]:
    """Whole `docker run`s, beside one of an interpreter that does nothing."""
    bare, shown, checked = "docker run, an interpreter", "docker run, --help", f"docker run, validate {tasks:,} tasks"
    with workspace() as folder:
        folder.chmod(0o755)
        (folder / "bench.yaml").write_text(in_blocks(spec(NOWHERE, wide(tasks))))
        mounted = ("--volume", f"{folder}:/github/workspace", "--workdir", "/github/workspace")
        works: dict[str, Callable[[], float]] = {
            bare: partial(_run, "--entrypoint", "python3", base, "-c", "pass"),
            shown: partial(_run, tag, "--help"),
            checked: partial(_run, *mounted, tag, "validate", "bench.yaml"),
        }
        in_turns(1, works)
        found = in_turns(rounds, works)
    floor = Figure(bare, tuple(found[bare]))
    for name, told in (("container-help", shown), ("container-validate", checked)):
        yield Row(name, "image", Figure(told, tuple(found[told])), floor, by="difference")


def _run(*arguments: str) -> float:
    before = time.perf_counter()
    _docker("run", "--rm", "--network", "none", *arguments)
    return time.perf_counter() - before
