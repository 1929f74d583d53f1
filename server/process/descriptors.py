"""The process's limit on open files, and how many of them connections may take."""

import logging
import resource

LEAST_LIMIT = 65_536
"""The least soft limit that is asked for. Not the hard one, which may be a thousand million: runs
inherit the soft limit, and some programs close every descriptor up to it."""

RESERVED = 128
"""For everything but connections: libraries, inotify, the keeper, the log, the database."""

KEEPER_PER_RUN = 6
"""What the keeper, which inherits the limit, counts: RUN_DESCRIPTORS in server/keeper/runs.py."""

logger = logging.getLogger(__name__)


def raise_limit(*, connections: int, runs: int) -> int:
    """Raise the soft limit, to what is needed or the hard one; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, LEAST_LIMIT, connections + runs + RESERVED, KEEPER_PER_RUN * runs + RESERVED)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft not in {limit, resource.RLIM_INFINITY}:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError) as error:
            logger.warning("limit on open files stays %s: %s", soft, error)
            return soft
    return limit


def limit_connections(limit: int, *, connections: int, others: int) -> int:
    """Return the most connections that leave descriptors for everything else.

    `others` is the number of descriptors for runs' logs and the database, beside the reserve.
    """
    # At least half is left to connections, however low the limit is: the server must be reachable.
    bound = min(connections, max(1, limit - min(RESERVED + others, limit // 2)))
    if bound < connections:
        logger.warning(
            "at most %s connections are served at a time, not TAILRUN_MAX_CONNECTIONS (%s):"
            " the limit on open files is %s (ulimit -Hn)",
            *(bound, connections, limit),
        )
    return bound


def raise_limit_of(pid: int) -> None:
    """Give another process of this user, such as a keeper that was already there, this limit."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY:
            limit = (min(limit[0], hard), hard)
        if soft != resource.RLIM_INFINITY and soft < limit[0]:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit[0], hard))
    except (OSError, ValueError) as error:
        logger.warning("the keeper's limit on open files stays as it is: %s", error)
