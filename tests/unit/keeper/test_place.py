"""Where memory cgroups may be made: found from what the kernel and systemd tell."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper.cgroups import place as place_module
from server.keeper.cgroups.place import CgroupError, Hierarchy, find

V1 = "4:cpu,cpuacct:/a\n3:memory:/own\n1:name=systemd:/a\n0::/unified\n"
V2 = "0::/own\n"
MOUNTS = """\
23 1 0:28 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 {root} {point} rw,relatime - cgroup cgroup rw,memory
41 31 0:38 {root} {point2} rw shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate
"""


def mounts(root: str = "/", point: str = "/m1", point2: str = "/m2") -> str:
    return MOUNTS.format(root=root, point=point, point2=point2)


@pytest.mark.parametrize(
    ("membership", "mounted", "expected"),
    [
        (V1, mounts(), Hierarchy(1, Path("/m1/own"))),
        (V2, mounts(), Hierarchy(2, Path("/m2/own"))),
        ("5:pids:/x\n0::/own\n", mounts(), Hierarchy(2, Path("/m2/own"))),
        ("0::/\n", mounts(), Hierarchy(2, Path("/m2"))),
        (V1, mounts(root="/own"), Hierarchy(1, Path("/m1"))),
        ("0::/own/leaf\n", mounts(root="/own"), Hierarchy(2, Path("/m2/leaf"))),
        (V2, mounts() + mounts(point2="/later"), Hierarchy(2, Path("/later/own"))),
        (V2, mounts() + mounts(root="/other", point2="/later"), Hierarchy(2, Path("/m2/own"))),
        ("0::/a:b c\n", mounts(point2=r"/with\040blank"), Hierarchy(2, Path("/with blank/a:b c"))),
    ],
)
def test_the_own_cgroup_is_found_where_it_is_mounted(
    membership: str, mounted: str, expected: Hierarchy
) -> None:
    assert find(membership, mounted) == expected


@pytest.mark.parametrize(
    ("membership", "mounted"),
    [
        ("", mounts()),
        (V1, ""),
        (V1, MOUNTS.splitlines()[4].format(root="/", point2="/m2")),
        (V2, MOUNTS.splitlines()[3].format(root="/", point="/m1")),
        (V2, mounts(root="/other")),
        ("0::/../outside\n", mounts()),
    ],
)
def test_a_cgroup_that_is_not_mounted_is_an_error(membership: str, mounted: str) -> None:
    with pytest.raises(CgroupError, match="is mounted"):
        find(membership, mounted)


@given(st.text(st.characters(blacklist_characters="\\\n \t")), st.sampled_from(" \t\n\\"))
def test_a_mount_point_is_read_as_the_kernel_writes_it(text: str, blank: str) -> None:
    point = f"/{text}{blank}{text}"
    written = point.replace("\\", r"\134").replace(blank, f"\\{ord(blank):03o}")
    if blank == "\\":
        written = point.replace("\\", r"\134")
    assert place_module._unescape(written) == point


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make what looks like the cgroup of a unit on a machine that systemd runs."""
    monkeypatch.setattr(place_module, "SYSTEMD", tmp_path)
    (tmp_path / "unit" / "server").mkdir(parents=True)
    return tmp_path / "unit"


def test_the_unit_is_the_place_once_systemd_has_delegated_it(unit: Path) -> None:
    own = Hierarchy(2, unit / "server")
    for value in (None, b"0"):
        if value is not None:
            os.setxattr(unit, place_module.DELEGATED, value)
        with pytest.raises(CgroupError, match=r"Delegate=yes and DelegateSubgroup="):
            own.place()
    os.setxattr(unit, place_module.DELEGATED, b"1")
    assert own.place() == unit
    with pytest.raises(CgroupError, match="DelegateSubgroup="):
        Hierarchy(2, unit).place()


def test_without_systemd_the_own_cgroup_is_the_place(
    unit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "SYSTEMD", unit / "nowhere")
    assert Hierarchy(2, unit).place() == unit
    assert Hierarchy(2, unit / place_module.LEAF).place() == unit
    assert Hierarchy(1, unit).place() == unit


class Kernel:
    """The rule that a cgroup with processes has no controllers to hand on, kept on plain files."""

    def __init__(self, cgroup: Path, processes: str) -> None:
        self.control = cgroup / "cgroup.subtree_control"
        self.members = cgroup / "cgroup.procs"
        (cgroup / "cgroup.controllers").write_text("cpu memory\n")
        self.control.write_text("cpu\n")
        self.members.write_text(processes)
        self.moved: list[str] = []

    def write(self, file: Path, text: str) -> None:
        if file == self.control:
            if self.members.read_text():
                raise OSError(errno.EBUSY, "busy")
            self.control.write_text("cpu memory\n")
        else:
            self.moved.append(text)
            left = self.members.read_text().split()
            left.remove(text)
            self.members.write_text("\n".join(left))
            if text == "2":
                raise ProcessLookupError


def test_processes_move_to_a_leaf_before_memory_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path, "1\n2\n3\n")
    monkeypatch.setattr(place_module, "write", kernel.write)
    Hierarchy(2, tmp_path).enable_memory(tmp_path)
    assert kernel.control.read_text() == "cpu memory\n"
    assert kernel.moved == ["1", "2", "3"]
    assert (tmp_path / place_module.LEAF).is_dir()
    Hierarchy(2, tmp_path).enable_memory(tmp_path)
    assert kernel.moved == ["1", "2", "3"]


def test_processes_that_do_not_move_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(file: Path, _: str) -> None:
        if file.name == "cgroup.subtree_control":
            raise OSError(errno.EBUSY, "busy")

    Kernel(tmp_path, "1\n")
    monkeypatch.setattr(place_module, "write", busy)
    with pytest.raises(CgroupError, match="do not move"):
        Hierarchy(2, tmp_path).enable_memory(tmp_path)


def test_a_cgroup_without_the_controller_is_told(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(CgroupError, match="has no memory controller, only: cpu pids"):
        Hierarchy(2, tmp_path).enable_memory(tmp_path)


def test_a_refused_write_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cgroup\.procs"):
        place_module.write(tmp_path / "none" / "cgroup.procs", "1")
    with pytest.raises(OSError, match=r"\[Errno 28\].*/dev/full"):
        place_module.write(Path("/dev/full"), "1")
