"""What a process gives up before it does what a stranger says: its user, its way to sockets and other processes, its
files. For good, and for all that it starts.

Every function is about the process that calls it. It needs the standard library only and is quick to import, since
scripts that run as processes of their own are who calls it. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from functools import cache
from typing import Final

NOBODY: Final = 65534
"""The user, and the group, that owns nothing."""

SET_DUMPABLE, SET_SECCOMP, SET_NO_NEW_PRIVS, AMBIENT = 4, 22, 38, 47  # linux/prctl.h
NO_AMBIENT: Final = 4

# -- system calls: linux/seccomp.h, linux/bpf_common.h, linux/audit.h -------------------------------------------------

FILTER: Final = 2
ALLOWED, REFUSED, MISSING = 0x7FFF0000, 0x00050001, 0x00050026  # the last two are EPERM and ENOSYS
LOAD, AND, IF_EQUAL, IF_AT_LEAST, IF_ANY, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST, SECOND, THIRD = 0, 4, 16, 24, 32  # where the call's number and its arguments lie
X32: Final = 0x40000000
"""From here on x86-64 has every call a second time."""

ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS: Final = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "clone3": (435, 435),
    # They make sockets, and open files, that no filter sees.
    "io_uring_setup": (425, 425),
    # Other processes of the same user, their memory and their open files.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    # Keys that are kept by the user, and not in a file.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # What makes a user the root of a world of its own, and the ways into the kernel that attacks on it take.
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
"""By call: its number on x86-64 and on arm64. All of them are refused, but for what `_filter` lets through."""

UNIX, INET, INET6, NETLINK, ROUTE = 1, 2, 10, 16, 0
STREAM, SEQPACKET = 1, 5
NAMESPACES: Final = 0x7E020000
"""The flags of `clone` that make one: linux/sched.h."""

# -- files: linux/landlock.h ------------------------------------------------------------------------------------------

CREATE_RULESET, ADD_RULE, RESTRICT_SELF, BENEATH = 444, 445, 446, 1
EXECUTE, WRITE, READ, LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_DEVICES, TRUNCATE, IOCTL = 1 << 6 | 1 << 11, 1 << 14, 1 << 15
ALL_WRITES: Final = 3
"""The version from which on no content is changed past it; earlier ones let files be cut off."""
READS: Final = EXECUTE | READ | LIST
OF_A_FILE: Final = EXECUTE | WRITE | READ | TRUNCATE | IOCTL
SIGNALS: Final = 1 << 1
SYSTEM: Final = (
    *("/usr", "/bin", "/lib", "/lib64", "/nix/store", "/proc/self"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types"),
)
"""What an interpreter needs to read besides its own directories."""

DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
"""Anybody may read and write them; nothing is kept of it."""


def give_up(*, readable: Iterable[str]) -> None:
    """All that nobody needs who computes: files but `readable`, sockets, being root. What a system has no way to take
    away is kept, but raises OSError where that is being root."""
    if sys.platform == "linux":
        drop_to(unprivileged())
        within((), readable)
        without_calls(network=False)


def unprivileged() -> tuple[int, int] | None:
    """Whom a process should be that needs no file of anybody's: who we are, or nobody where that is root."""
    return (NOBODY, NOBODY) if os.geteuid() == 0 else None


def hide() -> None:
    """Close our memory and our environment, which hold keys, to other processes of the same user."""
    if sys.platform == "linux":
        _libc().prctl(SET_DUMPABLE, 0, 0, 0, 0)


def drop_to(user: tuple[int, int] | None) -> None:
    """Be this user and group, or who we are, and nobody else ever again. Raises OSError where that cannot be done or
    would leave us root."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user[1], user[1], user[1])
        os.setresuid(user[0], user[0], user[0])
    if 0 in (*os.getresuid(), *os.getresgid()):
        raise PermissionError(1, "it would run as root")
    _libc().prctl(AMBIENT, NO_AMBIENT, 0, 0, 0)
    if _libc().prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "privileges could be had again")


def without_calls(*, network: bool) -> bool:
    """Have the kernel refuse us what leads out, `NUMBERS`; every socket too, but for those of a network where one is
    had. Whether it does: it must be told of the machine, and must know how."""
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        return False
    program = _filter(machine, network=network)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    whole = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return bool(_libc().prctl(SET_SECCOMP, FILTER, ctypes.byref(whole), 0, 0) == 0)


def landlock() -> int:
    """The version of Landlock that this kernel offers: 0 is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))))


