"""What the kernel says of processes: their descendants, their memory, how busy they are."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_BLOCK: Final = 512


def tree(root: int) -> list[int]:
    """Return the process identifiers of a process and all its descendants."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").glob("[0-9]*")}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory(pids: Sequence[int]) -> int:
    """Return the bytes that processes take together.

    That is their proportional set sizes, and the files in memory that they hold open.
    """
    files = {inode: size for pid in pids for inode, size in _memory_files(pid)}
    return sum(map(_proportional_set_size, pids)) + sum(files.values())


def ticks(pids: Sequence[int]) -> int:
    """Return the processor time that processes have taken, in ticks of the clock."""
    stated = (_fields(Path(f"/proc/{pid}")) for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stated if fields)


def listens(port: int) -> bool:
    """Tell whether something accepts connections to a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _fields(process: Path) -> list[str]:
    """Return what the kernel says of a process behind its name; empty if it has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parent(process: Path) -> int:
    fields = _fields(process)
    return int(fields[1]) if fields else 0


def _memory_files(pid: int) -> list[tuple[int, int]]:
    """Return inode and size of each file in memory that a process holds open."""
    found = []
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if str(path.readlink()).startswith("/memfd:"):
                status = path.stat()
                found.append((status.st_ino, status.st_blocks * _BLOCK))
        except FileNotFoundError:
            continue
    return found


def _proportional_set_size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return sum(sizes) * 1024
