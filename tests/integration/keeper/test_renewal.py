"""What a keeper that executes its code anew finds again, whatever became of the names meanwhile."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.keeper.client import KEEPER_COMMAND
from tests.integration.keeper.harness import BOUNDS, GO_ON, Host, a_host, go, rewrite
from tests.support.service import ROOT
from tests.support.waiting import until


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with a_host(tmp_path) as host:
        yield host


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("replace", [Path.unlink, rewrite, make_fifo])
@pytest.mark.parametrize("name", ["output", "pipe"])
async def test_nothing_is_lost_when_a_file_was_replaced_before_the_renewal(
    host: Host, name: str, replace: Callable[[Path], object]
) -> None:
    run_id = await host.start(f"echo before; {GO_ON} echo after; exit 3")
    await host.wrote(run_id, b"before\n")
    replace(host.spool.directory(run_id) / name)
    for _ in range(2):
        await host.client.renew()
    go(host, run_id)
    end = await host.ended(run_id)
    assert (end.exitcode, end.output_bytes, end.output_changed) == (3, 13, False)
    assert host.output(run_id) == b"before\nafter\n"


async def test_a_tail_that_was_replaced_before_the_renewal_is_kept(host: Host) -> None:
    run_id = await host.start(f"seq 1000; {GO_ON} echo last", **BOUNDS)
    directory = host.spool.directory(run_id)
    written = b"".join(b"%d\n" % number for number in range(1, 1001)) + b"last\n"
    newest = (len(written) - 1000 - len(b"last\n")) // 1000

    def filled() -> bool:
        sizes = [path.stat().st_size for path in directory.glob(f"tail.{newest}")]
        return sizes == [(len(written) - 1000 - len(b"last\n")) % 1000]

    await until(filled)
    for path in directory.glob("tail.*"):
        rewrite(path)
    await host.client.renew()
    go(host, run_id)
    end = await host.ended(run_id)
    output = host.output(run_id)
    assert (end.exitcode, end.left_out_bytes) == (0, len(written) - 2000)
    assert output.startswith(written[:1000])
    assert output.endswith(written[-1000:])


async def test_the_runs_of_a_version_that_hands_over_pipes_alone_go_on(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "server" / "keeper", tree / "server" / "keeper", ignore=ignored)
    (tree / "server" / "__init__.py").touch()
    main = tree / "server" / "keeper" / "__main__.py"
    code = main.read_text(encoding="utf-8")
    assert code.count("[*command, *arguments]") == 1
    main.write_text(code.replace("[*command, *arguments]", "[*command, arguments[0]]"))
    command = (*KEEPER_COMMAND[:-1], str(main))
    async with a_host(tmp_path / "state", command=command) as host:
        run_id = await host.start(f"echo before; {GO_ON} echo after; exit 3")
        await host.wrote(run_id, b"before\n")
        main.write_text(code)
        for _ in range(2):
            await host.client.renew()
        go(host, run_id)
        end = await host.ended(run_id)
        assert (end.exitcode, host.output(run_id)) == (3, b"before\nafter\n")