def within(writable: Iterable[str], readable: Iterable[str] | None) -> bool:
    """Write below these directories only, and read there and below `readable`, which may be files; None is whatever
    our user may read. The memory and the environment of others is closed as well, and signals to them where the
    kernel can. Whether it is done: False where there is no Landlock. Raises OSError where it fails."""
    version = landlock()
    if version == 0:
        return False
    known = (1 << 13 + (version >= 2) + (version >= 3) + (version >= 5)) - 1
    handled = known if readable is not None else known & ~READS
    rules = _made(CREATE_RULESET, struct.pack("=QQQ", handled, 0, SIGNALS if version >= 6 else 0), 24, 0)
    try:
        for path in writable:
            _allow(rules, path, handled & ~(MAKE_DEVICES | IOCTL))
        for path in DEVICES:
            with contextlib.suppress(FileNotFoundError):
                _allow(rules, path, handled & ~EXECUTE)
        for path in readable or ():
            with contextlib.suppress(FileNotFoundError, PermissionError):
                _allow(rules, path, handled & READS)
        _made(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return True


def _filter(machine: str, *, network: bool) -> list[tuple[int, int, int, int]]:
    """The program that decides on a call: code, jump if true, jump if false, operand. A jump counts what it skips."""
    at = list(ARCHITECTURES).index(machine)
    network_alone = [
        (LOAD, 0, 0, FIRST),
        (IF_EQUAL, 4, 0, INET),
        (IF_EQUAL, 3, 0, INET6),
        (IF_EQUAL, 0, 3, NETLINK),  # which tells what addresses this machine has
        (LOAD, 0, 0, THIRD),
        (IF_EQUAL, 0, 1, ROUTE),
        (RETURN, 0, 0, ALLOWED),
        (RETURN, 0, 0, REFUSED),
    ]
    special = {
        "socket": network_alone if network else [(RETURN, 0, 0, REFUSED)],
        # Two ends of each other; but datagrams may be sent from either to any other socket.
        "socketpair": [
            (LOAD, 0, 0, FIRST),
            (IF_EQUAL, 0, 5, UNIX),
            (LOAD, 0, 0, SECOND),
            (AND, 0, 0, 0xF),
            (IF_EQUAL, 1, 0, STREAM),
            (IF_EQUAL, 0, 1, SEQPACKET),
            (RETURN, 0, 0, ALLOWED),
            (RETURN, 0, 0, REFUSED),
        ],
        "clone": [
            (LOAD, 0, 0, FIRST),
            (IF_ANY, 0, 1, NAMESPACES),
            (RETURN, 0, 0, REFUSED),
            (RETURN, 0, 0, ALLOWED),
        ],
        # Its flags lie in memory, where no filter looks: whoever misses it takes `clone`.
        "clone3": [(RETURN, 0, 0, MISSING)],
    }
    program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, REFUSED),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 0, 1, X32),
        (RETURN, 0, 0, REFUSED),
    ]
    for name, numbers in NUMBERS.items():
        then = special.get(name, [(RETURN, 0, 0, REFUSED)])
        program += [(IF_EQUAL, 0, len(then), numbers[at]), *then]
    return [*program, (RETURN, 0, 0, ALLOWED)]


def _allow(rules: int, path: str, rights: int) -> None:
    where = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(where).st_mode):
            rights &= OF_A_FILE
        if rights:
            _made(ADD_RULE, rules, BENEATH, struct.pack("=Qi", rights, where), 0)
    finally:
        os.close(where)


def _made(number: int, *arguments: int | bytes) -> int:
    """What a system call gives. Raises OSError."""
    given = [one if isinstance(one, bytes) else ctypes.c_long(one) for one in arguments]
    result: int = _libc().syscall(number, *given)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
