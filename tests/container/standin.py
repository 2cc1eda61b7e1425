"""A stand-in for the Dockerfile's base image, for machines that reach no image registry.

Debian 13's own Python is the base's Python, so a minimal Debian 13 imported under the very tag that `FROM` names is
near enough to build and run the unmodified Dockerfile. It carries this machine's certificates and package index
settings, which stay in the local engine. Where the tag exists or can be pulled, nothing is made.
"""

import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound

LABEL: Final = "strands-action.stand-in"
PULL_SILENCE_S: Final = 20
MAKE_TIMEOUT_S: Final = 280
PACKAGES: Final = "ca-certificates,python3,python3-venv"
CERTIFICATES: Final = "/usr/local/share/machine-certificates.pem"


class NoBaseImageError(Exception):
    """The base image is neither here nor to be had, and the reason why."""


def base_tag(dockerfile: Path) -> str:
    """The tag that the Dockerfile starts from."""
    found = re.search(r"^ARG BASE=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    assert found, f"{dockerfile} has no line ARG BASE=…"
    return found.group(1)


def ensure_base(client: docker.DockerClient, tag: str) -> None:
    """See to it that `tag` is in the engine: as it is, pulled, or stood in for."""
    if _present(client, tag) or _pulled(tag):
        return
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        archive = Path(folder) / "root.tar"
        _make_root(archive)
        repository, _, version = tag.partition(":")
        answer = client.api.import_image_from_file(str(archive), repository, version, changes=_changes())
    if not _present(client, tag):
        raise NoBaseImageError(f"the engine did not import the stand-in for {tag}: {answer}")


def is_standin(client: docker.DockerClient, tag: str) -> bool:
    """Whether the image under `tag` is one of ours and not the real base."""
    return _present(client, tag) and LABEL in client.images.get(tag).labels


def _present(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _pulled(tag: str) -> bool:
    # A registry that does not answer must cost seconds, not minutes; one that does may take as long as it goes on.
    client = docker.from_env(timeout=PULL_SILENCE_S)
    repository, _, version = tag.partition(":")
    try:
        for event in client.api.pull(repository, version, stream=True, decode=True):
            if "error" in event:
                return False
    except (APIError, DockerException, requests.RequestException):
        return False
    finally:
        client.close()
    return True


def _make_root(archive: Path) -> None:
    # The official image calls its interpreter `python`, finds it in /usr/local/bin, and has no bytecode.
    hooks = [
        'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
        'find "$1/usr/lib" -name __pycache__ -prune -exec rm -rf {} +',
    ]
    if bundle := _certificates():
        hooks.append(f'install -D -m 644 {shlex.quote(bundle)} "$1{CERTIFICATES}"')
    command = [
        _mmdebstrap(),
        "--quiet",
        "--variant=minbase",
        f"--include={PACKAGES}",
        *(f"--customize-hook={hook}" for hook in hooks),
        "trixie",
        str(archive),
    ]
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=MAKE_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise NoBaseImageError(f"mmdebstrap failed: {error.stderr.decode(errors='replace')[-800:]}") from error
    except subprocess.TimeoutExpired as error:
        raise NoBaseImageError(f"mmdebstrap took more than {MAKE_TIMEOUT_S} s") from error


def _mmdebstrap() -> str:
    if found := shutil.which("mmdebstrap"):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        # An update that fails (one broken source among several) may still leave a usable list.
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", "mmdebstrap"]):
            command = ["apt-get", "-qq", *arguments]
            subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=MAKE_TIMEOUT_S)
        if found := shutil.which("mmdebstrap"):
            return found
    raise NoBaseImageError("the base image cannot be pulled, and mmdebstrap, which makes a stand-in, is not installed")


def _certificates() -> str | None:
    candidates = (os.environ.get("SSL_CERT_FILE"), os.environ.get("PIP_CERT"), ssl.get_default_verify_paths().cafile)
    return next((path for path in candidates if path and Path(path).is_file()), None)


def _changes() -> list[str]:
    # JSON strings are how the engine wants a value that may hold spaces or quotes.
    environment = dict(_pip_settings())
    if _certificates():
        environment |= {"PIP_CERT": CERTIFICATES, "SSL_CERT_FILE": CERTIFICATES}
    return [f'LABEL {LABEL}="true"', *(f"ENV {name}={json.dumps(value)}" for name, value in environment.items())]


def _pip_settings() -> list[tuple[str, str]]:
    # Only what names a place on the network: this machine's folders do not exist in an image.
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    ).stdout
    settings = re.findall(r"^(?:global|:env:)\.(index-url|extra-index-url|trusted-host)='(.*)'$", listing, re.MULTILINE)
    return [
        ("PIP_" + key.upper().replace("-", "_"), " ".join(kept))
        for key, value in settings
        if (kept := [part for part in value.split() if not part.startswith(("file:", "/"))])
    ]
