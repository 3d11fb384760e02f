"""What control groups allow is read as the kernel writes it, in both versions."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.engine.isolated import cgroups

V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
OTHER = "24 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
IN_DOCKER_V1 = """\
711 709 0:29 /docker/ab /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory
712 709 0:30 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
713 709 0:31 /docker/ab /sys/fs/cgroup/pids ro,nosuid - cgroup cgroup rw,pids
714 709 0:32 / /sys/fs/cgroup/systemd ro,nosuid - cgroup cgroup rw,xattr,name=systemd
"""
GROUPS_V1 = """\
12:pids:/docker/ab
5:cpu,cpuacct:/docker/ab
3:memory:/docker/ab/inner
1:name=systemd:/docker/ab
0::/
"""
HYBRID = """\
29 28 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
31 28 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
"""
TOP = Path("/sys/fs/cgroup")
MIB = 1 << 20


def for_all(*folders: Path) -> dict[str, list[Path]]:
    """Return what is found where all controllers have the same groups."""
    return {controller: list(folders) for controller in cgroups.CONTROLLERS}


def files(**contents: str) -> dict[str, str]:
    """Return files of a group, by their names; two underlines stand for a dot."""
    return {name.replace("__", "."): text for name, text in contents.items()}


def group(folder: Path, contents: dict[str, str]) -> Path:
    """Write the files of a group, and return its folder."""
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("cgroup", "mounts", "expected"),
    [
        ("0::/\n", OTHER + V2, for_all(TOP)),
        (
            "0::/system.slice/my service.service\n",
            V2,
            for_all(TOP / "system.slice/my service.service", TOP / "system.slice", TOP),
        ),
        (
            GROUPS_V1,
            OTHER + IN_DOCKER_V1,
            {
                "memory": [TOP / "memory/inner", TOP / "memory"],
                "cpu": [TOP / "cpu,cpuacct"],
                "pids": [TOP / "pids"],
            },
        ),
        (
            "3:memory:/a\n0::/b\n",
            HYBRID,
            {
                "memory": [TOP / "memory/a", TOP / "memory"],
                "cpu": [TOP / "unified/b", TOP / "unified"],
                "pids": [TOP / "unified/b", TOP / "unified"],
            },
        ),
        ("0::/../other\n", V2, {}),
        ("0::/\n", OTHER, {}),
        ("", "", {}),
        (
            "0::/a\n",
            "30 24 0:26 / /mnt/with\\040space rw - cgroup2 cgroup2 rw\n",
            for_all(Path("/mnt/with space/a"), Path("/mnt/with space")),
        ),
    ],
    ids=[
        "container",
        "service",
        "docker",
        "hybrid",
        "moved out",
        "not mounted",
        "no groups",
        "space",
    ],
)
def test_the_groups_of_a_process_are_found(
    cgroup: str, mounts: str, expected: dict[str, list[Path]]
) -> None:
    """Its own first and those above it after, as far as they are mounted."""
    assert cgroups.folders(cgroup, mounts) == expected


@pytest.mark.parametrize(
    ("contents", "limit", "left"),
    [
        (files(), None, None),
        (files(memory__max="max\n", memory__high="max\n", memory__current="5\n"), None, None),
        (files(memory__max="100\n", memory__high="max\n", memory__current="30\n"), 100, 70),
        (files(memory__max="100\n", memory__high="80\n", memory__current="30\n"), 80, 50),
        (
            files(
                memory__max="100\n",
                memory__current="90\n",
                memory__stat="anon 40\ninactive_file 30\nactive_file 20\n",
            ),
            100,
            40,
        ),
        (
            files(memory__limit_in_bytes="9223372036854771712\n", memory__usage_in_bytes="7\n"),
            None,
            None,
        ),
        (
            files(
                memory__limit_in_bytes="100\n",
                memory__usage_in_bytes="90\n",
                memory__stat="inactive_file 1\ntotal_inactive_file 30\n",
            ),
            100,
            40,
        ),
        (files(memory__max="100\n", memory__current="120\n"), 100, -20),
    ],
    ids=range(8),
)
def test_memory(
    tmp_path: Path, contents: dict[str, str], limit: int | None, left: int | None
) -> None:
    """The lower of the two limits counts, and what is cached of files is free."""
    folder = group(tmp_path, contents)

    assert cgroups.memory_limit(folder) == limit
    assert cgroups.memory_left(folder) == left


@pytest.mark.parametrize(
    ("contents", "cores"),
    [
        (files(), None),
        (files(cpu__max="max 100000\n"), None),
        (files(cpu__max="50000 100000\n"), 1),
        (files(cpu__max="150000 100000\n"), 2),
        (files(cpu__max="400000 100000\n"), 4),
        (files(cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n"), None),
        (files(cpu__cfs_quota_us="250000\n", cpu__cfs_period_us="100000\n"), 3),
    ],
    ids=range(7),
)
def test_cores(tmp_path: Path, contents: dict[str, str], cores: int | None) -> None:
    """A part of a core counts as one."""
    assert cgroups.cores(group(tmp_path, contents)) == cores


@pytest.mark.parametrize(
    ("contents", "left"),
    [
        (files(), None),
        (files(pids__max="max\n", pids__current="5\n"), None),
        (files(pids__max="100\n", pids__current="5\n"), 95),
        (files(pids__max="5\n", pids__current="7\n"), -2),
    ],
    ids=range(4),
)
def test_processes(tmp_path: Path, contents: dict[str, str], left: int | None) -> None:
    """A limit may be below what there is."""
    assert cgroups.processes_left(group(tmp_path, contents)) == left


@given(st.dictionaries(st.sampled_from(["cpu.max", "pids.max", "memory.max"]), st.text()))
def test_what_is_not_understood_is_no_limit(contents: dict[str, str]) -> None:
    """Whatever other kernels write there, it does no harm."""
    with TemporaryDirectory() as folder:
        group(Path(folder), contents)
        for allowance in (cgroups.cores, cgroups.processes_left, cgroups.memory_limit):
            result = allowance(Path(folder))
            assert result is None or result >= 0
