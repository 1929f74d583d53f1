"""Whose files are: the state directory and what is in it, and those that hold secrets."""

import os
import pwd
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from server.services.doctor.findings import Finding, Level

OTHERS = stat.S_IRWXG | stat.S_IRWXO
PASSING = stat.S_IXGRP | stat.S_IXOTH
WRITABLE = stat.S_IWGRP | stat.S_IWOTH
STATE, SECRETS = "state directory", "files with secrets"


def state_directory(
    path: Path, own_names: Iterable[str], passed: Iterable[str] = ()
) -> Iterator[Finding]:
    """Look at the state directory, what is ours in it, and the directories above it.

    Others may pass it, and those that are `passed`, if any are, and see nothing there.
    """
    try:
        problems = [*_state_problems(path, own_names, [*passed])]
    except FileNotFoundError:
        yield Finding(STATE, Level.WARNING, f"{path} does not exist yet; a server makes it")
        return
    except OSError as error:
        yield Finding(
            STATE,
            Level.PROBLEM,
            f"{path} cannot be looked at: {error.strerror}. Run this as the server's user",
        )
        return
    for problem in problems:
        yield Finding(STATE, Level.PROBLEM, problem)
    if not problems:
        yield Finding(
            STATE, Level.OK, f"{path} and what is in it is {name_of(os.geteuid())}'s alone"
        )


def _state_problems(path: Path, own_names: Iterable[str], passed: Collection[str]) -> Iterator[str]:
    found = path.stat()
    if found.st_uid != os.geteuid():
        yield (
            f"{path} is {name_of(found.st_uid)}'s, and this is {name_of(os.geteuid())}."
            " Run this as the server's user"
        )
    passable = {path, *(path / name for name in passed)} if passed else set()
    for one in (path, *(path / name for name in own_names)):
        refused = OTHERS & ~PASSING if one in passable else OTHERS
        if os.path.lexists(one) and (mode := stat.S_IMODE(one.lstat().st_mode)) & refused:
            yield f"{one} has the mode {mode:04o}, open to others. chmod go= {one}"
    for above in path.resolve().parents:
        found = above.stat()
        is_sticky = found.st_mode & stat.S_ISVTX
        if found.st_uid not in {0, os.geteuid()}:
            yield f"{above} is {name_of(found.st_uid)}'s, who could put another {path.name} there"
        elif found.st_mode & WRITABLE and not is_sticky:
            yield f"{above} can be written by others, who could put another {path.name} there"


def secret_files(files: Mapping[str, Path | None]) -> Iterator[Finding]:
    """Look at the files that settings name as the place of a secret, by the setting's name."""
    named = {setting: path for setting, path in files.items() if path is not None}
    for setting, path in named.items():
        try:
            found = path.stat()
        except OSError as error:
            text = f"{setting} names {path}, which cannot be looked at: {error.strerror}"
            yield Finding(SECRETS, Level.PROBLEM, text)
            continue
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISREG(found.st_mode) and mode & OTHERS:
            text = f"{path} ({setting}) has the mode {mode:04o}, open to others. chmod go= {path}"
            yield Finding(SECRETS, Level.PROBLEM, text)
        elif found.st_uid not in {0, os.geteuid()}:
            text = f"{path} ({setting}) is {name_of(found.st_uid)}'s. chown it to the server's user"
            yield Finding(SECRETS, Level.PROBLEM, text)
        else:
            yield Finding(SECRETS, Level.OK, f"{path} ({setting}) is read by its owner alone")
    if not named:
        yield Finding(SECRETS, Level.OK, "no setting names one")


def name_of(uid: int) -> str:
    """Return a user's name, or the number of one who has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
