"""What the kernel is asked to enforce upon a process: its end, its time, its memory, its network."""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from kg.engine.isolated import cgroups

_PR_SET_PDEATHSIG = 1
_PR_GET_SECCOMP = 21
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_PAGE_BYTES = resource.getpagesize()
_MINOR_FAULTS = 7
_START = 19
"""Which fields of /proc/PID/stat after the name have them, see proc(5)."""

_SYSTEM_CALLS = tomllib.loads(Path(__file__).with_name("system_calls.toml").read_text("utf-8"))

_LOOK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
"""Reads what is there and leaves it; a plain number, as joining flags takes as long as reading."""

_LARGE_FILE = 128 << 20
"""Bytes that a file in memory has to be allowed (RLIMIT_FSIZE): more than the largest answer."""


def lacking() -> str | None:
    """Return what this platform lacks of what is used here; None: nothing."""
    if sys.platform != "linux":
        return "the Linux kernel"
    if os.uname().machine not in _SYSTEM_CALLS["machines"] or sys.maxsize < 1 << 32:
        return f"a filter of system calls for {os.uname().machine}"
    try:
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) < 0:
            return "filters of system calls (seccomp)"
        with os.fdopen(os.memfd_create("probe"), "wb") as probe:
            probe.truncate(_LARGE_FILE)
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return f"pidfd_open, or files in memory of {_LARGE_FILE >> 20} MiB ({error.strerror})"
    return None


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends.

    Args:
        parent: process identifier of the parent, to notice that it ended meanwhile.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(0)


