"""Takes out of the image's packages what no run can read; the Dockerfile calls it, `make setup` does not.

Licences, `py.typed` and the metadata of packages stay: entry points and the lists of an SBOM are read from that.
"""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

SERVICES = {
    "bedrock-runtime": "the provider",
    "secretsmanager": "secrets of a file",
    "ssm": "secrets of a file",
    "sts": "credentials: roles, web identity",
    "sso": "credentials: IAM Identity Center",
    "sso-oidc": "credentials: its tokens, renewed",
    "signin": "credentials: those of `aws login`",
}
"""The services of AWS that a client is ever made for, and by what; botocore describes more than four hundred."""

NEVER_READ = (
    "boto3/data",  # another way to call nine services, which nobody asks for
    "boto3/examples",
    "**/tests",
    "tests",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.pyx",
    "**/*.pyx.hash",
    "**/*.c",
    "**/*.h",
)
"""Where there is one, it is for who develops with a package or compiles it."""


def leave_out(packages: Path) -> None:
    """Delete it from a directory of installed packages."""
    services = packages / "botocore/data"
    missing = [name for name in SERVICES if not (services / name).is_dir()]
    if missing:
        raise SystemExit(f"botocore has no {', '.join(missing)} any more: mend SERVICES in {Path(__file__).name}")
    unused = [path for path in services.iterdir() if path.is_dir() and path.name not in SERVICES]
    for path in [*unused, *(path for pattern in NEVER_READ for path in packages.glob(pattern))]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for library in packages.rglob("*.so"):
        strip(library)


def strip(library: Path) -> None:
    """Cut off what no process loads: symbols for debuggers, two fifths of all that is compiled, and their table.

    What is loaded stands in the segments that the program headers name, see elf(5). The base has no `strip`.
    """
    content = bytearray(library.read_bytes())
    if content[:6] != b"\x7fELF\x02\x01":
        raise SystemExit(f"{library} is no library for a 64-bit little-endian system")
    (headers,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    ends = [headers + size * count]
    for at in range(headers, headers + size * count, size):
        offset, _, _, in_file = struct.unpack_from("<4Q", content, at + 8)
        ends.append(offset + in_file)
    struct.pack_into("<Q", content, 40, 0)  # e_shoff
    struct.pack_into("<HH", content, 60, 0, 0)  # e_shnum, e_shstrndx
    library.write_bytes(content[: max(ends)])


if __name__ == "__main__":
    leave_out(Path(sys.argv[1]))
