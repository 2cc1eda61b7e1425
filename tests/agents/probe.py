"""Tries what a program in bounds must not be able to do, and tells what it could: `found` gives a list for each try.

Handed over as text, to whatever runs code: it needs the standard library only, and is imported by nobody.
"""

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import socket
import stat
import sys
import time

OUTSIDE = (
    *("/", "/etc", "/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/opt", "/root"),
    *("/github/home", "/github/workflow", "/github/runner_temp", "/github/file_commands"),
)
SYSCALLS = {"io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438}
NEW_USER, ATTACH = 0x10000000, 16


def found(asked):
    """What could be done, by what was tried."""
    status = dict(line.split(":\t", 1) for line in contents("/proc/self/status").decode().splitlines() if ":\t" in line)
    engine = os.stat(asked["engine"]).st_mode
    return {
        "who": [*os.getresuid(), *os.getresgid(), *os.getgroups()],
        "rights": [status["CapEff"], status["CapPrm"], status["NoNewPrivs"], status["Seccomp"]],
        "descriptors": [
            fd for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}")
        ],
        "secrets": [*secrets_seen(asked["secrets"])],
        "processes": [*processes_reached()],
        "sockets": [*sockets_had(asked)],
        "engine": [stat.S_ISSOCK(engine), stat.S_IMODE(engine)],
        "calls": [*calls_had()],
        "written": [*written(asked)],
        "read": [path for path in asked["readable"] if can(open, path) or can(os.listdir, path)],
        "marked": [*marked(asked["mark"])],
    }


def contents(path, most=-1):
    with open(path, "rb") as file:
        return file.read(most)


def can(do, *arguments):
    """Whether something may be done. What is had by it is closed again."""
    try:
        had = do(*arguments)
    except Exception:
        return False
    with contextlib.suppress(Exception):
        had.close()
    return True


def others():
    """All that there are, also where they may not be listed."""
    ours = int(os.readlink("/proc/self"))
    return [process for process in range(1, ours + 50) if process != ours and os.path.exists(f"/proc/{process}")]


def secrets_seen(secrets):
    """Where a secret can be read: variables and arguments of any process, ours among them."""
    for process in ("self", *others()):
        for name in ("environ", "cmdline"):
            with contextlib.suppress(OSError):
                text = contents(f"/proc/{process}/{name}")
                if any(secret.encode() in text for secret in secrets):
                    yield f"{process}/{name}"


def processes_reached():
    """Other processes that let us in, or that would hear a signal of ours, whose numbers are those of our namespace."""
    for process in range(1, int(os.readlink("/proc/self")) + 50):
        if process != os.getpid() and can(os.kill, process, 0):
            yield f"kill {process}"
    for process in others():
        for name in ("environ", "mem", "maps"):
            with contextlib.suppress(OSError):
                if contents(f"/proc/{process}/{name}", 1):  # threads of the kernel have none
                    yield f"{process}/{name}"
        for name in ("fd/0", "cwd", "root"):
            if can(os.readlink, f"/proc/{process}/{name}"):
                yield f"{process}/{name}"
        if ctypes.CDLL(None).ptrace(ATTACH, process, 0, 0) == 0:
            yield f"ptrace {process}"


def sockets_had(asked):
    tries = {
        "unix": lambda: socket.socket(socket.AF_UNIX).connect(asked["engine"]),
        "any unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        "unix from a pair": lambda: socket.socketpair()[0].connect(asked["engine"]),
        "datagrams from a pair": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        "raw datagrams from a pair": lambda: socket.socketpair(socket.AF_UNIX, 3),
        "tcp": lambda: socket.create_connection(("127.0.0.1", asked["port"]), timeout=1),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
        "tcp6": lambda: socket.socket(socket.AF_INET6),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "other netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15),
        "vsock": lambda: socket.socket(40),
        "packet": lambda: socket.socket(17, socket.SOCK_DGRAM),
        "a pair": socket.socketpair,
    }
    if not asked["network"]:  # or it would be asked for
        tries["dns"] = lambda: socket.getaddrinfo("no-name-at-all.test", 80)
    return (name for name, do in tries.items() if can(do))


def calls_had():
    """Other ways round the bounds. A call that is not refused complains of its arguments at least."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name, number in SYSCALLS.items():
        libc.syscall(number, -1, 0, 0, 0, 0)
        if ctypes.get_errno() not in (1, 38):
            yield name
    if libc.unshare(NEW_USER) == 0:
        yield "unshare"
    if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
        yield "mount"


def written(asked):
    """Directories and files outside that could be changed. What could is left as it was."""
    for directory in (*OUTSIDE, *asked["closed"]):
        path = f"{directory}/by-a-stranger-{os.getpid()}"
        for do in (created, os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path), moved):
            if can(do, path) or can(do, f"/proc/self/root{path}"):
                yield directory
                os.rmdir(path) if do is os.mkdir else os.unlink(path)
        for file in (f"{directory}/{name}" for name in names(directory)):
            inside = f"{asked['own']}/taken"
            if os.path.isfile(file) and (can(open, file, "a") or can(os.truncate, file, os.path.getsize(file))):
                yield file
            if os.path.isfile(file) and can(os.link, file, inside):
                yield file
                os.unlink(inside)


def created(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def moved(path):
    """From our own directory, where we may."""
    created("moved")
    try:
        os.rename("moved", path)
    finally:
        if os.path.exists("moved"):
            os.unlink("moved")


def names(directory):
    try:
        return os.listdir(directory)
    except OSError:
        return [name for name in ("passwd", "hosts") if directory == "/etc"]


def marked(mark):
    """Processes that have it among their arguments."""
    for process in others():
        with contextlib.suppress(OSError):
            if mark.encode() in contents(f"/proc/{process}/cmdline"):
                yield process


def escape(mark):
    """Leave a process behind that has left its session, its parents and its pipes, and hears no signal."""
    forever = (
        "import signal, time\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except OSError: pass\n"
    )
    if not os.fork():
        os.setsid()
        if not os.fork():
            for fd in (0, 1, 2):
                os.dup2(os.open("/dev/null", os.O_RDWR), fd)
            os.execv(sys.executable, [sys.executable, "-c", f"{forever}time.sleep(60)", mark])
        os._exit(0)
    os.wait()


def used_up(own):
    """How far the limits let one go: processes, bytes of memory and of a file (as powers of two), core dumps."""
    born = []
    try:
        while len(born) < 2000:
            if not (child := os.fork()):
                time.sleep(60)
                os._exit(0)
            born.append(child)
    except OSError:
        pass
    for child in born:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = next((size for size in range(12, 34) if not can(mmap.mmap, -1, 1 << size, private)), 34)
    with open(f"{own}/big", "wb") as file:
        sizes = (size for size in range(20, 40) if not can(os.pwrite, file.fileno(), b"x", 1 << size))
        disk = next(sizes, 40)
    os.unlink(f"{own}/big")
    return [len(born), memory, disk, resource.getrlimit(resource.RLIMIT_CORE)[0]]
