"""Settings: read once, checked, and told truly by --help and the README."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import settings
from server.errors import StartupError
from server.settings import PREFIX, Settings, read_settings, show

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FIELDS = {field.name: field for field in dataclasses.fields(Settings)}

# A text for each setting and what is read from it.
EXAMPLES: dict[str, tuple[str, object]] = {
    "host": ("::1", "::1"),
    "port": ("0", 0),
    "state_dir": ("/somewhere", Path("/somewhere")),
    "database_url": ("postgresql://host/name", "postgresql://host/name"),
    "on_shutdown": ("stop", "stop"),
    "output_policy": ("head_and_tail", "head_and_tail"),
    "allowed_hosts": ("one.example, two.example,", ("one.example", "two.example")),
    "base_path": ("/tools/tail-run", "/tools/tail-run"),
    "insecure_no_auth": ("true", True),
    "shell": ("/bin/bash", "/bin/bash"),
    "working_directory": ("/tmp", Path("/tmp")),  # noqa: S108
    "pass_environment": ("ONE,TWO", ("ONE", "TWO")),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
}


def example(name: str) -> tuple[str, object]:
    """Return a text for a setting and what is read from it."""
    if name.endswith("_seconds"):
        return "2.5", 2.5
    return EXAMPLES.get(name, ("5000", 5000))


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_read_from_its_variable(name: str) -> None:
    text, value = example(name)
    assert getattr(read_settings([], {PREFIX + name.upper(): text}), name) == value


@pytest.mark.parametrize("name", FIELDS)
def test_an_option_wins_over_its_variable(name: str) -> None:
    text, value = example(name)
    variables = {PREFIX + name.upper(): "not read at all"}
    assert getattr(read_settings([f"--{name.replace('_', '-')}={text}"], variables), name) == value


def test_without_any_the_defaults_hold() -> None:
    assert read_settings([], {"PATH": "/bin", "TAILRUN_RUN_ID": "x"}) == Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_the_insecure_option_needs_no_value() -> None:
    assert read_settings(["--insecure-no-auth"], {}).insecure_no_auth is True
    assert read_settings(["--insecure-no-auth=false"], {}).insecure_no_auth is False


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("TAILRUN_MAX_VIEWER", "Did you mean TAILRUN_MAX_VIEWERS?"),
        ("TAILRUN_STATEDIR", "Did you mean TAILRUN_STATE_DIR?"),
        ("TAILRUN_COLOUR", "`tailrun --help` lists them"),
        ("TAILRUN_", "`tailrun --help` lists them"),
    ],
)
def test_an_unknown_variable_is_refused(variable: str, hint: str) -> None:
    with pytest.raises(StartupError) as refused:
        read_settings([], {variable: "x"})
    assert f"{variable} is no setting" in str(refused.value)
    assert hint in str(refused.value)


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """An abbreviation, too."""
    for option in ["--colour", "--max-view=1"]:
        with pytest.raises(SystemExit) as refused:
            read_settings([option], {})
        assert refused.value.code == 2
        assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "takes"),
    [
        ("port", "65536", "a whole number from 0 to 65535"),
        ("port", "-1", "a whole number from 0 to 65535"),
        ("port", "http", "a whole number from 0 to 65535"),
        ("port", "80.0", "a whole number from 0 to 65535"),
        ("max_viewers", "0", "a whole number of 1 or more"),
        ("min_free_bytes", "-1", "a whole number of 0 or more"),
        ("flush_bytes", "4095", "a whole number of 4096 or more"),
        ("run_timeout_seconds", "-1", "a number of seconds, 0 or more"),
        ("run_timeout_seconds", "nan", "a number of seconds, 0 or more"),
        ("run_timeout_seconds", "inf", "a number of seconds, 0 or more"),
        ("stop_grace_seconds", "soon", "a number of seconds, 0 or more"),
        ("ping_seconds", "0", "a number of seconds above 0"),
        ("viewer_stall_seconds", "0", "a number of seconds above 0"),
        ("database_timeout_seconds", "0", "a number of seconds above 0"),
        ("insecure_no_auth", "yes", "true or false"),
        ("on_shutdown", "explode", "one of leave, stop"),
        ("log_level", "loud", "one of debug, info, warning, error"),
        ("host", "", "a text that is not empty"),
        ("database_url", "", "a text that is not empty"),
        ("state_dir", "", "a path"),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_takes(name: str, text: str, takes: str) -> None:
    variable, option = PREFIX + name.upper(), f"--{name.replace('_', '-')}"
    for arguments, variables, source in [
        ([], {variable: text}, variable),
        ([f"{option}={text}"], {}, option),
    ]:
        with pytest.raises(StartupError) as refused:
            read_settings(arguments, variables)
        assert str(refused.value) == f"{source} is {text!r}; it takes {takes}."


@given(st.sampled_from(sorted(FIELDS)), st.text(st.characters(exclude_characters="\0")))
def test_any_text_is_read_or_refused_by_name(name: str, text: str) -> None:
    variable = PREFIX + name.upper()
    try:
        read = getattr(read_settings([], {variable: text}), name)
    except StartupError as refused:
        assert str(refused).startswith(f"{variable} is {text!r}; it takes ")  # noqa: PT017
    else:
        assert isinstance(read, str | int | float | Path | tuple)


@given(st.integers())
def test_whole_numbers_are_taken_within_their_bounds(number: int) -> None:
    variables = {"TAILRUN_PORT": str(number)}
    if 0 <= number <= 65535:
        assert read_settings([], variables).port == number
    else:
        with pytest.raises(StartupError, match="TAILRUN_PORT"):
            read_settings([], variables)


@given(st.floats(min_value=0, allow_infinity=False))
def test_seconds_are_taken_as_they_are(seconds: float) -> None:
    read = read_settings([], {"TAILRUN_STOP_GRACE_SECONDS": repr(seconds)})
    assert read.stop_grace_seconds == seconds


def test_state_goes_where_the_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(settings.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]
    assert Settings().state_dir == Path("/home/someone/.local/state/tailrun")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Settings().state_dir == Path("/state/tailrun")
    monkeypatch.setattr(settings.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]
    assert Settings().state_dir == Path("/var/lib/tailrun")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        ((), "none"),
        (True, "true"),
        (False, "false"),
        (10.0, "10"),
        (0.2, "0.2"),
        (8000, "8000"),
        (Path("/state"), "/state"),
    ],
)
def test_a_value_is_shown_as_it_is_given(value: object, text: str) -> None:
    assert show(value) == text


def test_help_lists_every_option_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["--help"], {})
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for name, field in FIELDS.items():
        default = show(getattr(Settings(), name))
        assert f"--{name.replace('_', '-')}" in told
        assert f"{field.metadata['description']} (default: {default})" in told


PLACES = {
    "state_dir": "`~/.local/state/tailrun`; for root `/var/lib/tailrun`",
    "working_directory": "home directory",
}
"""Defaults that depend on who asks."""


def test_the_readme_tells_every_setting() -> None:
    """In the order of the code, with its default and what it is."""
    table = README.read_text(encoding="utf-8").partition("| setting | default | what it is |\n")[2]
    told = [row for row in table.partition("\n\n")[0].splitlines() if not row.startswith("|--")]
    expected = [_row(name, field) for name, field in FIELDS.items()]
    assert told == expected


def _row(name: str, field: dataclasses.Field[Any]) -> str:
    default = PLACES.get(name, f"`{show(getattr(Settings(), name))}`")
    return f"| `{PREFIX}{name.upper()}` | {default} | {field.metadata['description']} |"


def test_the_documents_name_only_settings_that_there_are() -> None:
    """TAILRUN_NAME stands for any."""
    for document in [README, *(README.parent / "docs").glob("*.md")]:
        named = set(re.findall(r"TAILRUN_[A-Z_]+", document.read_text(encoding="utf-8")))
        known = {PREFIX + name.upper() for name in (*FIELDS, "name")} | settings.RUN_VARIABLES
        assert named <= known, document


@pytest.mark.parametrize("text", ["", "/a", "/tools/tail-run_2/v1.0~"])
def test_a_base_path_is_taken(text: str) -> None:
    assert read_settings([], {"TAILRUN_BASE_PATH": text}).base_path == text


@pytest.mark.parametrize(
    "text",
    ["/", "/a/", "a", "//a", "/a//b", "/..", "/a/../b", "/a b", "/a?b", "/%2f", "/a\n", "/ü"],
)
def test_an_odd_base_path_is_refused(text: str) -> None:
    with pytest.raises(StartupError, match=r"TAILRUN_BASE_PATH .* without a / at its end"):
        read_settings([], {"TAILRUN_BASE_PATH": text})


def unprefixed(path: Path) -> Iterator[str]:
    """Tell where a text in a module names a setting otherwise than one sets it."""
    names = "|".join(name.upper() for name in FIELDS if "_" in name)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in re.findall(rf"(?<![A-Z_])(?:{names})(?![A-Z_])", node.value):
                if found != "STATE_DIR":
                    yield f"{path.name}:{node.lineno}: {found}"


def test_texts_name_settings_as_one_sets_them() -> None:
    """But for STATE_DIR, which stands for the directory itself."""
    modules = sorted((ROOT / "server").rglob("*.py"))
    assert modules
    assert [found for module in modules for found in unprefixed(module)] == []
