"""Messages between the keeper and its client."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper import protocol
from server.keeper.protocol import SERVERS_FILES, StartRequest, code_version, decode, encode
from server.keeper.records import Limits

values = st.none() | st.booleans() | st.integers() | st.text()
SIZES = st.integers(0, 2**63 - 1)
requests = st.builds(
    StartRequest,
    run_id=st.text(),
    script=st.text(),
    shell=st.text(),
    directory=st.text(),
    environment=st.dictionaries(st.text(), st.text()),
    timeout_seconds=st.none() | st.floats(0, 1e9),
    max_output_bytes=st.none() | SIZES,
    min_free_bytes=SIZES,
    grace_seconds=st.floats(0, 1e9),
    output_policy=st.sampled_from(["stop", "head_and_tail"]),
    tail_bytes=SIZES,
    max_open_files=st.none() | SIZES,
    max_processes=st.none() | SIZES,
    max_run_memory_bytes=st.none() | SIZES,
    leased_at=st.none() | st.floats(0, 1e9),
)


@given(st.dictionaries(st.text(), values | st.lists(values)))
def test_a_message_is_one_line_and_read_as_sent(message: dict[str, Any]) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == message


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b"1", b'{"a":', b"\xff", b"[" * 100_000])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(line)


@given(requests)
def test_a_start_request_is_read_as_sent(request: StartRequest) -> None:
    message = decode(encode({"id": 1, "op": "start", "new": 2, **asdict(request)}))
    assert StartRequest.from_message(message) == request


@given(requests)
def test_the_limits_are_those_of_the_request(request: StartRequest) -> None:
    assert type(request.limits) is Limits
    assert asdict(request.limits).items() <= asdict(request).items()


def test_a_start_request_that_lacks_a_field_names_it() -> None:
    with pytest.raises(ValueError, match=r"^the field 'script' is missing$"):
        StartRequest.from_message({"run_id": "x"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run_id", 7),
        ("script", None),
        ("environment", {"A": 1}),
        ("environment", ["A"]),
        ("timeout_seconds", "4"),
        ("timeout_seconds", float("nan")),
        ("max_output_bytes", True),
        ("max_open_files", 2**70),
        ("grace_seconds", -1),
        ("output_policy", "keep"),
        ("output_policy", []),
        ("label", "a\0b"),
        ("leased_at", True),
        ("leased_at", float("inf")),
    ],
)
def test_a_start_request_with_a_wrong_field_names_it(field: str, value: object) -> None:
    message = {"run_id": "x", "script": "", "shell": "", "directory": "", "environment": {}}
    assert StartRequest.from_message(message)
    with pytest.raises(ValueError, match=f"'{field}' has a wrong value"):
        StartRequest.from_message(message | {field: value})


@pytest.mark.parametrize(
    ("name", "renewed"),
    [
        ("keeper.py", True),
        ("run/pump.py", True),
        ("run/new.py", True),
        ("run/client.py", True),
        ("client.py", False),
        ("connection.py", False),
        ("__pycache__/keeper.pyc", False),
    ],
)
def test_the_version_changes_with_the_keepers_code_alone(
    tmp_path: Path, name: str, *, renewed: bool
) -> None:
    for file in ("keeper.py", "client.py", "run/pump.py", name):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("one")
    if name == "run/new.py":
        (tmp_path / name).unlink()
    before = code_version(tmp_path)
    (tmp_path / name).write_text("two")
    assert (code_version(tmp_path) != before) is renewed


def test_the_version_changes_with_a_files_name(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("")
    before = code_version(tmp_path)
    (tmp_path / "one.py").rename(tmp_path / "two.py")
    assert code_version(tmp_path) != before


def test_the_keeper_uses_nothing_of_the_servers_share() -> None:
    code = "import sys, server.keeper.__main__, server.keeper.keeper; print(*sys.modules)"
    used = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    package = Path(protocol.__file__).parent
    for name in SERVERS_FILES:
        assert (package / name).is_file()
        assert f"server.keeper.{name.removesuffix('.py')}" not in used
    assert "server.keeper.protocol" in used
