"""The keeper is opened, of whatever version it is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.errors import StartupError
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError

_MEMORY_REFUSAL = (
    "TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held here: {}. Give the service a memory cgroup of its"
    " own that it may write (docs/operations.md says how), or set it to 0."
)


@asynccontextmanager
async def open_keeper(
    keeper: KeeperClient, raise_limit_of: Callable[[int], None] | None, *, bounds_memory: bool
) -> AsyncIterator[KeeperClient]:
    """Open the keeper; one that runs older code than is on disk renews itself, with its runs.

    `raise_limit_of` gives the process of this id the service's limit on open files; None: that is
    not ours to give.

    Raises:
        StartupError: it cannot be started, or cannot bound the memory of runs, as it is to.
    """
    try:
        found = await keeper.open()
        if raise_limit_of is not None:
            raise_limit_of(found.pid)
        if keeper.outdated:
            await keeper.renew()
        problem = await keeper.memory_problem() if bounds_memory else None
    except KeeperError as error:
        raise StartupError(f"The keeper could not be started: {error}") from error
    try:
        if problem is not None:
            raise StartupError(_MEMORY_REFUSAL.format(problem))
        yield keeper
    finally:
        await keeper.close()
