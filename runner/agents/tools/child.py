"""Asks a script of ours a question, in a process that is killed when the answer takes too long.

For work on a model's words that may never end and holds the interpreter's lock while it lasts, such as matching a
regular expression: as a thread it would stop every other call of the run, and could not be stopped itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from pathlib import Path
from typing import Final

from runner.agents.tools.tool import ToolProblem

HERE: Final = Path(__file__).parent
TOLD: Final = 200
"""Characters of what a script of ours says last that failed for no reason that is known here."""
_REFUSED: Final = re.compile(rb"\n\w*Error: \[Errno \d+\] (.*)\s*\Z")
"""How the stderr of a script ends that could not give up its rights; nothing else that it asks for is refused."""


async def asked(script: str, question: bytes, *, seconds: float, flags: tuple[str, ...] = ()) -> bytes:
    """What a script beside this module writes when it is given a question on stdin; it has no environment.

    Raises ToolProblem when it takes longer, or ends without an answer.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        *flags,
        str(HERE / script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, told = await process.communicate(question)
    except TimeoutError:
        raise ToolProblem(f"it takes longer than {seconds:g} s; something simpler may not") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
    if process.returncode:
        if (refused := _REFUSED.search(told)) is not None:
            raise ToolProblem(f"it was not run: its privileges cannot be dropped: {refused[1].decode()}")
        if process.returncode > 0 and b"MemoryError" not in told:
            *_, last = told.decode(errors="replace").splitlines() or [""]
            raise ToolProblem(f"it was not done: {last[:TOLD]}")
        raise ToolProblem("it needs too much memory; something simpler may not")
    return answer