def default_signals() -> None:
    """Reset every signal to its default action, whatever the parent left behind.

    What ends a query is a signal, and exec hands on which signals are blocked or ignored: in a
    service whose parent blocked SIGALRM no query would end at its time limit.
    """
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        # Python itself ignores SIGPIPE, and raises BrokenPipeError.
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def limit_time(seconds: float) -> None:
    """Ask the kernel to kill this process after a time, whatever it does; 0 takes the limit away.

    The signal has to have its default action, so that no code of this process has to run.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)


def limit_memory(more: int) -> None:
    """Limit the address space, so that allocations fail beyond a growth by a number of bytes.

    The engine aborts then, which ends the process by SIGABRT. A file, as an answer in memory is
    that is no part of the address space, may have as many bytes; beyond that it ends by SIGXFSZ.
    """
    limits = ((resource.RLIMIT_AS, address_space() + more), (resource.RLIMIT_FSIZE, more))
    for limit, wanted in limits:
        _, hard = resource.getrlimit(limit)
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (soft, hard))


def lower_priority(process: int, niceness: int) -> None:
    """Set the niceness of a process, unless it has a higher one already."""
    if os.getpriority(os.PRIO_PROCESS, process) < niceness:
        # Somebody else may have given it a still higher one meanwhile, which we may not lower.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, process, niceness)


def address_space() -> int:
    """Return the size of the address space of this process, in bytes."""
    return _pages_in(Path("/proc/self/statm").read_bytes())


class Growth:
    """How much this process has grown; a process that is forked from it needs its own."""

    def __init__(self) -> None:
        self._descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._began_with = address_space()
        self._faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def bytes(self) -> int:
        """Return by how many bytes the address space has grown since this was made."""
        return _pages_in(os.pread(self._descriptor, 100, 0)) - self._began_with

    def copied(self) -> int:
        """Return about how many bytes were copied that were shared, as they were written to.

        Oxigraph counts references within its data, so that reading them writes to them.
        """
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - self._faults
        return faults * _PAGE_BYTES


def taken_by(process: int) -> int:
    """Return how many bytes of memory another process has had made or copied; 0 if it has ended.

    That includes files in memory, which count alike for all that share them.
    """
    taken = 0
    with suppress(OSError):
        taken = _stat(process, _MINOR_FAULTS) * _PAGE_BYTES
        for path in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed meanwhile
                file = path.stat()
                taken += 0 if file.st_nlink else file.st_size
    return taken


def start_of(process: int) -> int:
    """Return when a process was started, in ticks since the machine was; -1 if it has ended."""
    try:
        return _stat(process, _START)
    except OSError:
        return -1


def _stat(process: int, field: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_bytes()
    return int(stat[stat.rindex(b")") + 2 :].split()[field])


def memory_left() -> int:
    """Return how many bytes of memory the machine, or the container, can still give to processes."""
    left = _allowed("memory", cgroups.memory_left)
    return min([_kibibytes("MemAvailable") << 10, *left])


def memory_in_all() -> int:
    """Return how many bytes of memory the machine, or the container, has."""
    return min([_kibibytes("MemTotal") << 10, *_allowed("memory", cgroups.memory_limit)])


def cores() -> int:
    """Return how many processor cores this process and its children may use."""
    return min([len(os.sched_getaffinity(0)), *_allowed("cpu", cgroups.cores)])


def processes_left() -> int | None:
    """Return how many processes and threads may still be started; None: no limit is known."""
    left = _allowed("pids", cgroups.processes_left)
    most, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.getuid() and most != resource.RLIM_INFINITY:  # it does not hold for root
        for process in Path("/proc").glob("[0-9]*"):  # what it counts are threads of the user
            with suppress(OSError):  # it may end meanwhile
                if process.stat().st_uid == os.getuid():
                    most -= sum(1 for _ in (process / "task").iterdir())
        left.append(most)
    return min(left, default=None)


def _allowed(controller: str, allowance: Callable[[Path], int | None]) -> list[int]:
    """Return what each control group of this process allows, of those that had a limit at first."""
    found = map(allowance, _limited_groups(controller))
    return [each for each in found if each is not None]


@cache
def _limited_groups(controller: str) -> tuple[Path, ...]:
    """Return the folders of the groups that limit something, to look at no others time and again."""
    limits = {"memory": cgroups.memory_limit, "cpu": cgroups.cores, "pids": cgroups.processes_left}
    told = (cgroups.text_of(Path(f"/proc/self/{name}")) for name in ("cgroup", "mountinfo"))
    found = cgroups.folders(*told)
    groups = found.get(controller, ())
    return tuple(each for each in groups if limits[controller](each) is not None)


def _kibibytes(name: str) -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def _pages_in(statm: bytes) -> int:
    return int(statm[: statm.index(b" ")]) * _PAGE_BYTES


def die_with_connection(connection: socket.socket) -> bool:
    """Ask the kernel to kill this process when the other end of a connection, which sends nothing, closes.

    The kernel sends SIGIO, whose default action is to end the process, when the state of the
    connection changes. The connection has to be one that waits. Take it back with
    ``outlive_connection`` before writing to it, as the state changes when that is read too.

    Returns:
        Whether the other end is open; if it was closed before, no signal comes.
    """
    descriptor = connection.fileno()
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_ASYNC)
    try:
        return connection.recv(1, _LOOK) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def outlive_connection(connection: socket.socket) -> None:
    """Take back ``die_with_connection``."""
    fcntl.fcntl(connection, fcntl.F_SETFL, 0)


def forbid_network() -> None:
    """Ask the kernel to refuse this process and its children any new socket, with EPERM.

    A seccomp filter on system calls; connections that are open already go on. What is not a call of
    this architecture is refused as a whole, since other tables have other numbers for socket(2).
    """
    machine = _SYSTEM_CALLS["machines"][os.uname().machine]
    refused = (*machine["sockets"], *_SYSTEM_CALLS["everywhere"])
    load, jump_if_equal, jump_if_not_below, end = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EPERM
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (load, 0, 0, 4),  # the architecture
            (jump_if_equal, 0, len(refused) + 3, machine["architecture"]),
            (load, 0, 0, 0),  # the number of the system call
            (jump_if_not_below, len(refused) + 1, 0, _SYSTEM_CALLS["foreign"]),
            *((jump_if_equal, len(refused) - at, 0, call) for at, call in enumerate(refused)),
            (end, 0, 0, allow),
            (end, 0, 0, refuse),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    argument = ctypes.create_string_buffer(filter_program, len(filter_program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, argument, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
