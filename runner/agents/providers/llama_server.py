"""The embedded model's process: llama.cpp behind its OpenAI-compatible API, on a free port of 127.0.0.1.

A process of its own, not a thread: the library holds the interpreter's lock while it loads a model, and does not
end while a request is in flight. Run as a script; it imports nothing of ours. It prints its address on stdout and
ends when its stdin does, so that it cannot outlive the run, however that ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

CONTEXT = 2048  # tokens for each slot
PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
LONGEST = 256  # tokens of an answer that names no max_tokens: small models can go on for ever


def end_with_the_run() -> None:
    """Be killed when the process that started this one is gone: what reads its stdin below may never be reached, for
    while the server starts it holds the interpreter's lock, and sometimes does not give it back."""
    with contextlib.suppress(OSError, AttributeError):  # Linux alone knows it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def serve(model: str, slots: int) -> None:
    address, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever C code prints goes nowhere
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {Path(model).stem}  # or answers name the file's whole path
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx, params.n_threads_http = slots, slots * CONTEXT, slots + 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    params.use_jinja = True  # the model's own chat template
    params.fit_params = params.warmup = False  # 0.2 s each
    # A cached prefix is computed in other batches than a fresh one, and the last digits of its answers differ.
    params.cache_prompt = params.cache_idle_slots = False
    params.cache_ram_mib = params.n_ctx_checkpoints = 0
    params.n_predict, params.sampling.temp, params.sampling.seed = LONGEST, 0.0, 0
    params.ui = params.endpoint_slots = False
    params.verbosity = 1  # errors only: the reason when it does not start
    server = xllamacpp.Server(params)
    os.write(address, f"{server.listening_address}\n".encode())
    os.close(address)
    os.dup2(nowhere, 2)  # nobody reads it any more, and a full pipe would block
    while os.read(0, 1024):
        pass
    os._exit(0)  # deleting the server would wait for requests in flight


def threads() -> int:
    """One less than there are processors: the library's threads wait for each other by spinning, so one of them that
    has to share its processor with somebody makes all of them wait. On two processors of which one was busy, two
    threads took 164 s for what one thread does in 4.5 s."""
    return max(1, processors() - 1)


def processors() -> int:
    """Processors we may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else min(count, max(1, int(quota) // int(period)))


if __name__ == "__main__":
    end_with_the_run()
    try:
        serve(sys.argv[1], int(sys.argv[2]))
    except Exception as error:
        with contextlib.suppress(OSError):  # nobody may be there to read it: a run that was killed while it started
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
    finally:
        os._exit(1)  # leaving in the usual way would wait for the server's threads, for ever
