"""A container engine for the tests: the one that answers, or one that is started here and stopped at the end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import docker
import requests
from docker.errors import DockerException

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
START_TIMEOUT_S: Final = 40
STOP_TIMEOUT_S: Final = 20


class NoEngineError(Exception):
    """No engine answers and none can be started here, and the reason why."""


@contextlib.contextmanager
def running_engine() -> Iterator[docker.DockerClient]:
    """A client of an engine that answers for as long as the context is open."""
    with contextlib.ExitStack() as stack:
        if not answers():
            stack.enter_context(_own_dockerd())
        client = docker.from_env()
        stack.callback(client.close)
        yield client


def answers() -> bool:
    """Whether an engine answers where the environment or the default says."""
    if not _listening():
        return False
    try:
        client = docker.from_env(timeout=5)
    except (DockerException, requests.RequestException):
        return False
    try:
        return bool(client.ping())
    except (DockerException, requests.RequestException):
        return False
    finally:
        client.close()


def _listening() -> bool:
    # Asked first and by hand: the client forgets to close a socket that nobody listens at, which fails a later test.
    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(host.removeprefix("unix://")) == 0


@contextlib.contextmanager
def _own_dockerd() -> Iterator[None]:
    with tempfile.NamedTemporaryFile(prefix="dockerd-", suffix=".log") as log:
        daemon = subprocess.Popen(
            [*_dying_with_us(), _startable()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt at the terminal is for pytest; the engine must outlive the clean-up
        )
        try:
            _await_answer(daemon, Path(log.name))
            yield
        finally:
            _stop(daemon)


def _startable() -> str:
    if os.environ.get("DOCKER_HOST"):
        raise NoEngineError(f"nothing answers at DOCKER_HOST={os.environ['DOCKER_HOST']}")
    if sys.platform != "linux":
        raise NoEngineError("no engine answers; start Docker, or another engine with its API, first")
    daemon = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if daemon is None:
        raise NoEngineError("no engine answers, and no dockerd is installed (Debian: docker.io and iptables)")
    if os.geteuid() != 0:
        raise NoEngineError("no engine answers, and only root can start the dockerd that is installed")
    return daemon


def _dying_with_us() -> list[str]:
    # For a suite that is killed and can stop nothing any more; util-linux is on every Debian, yet not required.
    return [found, "--pdeathsig", "TERM"] if (found := shutil.which("setpriv")) else []


def _await_answer(daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and daemon.poll() is None:
        if answers():
            return
        time.sleep(0.2)
    last_words = log.read_text(errors="replace").strip().rpartition("\n")[2]
    raise NoEngineError(f"dockerd did not start; its last words: {last_words}")


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        # Its containerd has asked the kernel to die with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
