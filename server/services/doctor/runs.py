"""What runs may touch, by the user that they are."""

from collections.abc import Iterator

from server.services.doctor.findings import Finding, Level
from server.settings.values import NamedGrant

RUNS = "user of runs"


def user_of_runs(
    uid: int,
    name: str,
    *,
    run_as: str | None,
    run_as_users: tuple[str, ...],
    local_users: tuple[NamedGrant, ...] = (),
) -> Iterator[Finding]:
    """Look at whether runs are another user's than the server's, whose house is open to them.

    Nor should it be one of the local users, who need not sign in.
    """
    for one in local_users:
        if one.name in {run_as, *run_as_users}:
            yield Finding(
                RUNS,
                Level.PROBLEM,
                f"{one.name} need not sign in on this host (TAILRUN_LOCAL_USERS): so whoever"
                f" changes a command that runs as {one.name} is {one.role}@{one.group}. Have runs"
                " be a user's who is nobody else",
            )
    if run_as is not None:
        others = f", or what a command names of {', '.join(run_as_users)}" if run_as_users else ""
        yield Finding(RUNS, Level.OK, f"{run_as}{others}; the server is {name}")
    elif uid == 0:
        yield Finding(
            RUNS,
            Level.PROBLEM,
            "root: whoever may start a run, or change a command, may do everything on this host."
            " Set TAILRUN_RUN_AS to a user without rights",
        )
    else:
        yield Finding(
            RUNS,
            Level.WARNING,
            f"{name}, like the server: a run can read and change every spool and the embedded"
            " database, and forge ends. TAILRUN_RUN_AS mends it (docs/operations.md)",
        )
