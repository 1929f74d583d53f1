"""The reckoning: what must hold when everything has ended."""

from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path

import aiohttp
import psycopg2

from server.keeper import processes
from server.keeper.spool import Spool
from tests.support.waiting import until
from tests.torture.load import Load
from tests.torture.site import Site
from tests.torture.tally import Tally
from tests.torture.victims import Victims

END_SECONDS = 20.0

AUDIT = """
    SELECT r.id, 'state ' || r.state FROM commands_info r WHERE r.state IN ('queued', 'running')
    UNION ALL
    SELECT r.id, 'bytes or lines' FROM commands_info r
    LEFT JOIN commands_info_output c ON c.commands_info_id = r.id
    GROUP BY r.id HAVING coalesce(sum(c.byte_count), 0) <> r.output_bytes
        OR coalesce(sum(c.line_count), 0) <> r.output_lines
    UNION ALL
    SELECT id, 'a gap or an overlap at ' || byte_offset FROM (
        SELECT commands_info_id AS id, byte_offset, lag(byte_offset + byte_count, 1, 0::bigint)
            OVER (PARTITION BY commands_info_id ORDER BY byte_offset) AS expected
        FROM commands_info_output
    ) AS chunk WHERE byte_offset <> expected
"""
"""What is wrong in the tables, a row each: run, what."""


async def reckon(
    site: Site,
    load: Load,
    victims: Victims,
    database_url: str,
    *,
    but: AbstractSet[str] = frozenset(),
) -> None:
    """Check the whole, and end the server; the runs of the commands in `but` are judged already."""
    await load.check_strays(but=victims.command_ids | but)
    load.check_told()
    for run_id, text in audit(database_url):
        if text.startswith("state") or run_id not in victims.run_ids:
            site.tally.violation(f"the tables, run {run_id}: {text}")
    await _check_readiness(site)
    await site.end_server()
    spool = Spool.of(site.state_dir)
    if left := set(spool.run_ids()) - victims.deleted:
        site.tally.violation(f"spools are left: {left}")
    await check_processes(site.tally, load.runs.keys() | victims.run_ids)
    check_logs(site.tally, site.log, site.state_dir)


async def _check_readiness(site: Site) -> None:
    """Check that no run is put off any more."""
    url = f"{await site.address()}/readyz"
    async with aiohttp.request("GET", url) as response:
        ready = await response.json()
    if ready["runs"] != "ok":
        site.tally.violation(f"/readyz: {ready}")


async def check_processes(tally: Tally, run_ids: AbstractSet[str]) -> None:
    """Check that nothing is left of any run."""

    def left() -> set[str]:
        return set(processes.owners().values()) & run_ids

    try:
        await until(lambda: not left(), END_SECONDS)
    except TimeoutError:
        tally.violation(f"processes are left of {left()}")


def check_logs(tally: Tally, log: Path, state_dir: Path) -> None:
    """Check that neither a server's or worker's log nor its keeper's shows a traceback."""
    for one in (log, state_dir / "keeper" / "log"):
        if one.exists() and "Traceback" in one.read_text(encoding="utf-8"):
            tally.violation(f"{one} shows a traceback")


def audit(url: str) -> list[tuple[str, str]]:
    """Return what is wrong in the tables: runs, and what of each."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(AUDIT)
        return cursor.fetchall()
