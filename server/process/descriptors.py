"""The process's bound on descriptors, and how many of them connections may take."""

import logging
import resource

ENOUGH = 65_536
"""What is asked for at least. Not all that may be had, which may be a thousand million: the runs
inherit it, and there are programs that close every descriptor there might be."""

RESERVE = 128
"""For what is no connection: libraries, inotify, the keeper, the log, the embedded database."""

KEEPER_PER_RUN = 6
"""As the keeper counts, which inherits the bound: RUN_DESCRIPTORS in server/keeper/keeper.py."""

logger = logging.getLogger(__name__)


def raise_limit(*, connections: int, runs: int) -> int:
    """Raise the soft bound towards the hard one, as far as is of use; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, ENOUGH, connections + runs + RESERVE, KEEPER_PER_RUN * runs + RESERVE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft not in {limit, resource.RLIM_INFINITY}:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError) as error:
            logger.warning("the limit on open files stays %s: %s", soft, error)
            return soft
    return limit


def for_connections(limit: int, *, connections: int, others: int) -> int:
    """Return how many connections to have at most, so that descriptors are left for all else.

    `others` are those that the service takes beside its reserve: the runs' logs, the database's.
    """
    bound = min(connections, max(1, limit - min(RESERVE + others, limit // 2)))
    if bound < connections:
        logger.warning(
            "at most %s connections are served at a time, and not TAILRUN_MAX_CONNECTIONS, %s:"
            " the limit on open files is %s (ulimit -Hn)",
            *(bound, connections, limit),
        )
    return bound


def raise_limit_of(pid: int) -> None:
    """Give another process of this user, such as a keeper from before, this one's bound."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY:
            limit = (min(limit[0], hard), hard)
        if soft != resource.RLIM_INFINITY and soft < limit[0]:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit[0], hard))
    except (OSError, ValueError) as error:
        logger.warning("the keeper's limit on open files stays as it is: %s", error)
