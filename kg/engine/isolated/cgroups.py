"""What control groups allow: the limits of a container or of a service of the system.

Both versions of control groups are known, see cgroups(7). A limit of a group holds for all groups
within it, so the groups above this process's own count as well, as far as they can be seen.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

CONTROLLERS: Final = ("memory", "cpu", "pids")
_UNLIMITED: Final = 1 << 60
"""From here on, a limit of version 1 is none."""


def text_of(path: Path) -> str:
    """Return what a file of the kernel has; "" if there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def folders(cgroup: str, mountinfo: str) -> Mapping[str, list[Path]]:
    """Return the folders of the groups that this process is in, the innermost first, by controller.

    Args:
        cgroup: what /proc/self/cgroup has.
        mountinfo: what /proc/self/mountinfo has.
    """
    paths: dict[str, str] = {}
    for line in cgroup.splitlines():
        _, listed, path = line.split(":", 2)
        paths.update(dict.fromkeys(listed.split(","), path))  # version 2 has no name
    found: dict[str, list[Path]] = {}
    for root, point, names in _mounts(mountinfo):
        for controller in CONTROLLERS:
            name = controller if controller in names else ""
            if name not in names or name not in paths or (not name and controller in found):
                continue
            group = PurePosixPath(paths[name])
            inside = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
            if ".." not in inside.parts:  # it was moved out of what is mounted here
                found[controller] = [point / each for each in (inside, *inside.parents)]
    return found


def _mounts(mountinfo: str) -> Iterator[tuple[str, Path, set[str]]]:
    """Yield root, place and controllers of what is mounted of control groups; "" for version 2."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            names = {""} if kind == "cgroup2" else set(options.split(","))
            yield root, Path(point.replace("\\040", " ")), names


def memory_limit(folder: Path) -> int | None:
    """Return the bytes of memory that a group may have; None: no limit."""
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    limits = [_number(text_of(folder / name)) for name in names]
    return min((each for each in limits if each is not None), default=None)


def memory_left(folder: Path) -> int | None:
    """Return the bytes of memory that a group may still take; None: no limit.

    What the kernel has read from files and nobody uses now counts as free.
    """
    limit = memory_limit(folder)
    if limit is None:
        return None
    used = _number(text_of(folder / "memory.current") or text_of(folder / "memory.usage_in_bytes"))
    stat = dict(line.split() for line in text_of(folder / "memory.stat").splitlines())
    cached = int(stat.get("total_inactive_file") or stat.get("inactive_file") or 0)
    return limit - max(0, (used or 0) - cached)


def cores(folder: Path) -> int | None:
    """Return how many processor cores a group may use, rounded up; None: no limit."""
    quota, _, period = text_of(folder / "cpu.max").partition(" ")
    share = _number(quota or text_of(folder / "cpu.cfs_quota_us"))
    each = _number(period or text_of(folder / "cpu.cfs_period_us"))
    return None if share is None or not each else max(1, math.ceil(share / each))


def processes_left(folder: Path) -> int | None:
    """Return how many processes and threads a group may still start; None: no limit."""
    limit = _number(text_of(folder / "pids.max"))
    return None if limit is None else limit - (_number(text_of(folder / "pids.current")) or 0)


def _number(text: str) -> int | None:
    text = text.strip()
    number = int(text) if text.isascii() and text.isdigit() else None  # "max" and -1 are no limit
    return None if number is None or number >= _UNLIMITED else number
