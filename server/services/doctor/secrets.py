"""Secrets where others can read them: in an environment, on a command line."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from server.services.access.credentials import PREFIX, is_token
from server.services.doctor.findings import Finding, Level

ENVIRONMENT, COMMAND_LINES = "secrets in the environment", "tokens on command lines"
NAMED_LIKE_A_SECRET = re.compile(
    r"PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY", re.IGNORECASE
)
"""What people call a variable that holds one."""

FILES = {"PGPASSWORD": "TAILRUN_DATABASE_PASSWORD_FILE"}
"""The setting that names a file instead, where it is called otherwise than the variable."""

_WORD = re.compile(rf"{PREFIX}[A-Za-z0-9]+")


def environment(
    variables: Mapping[str, str], secrets: Mapping[str, re.Pattern[str]], passed_on: Sequence[str]
) -> Iterator[Finding]:
    """Look at the environment that a server is started with, and at what it passes on to runs.

    `secrets` are the variables that may hold one, and what finds it in their values.
    """
    found = [name for name, secret in secrets.items() if secret.search(variables.get(name, ""))]
    for name in found:
        yield Finding(
            ENVIRONMENT,
            Level.WARNING,
            f"{name} holds one: what starts the server may keep it, and runs of the same user can"
            f" read it there. Name a file instead ({FILES.get(name, f'{name}_FILE')}), or see"
            " docs/security.md",
        )
    passed = [name for name in passed_on if NAMED_LIKE_A_SECRET.search(name)]
    for name in passed:
        text = f"TAILRUN_PASS_ENVIRONMENT hands {name} to every run of every command"
        yield Finding(ENVIRONMENT, Level.WARNING, text)
    if not found and not passed:
        yield Finding(ENVIRONMENT, Level.OK, "none")


def command_lines(processes: Path = Path("/proc")) -> Iterator[Finding]:
    """Look for tokens on the command lines of this host, where everybody can read them."""
    found = sorted(int(one.name) for one in processes.glob("[0-9]*") if _has_token(one))
    for pid in found:
        yield Finding(
            COMMAND_LINES,
            Level.PROBLEM,
            f"process {pid} has one, and every user of this host can read it. Revoke it, and hand"
            " it over in a file (curl: --header @FILE)",
        )
    if not found:
        yield Finding(COMMAND_LINES, Level.OK, "none now")


def _has_token(process: Path) -> bool:
    try:
        line = (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
    return int(process.name) != os.getpid() and any(
        is_token(word) for word in _WORD.findall(line.decode("utf-8", "replace"))
    )
