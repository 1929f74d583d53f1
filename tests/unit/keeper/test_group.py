"""What a run's cgroup tells, by the files that the kernel would show."""

from pathlib import Path

import pytest

from server.keeper.cgroups.group import CLOSE_BYTES, Group

BOUND = 1 << 30
KILLED = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"
SWAP = "memory.memsw.limit_in_bytes"
NONE_KILLED = "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"


@pytest.mark.parametrize(
    ("oom", "kills", "exceeded"), [(0, 0, False), (3, 0, False), (0, 1, False), (1, 2, True)]
)
def test_in_version_2_the_bound_must_have_been_the_cause_of_a_kill(
    tmp_path: Path, oom: int, kills: int, *, exceeded: bool
) -> None:
    (tmp_path / "memory.events").write_text(f"low 0\nmax 9\noom {oom}\noom_kill {kills}\n")
    assert Group(tmp_path).exceeded() is exceeded


@pytest.mark.parametrize(
    ("control", "usage", "with_swap", "exceeded"),
    [
        (KILLED, BOUND, None, True),
        (KILLED, BOUND - CLOSE_BYTES, None, True),
        (KILLED, BOUND // 2, BOUND, True),
        (KILLED, BOUND - CLOSE_BYTES - 1, BOUND // 2, False),
        (NONE_KILLED, BOUND, BOUND, False),
        ("oom_kill_disable 0\nunder_oom 0\n", BOUND, BOUND, False),
    ],
)
def test_in_version_1_a_kill_must_have_come_close_to_the_bound(
    tmp_path: Path, control: str, usage: int, with_swap: int | None, *, exceeded: bool
) -> None:
    (tmp_path / "memory.oom_control").write_text(control)
    (tmp_path / "memory.limit_in_bytes").write_text(f"{BOUND}\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text(f"{usage}\n")
    if with_swap is not None:
        (tmp_path / "memory.memsw.max_usage_in_bytes").write_text(f"{with_swap}\n")
    assert Group(tmp_path).exceeded() is exceeded


async def test_a_group_that_has_gone_has_nothing_to_tell_or_to_remove(tmp_path: Path) -> None:
    group = Group(tmp_path / "all" / "gone")
    assert not group.exceeded()
    assert group.pids() == []
    await group.remove()


async def test_a_group_that_cannot_be_removed_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cgroup.procs").write_text("")
    await Group(tmp_path).remove(pause_seconds=0)
    assert f"cgroup not removed: {tmp_path}: " in caplog.text


@pytest.mark.parametrize(
    ("version", "given", "expected"),
    [
        (
            1,
            ["memory.memsw.limit_in_bytes"],
            {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"},
        ),
        (1, [], {"memory.limit_in_bytes"}),
        (2, ["memory.swap.max", "memory.oom.group"], {"memory.max"}),
        (2, [], {"memory.max"}),
    ],
)
def test_swap_is_within_the_bound_where_the_kernel_counts_it(
    tmp_path: Path, version: int, given: list[str], expected: set[str]
) -> None:
    for name in given:
        (tmp_path / name).touch()
    Group(tmp_path).bound(version, BOUND)
    values = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name, value in values.items() if value == str(BOUND)} == expected
    rest = {name: value for name, value in values.items() if name not in expected}
    assert rest == {name: {"memory.swap.max": "0"}.get(name, "1") for name in rest}
