"""Runs whose archived output is damaged."""

from tests.support.client import Client
from tests.support.postgres import execute
from tests.support.waiting import until_true


async def damaged(client: Client, script: str, database_url: str) -> str:
    """Return a finished run whose archive is damaged from its first byte on.

    Its output is not read before: the server might serve that again.
    """
    run = await client.run(script)

    async def stored() -> bool:
        return bool((await client.get_run(run))["state"] == "succeeded")

    await until_true(stored)
    execute(database_url, "UPDATE commands_info_output SET byte_count = byte_count + 5")
    return run


def repair(database_url: str) -> None:
    """Repair what `damaged` did."""
    execute(database_url, "UPDATE commands_info_output SET byte_count = byte_count - 5")
