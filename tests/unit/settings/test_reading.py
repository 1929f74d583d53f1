"""Settings: read once, checked, and told truly by --help and the README."""

import ast
import dataclasses
import os
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import files
from server.access import EVERY_GROUP, Role
from server.errors import StartupError
from server.settings import groups
from server.settings.groups import MAX_BYTES, Settings
from server.settings.reading import (
    CLIENT_VARIABLES,
    PREFIX,
    RUN_VARIABLES,
    Setting,
    all_settings,
    database_password,
    read_settings,
    show,
)
from server.settings.values import NamedGrant

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
SETTINGS = {setting.name: setting for setting in all_settings()}
SECRETS = sorted(setting.name for setting in SETTINGS.values() if setting.secret)
READ = sorted(SETTINGS.keys() - {f"{name}_file" for name in SECRETS})
"""All whose text is the value itself."""

OPTIONS = sorted({*READ} - {*SECRETS} | {"database_url"})
"""All that the command line takes; a URL of a database need not hold a secret."""

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
    "auth": ("off", "off"),
    "local_users": (
        "alice=operator, bob=editor@deploy",
        (
            NamedGrant("alice", Role.OPERATOR, EVERY_GROUP),
            NamedGrant("bob", Role.EDITOR, "deploy"),
        ),
    ),
    "trusted_proxies": (
        "192.0.2.1, fd00::/8",
        (ip_network("192.0.2.1"), ip_network("fd00::/8")),
    ),
    "tls_certificate": ("/somewhere", Path("/somewhere")),
    "tls_key": ("/somewhere", Path("/somewhere")),
    "shell": ("/bin/bash", "/bin/bash"),
    "working_directory": ("/tmp", Path("/tmp")),  # noqa: S108
    "pass_environment": ("ONE,TWO", ("ONE", "TWO")),
    "run_as": ("nobody", "nobody"),
    "run_as_users": ("nobody,daemon", ("nobody", "daemon")),
    "allow_root_runs": ("true", True),
    "no_new_privileges": ("never", "never"),
    "keeper_directory": ("/somewhere", Path("/somewhere")),
    "run_umask": ("027", 0o027),
    "run_oom_score_adj": ("1000", 1000),
    "database_password_file": ("/somewhere", Path("/somewhere")),
    "audit_log": ("/somewhere", Path("/somewhere")),
    "metrics_token": ("hunter2-hunter2-", "hunter2-hunter2-"),
    "database_connections": ("1000", 1000),
    "public_url": ("https://runs.example.org:444/", "https://runs.example.org:444"),
    "oidc_issuer": ("https://sso.example.org/realms/us/", "https://sso.example.org/realms/us/"),
    "oidc_scopes": ("openid, roles", ("openid", "roles")),
    "oidc_client_id": ("a b", "a b"),
    "oidc_client_secret": ("hunter2-hunter2", "hunter2-hunter2"),
    "oidc_principal_claim": ("email", "email"),
    "oidc_grants_claim": ("realm_access.roles", "realm_access.roles"),
    "oidc_grants": ("ops=operator@*", (NamedGrant("ops", Role.OPERATOR, "*"),)),
    "local_worker": ("0", False),
    "worker_pools": ("build, gpu-1,", ("build", "gpu-1")),
    "worker_labels": ("arch=arm64,disk=ssd", ("arch=arm64", "disk=ssd")),
    "nats_url": ("nats://a,tls://b.example:1/", ("nats://a", "tls://b.example:1")),
    "nats_seed_file": ("/somewhere", Path("/somewhere")),
    "nats_ca_file": ("/somewhere", Path("/somewhere")),
    "lease_seconds": ("90", 90),
    "fleet_key_file": ("/somewhere", Path("/somewhere")),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
}

GRANTS = (
    "name=role or name=role@group with commas between them; roles are viewer, operator, editor,"
    " admin"
)
NETWORKS = "IP addresses and networks with commas between them, such as 192.0.2.1,10.0.0.0/8"


def example(name: str) -> tuple[str, object]:
    """Return a text for a setting and what is read from it."""
    if name.endswith("_seconds") and name not in EXAMPLES:
        return "2.5", 2.5
    return EXAMPLES.get(name, ("5000", 5000))


def with_needed(name: str, variables: dict[str, str]) -> dict[str, str]:
    """Return variables with those that a setting is nothing without."""
    if not name.startswith("oidc_"):
        return variables
    return {
        "TAILRUN_OIDC_ISSUER": "https://sso.example.org",
        "TAILRUN_OIDC_CLIENT_ID": "tailrun",
    } | variables


def value_of(settings: Settings, name: str) -> object:
    """Return a setting by the name its users know."""
    setting = SETTINGS[name]
    group = settings if setting.group is None else getattr(settings, setting.group)
    return getattr(group, setting.field)


@pytest.mark.parametrize("name", READ)
def test_a_setting_is_read_from_its_variable(name: str) -> None:
    text, value = example(name)
    variables = with_needed(name, {PREFIX + name.upper(): text})
    assert value_of(read_settings([], variables), name) == value


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_wins_over_its_variable(name: str) -> None:
    text, value = example(name)
    variables = with_needed(name, {PREFIX + name.upper(): "not read at all"})
    assert value_of(read_settings([f"{SETTINGS[name].option}={text}"], variables), name) == value


def test_without_any_the_defaults_hold() -> None:
    assert read_settings([], {"PATH": "/bin", "TAILRUN_RUN_ID": "x"}) == Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().state_dir = Path("/")  # type: ignore[misc]


def test_the_former_word_for_no_authentication_means_off() -> None:
    assert read_settings(["--insecure-no-auth"], {}).access.auth == "off"
    assert read_settings(["--insecure-no-auth", "--auth=auto"], {}).access.auth == "off"
    assert read_settings([], {}).access.auth == "auto"
    with pytest.raises(StartupError, match="TAILRUN_AUTH is required, and --insecure-no-auth"):
        read_settings(["--insecure-no-auth", "--auth=required"], {})


def test_the_insecure_option_needs_no_value() -> None:
    assert read_settings(["--insecure-no-auth"], {}).http.insecure_no_auth is True
    assert read_settings(["--insecure-no-auth=false"], {}).http.insecure_no_auth is False


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
        ("port", "1_000", "a whole number from 0 to 65535"),
        ("port", "٨٠", "a whole number from 0 to 65535"),
        ("port", " 80", "a whole number from 0 to 65535"),
        ("port", "9" * 5000, "a whole number from 0 to 65535"),
        ("max_viewers", "0", "a whole number from 1 to 1000000"),
        ("min_free_bytes", "-1", f"a whole number from 0 to {MAX_BYTES}"),
        ("min_free_bytes", f"{MAX_BYTES + 1}", f"a whole number from 0 to {MAX_BYTES}"),
        ("flush_bytes", "4095", "a whole number from 4096 to 67108864"),
        ("run_timeout_seconds", "-1", "a number of seconds from 0 to 31536000"),
        ("run_timeout_seconds", "nan", "a number of seconds from 0 to 31536000"),
        ("run_timeout_seconds", "inf", "a number of seconds from 0 to 31536000"),
        ("run_timeout_seconds", "1e400", "a number of seconds from 0 to 31536000"),
        ("run_timeout_seconds", "1_0.5", "a number of seconds from 0 to 31536000"),
        ("run_timeout_seconds", "٣", "a number of seconds from 0 to 31536000"),
        ("stop_grace_seconds", "soon", "a number of seconds from 0 to 86400"),
        ("ping_seconds", "0", "a number of seconds from 0.001 to 86400"),
        ("viewer_stall_seconds", "0", "a number of seconds from 0.001 to 86400"),
        ("database_timeout_seconds", "0", "a number of seconds from 0.001 to 3600"),
        ("database_timeout_seconds", "3e6", "a number of seconds from 0.001 to 3600"),
        ("retention_days", "1000000", "a number of days from 0 to 36500"),
        ("insecure_no_auth", "yes", "true or false"),
        ("on_shutdown", "explode", "one of leave, stop"),
        ("log_level", "loud", "one of debug, info, warning, error"),
        ("host", "", "a text that is not empty, without control characters"),
        ("host", "::1\n", "a text that is not empty, without control characters"),
        ("shell", "/bin/\x1bsh", "a text that is not empty, without control characters"),
        ("state_dir", "", "a path without control characters"),
        ("state_dir", "/state\n", "a path without control characters"),
        ("state_dir", "/\udcff", "a path without control characters"),
        (
            "state_dir",
            "~nobody-of-this-name/x",
            "a path; the home directory that ~ stands for is not known",
        ),
        ("auth", "on", "one of auto, required, off"),
        *(
            ("local_users", text, GRANTS)
            for text in ["alice", "alice=boss", "=viewer", "a=viewer@"]
        ),
        *(
            ("trusted_proxies", text, NETWORKS)
            for text in ["proxy.example", "10.1.2.3/8", "192.0.2.1/33", "1.2.3.4:80"]
        ),
        ("pass_environment", "A\0", "names with commas between them, without control characters"),
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


@given(st.sampled_from(sorted(SETTINGS)), st.text())
def test_any_text_is_read_or_refused_by_name(name: str, text: str) -> None:
    variable = PREFIX + name.upper()
    try:
        read = value_of(read_settings([], with_needed(name, {variable: text})), name)
    except StartupError as refused:
        assert str(refused).startswith(variable)  # noqa: PT017
    else:
        assert isinstance(read, str | int | float | Path | tuple | None)


@given(st.integers())
def test_whole_numbers_are_taken_within_their_bounds(number: int) -> None:
    variables = {"TAILRUN_PORT": str(number)}
    if 0 <= number <= 65535:
        assert read_settings([], variables).http.port == number
    else:
        with pytest.raises(StartupError, match="TAILRUN_PORT"):
            read_settings([], variables)


@given(st.floats())
def test_seconds_are_taken_within_their_bounds(seconds: float) -> None:
    variables = {"TAILRUN_STOP_GRACE_SECONDS": repr(seconds)}
    if 0 <= seconds <= 86400:
        assert read_settings([], variables).runs.stop_grace_seconds == seconds
    else:
        with pytest.raises(StartupError, match="TAILRUN_STOP_GRACE_SECONDS"):
            read_settings([], variables)


def test_a_database_url_is_read_from_the_first_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://user:p%40ss@host/name\n# a comment\n")
    for arguments, variables in [
        ([f"--database-url-file={file}"], {}),
        ([], {"TAILRUN_DATABASE_URL_FILE": str(file)}),
    ]:
        assert read_settings(arguments, variables).database.url == (
            "postgresql://user:p%40ss@host/name"
        )


@pytest.mark.parametrize("setting", ["DATABASE_URL_FILE", "DATABASE_PASSWORD_FILE"])
def test_a_file_that_holds_no_secret_is_named_and_never_shown(tmp_path: Path, setting: str) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "control").write_text("hunter2\x07\n")
    (tmp_path / "large").write_bytes(bytes(100_000))
    for name, reason in [
        ("missing", "No such file or directory"),
        (".", "It is neither a file nor a pipe"),
        ("/dev/null", "It is neither a file nor a pipe"),
        ("large", "It is larger than 65536 bytes"),
        ("empty", "whose first line is empty"),
        ("control", "whose first line is empty or has control characters"),
    ]:
        path = tmp_path / name
        with pytest.raises(StartupError) as refused:
            database_password(read_settings([], {PREFIX + setting: str(path)}).database)
        assert str(refused.value).startswith(f"{PREFIX}{setting} names {path}, ")
        assert reason in str(refused.value)
        assert "hunter2" not in str(refused.value)


def test_a_password_may_begin_and_end_with_blanks(tmp_path: Path) -> None:
    """Unlike a URL, which has none, and of which blanks alone are none."""
    for name, content in [("unix", b" p@ss \nmore"), ("windows", b" p@ss \r\n")]:
        (tmp_path / name).write_bytes(content)
        variables = {"TAILRUN_DATABASE_PASSWORD_FILE": str(tmp_path / name)}
        assert database_password(read_settings([], variables).database) == " p@ss "
    (tmp_path / "url").write_text(" postgresql://host/name \n")
    variables = {"TAILRUN_DATABASE_URL_FILE": str(tmp_path / "url")}
    assert read_settings([], variables).database.url == "postgresql://host/name"
    (tmp_path / "url").write_text("  \n")
    with pytest.raises(StartupError, match="whose first line is empty"):
        read_settings([], variables)


def test_a_secret_is_read_from_a_pipe_or_missed_in_time() -> None:
    reading, writing = os.pipe()
    os.write(writing, "p@ss/%?#wörd\n".encode())
    variables = {"TAILRUN_DATABASE_PASSWORD_FILE": f"/dev/fd/{reading}"}
    assert database_password(read_settings([], variables).database) == "p@ss/%?#wörd"
    with pytest.raises(OSError, match=r"Nothing was written to it within 0.01 s"):
        files.read_line(Path(f"/dev/fd/{reading}"), 0.01)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("name", sorted({*SECRETS} - {"database_url"}))
def test_a_secret_is_read_from_a_file_and_refused_on_the_command_line(
    tmp_path: Path, name: str
) -> None:
    variable, secret = PREFIX + name.upper(), example(name)[0]
    file = tmp_path / "secret"
    file.write_text(f" {secret} \nmore\n")
    from_file = with_needed(name, {f"{variable}_FILE": str(file)})
    assert value_of(read_settings([], from_file), name) == secret
    with pytest.raises(StartupError, match="both set"):
        read_settings([], {variable: secret, **from_file})
    with pytest.raises(StartupError, match="is a secret") as refused:
        read_settings([f"{SETTINGS[name].option}={secret}"], {})
    assert secret not in str(refused.value)
    assert f"{variable}, or name a file with {SETTINGS[name].option}-file" in str(refused.value)


@pytest.mark.parametrize("text", ["too-short", "x" * 513, "with a blank in it", "é" * 20])
def test_a_token_for_metrics_is_visible_and_hard_to_guess(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    for name, value in [("METRICS_TOKEN", text), ("METRICS_TOKEN_FILE", str(file))]:
        with pytest.raises(StartupError, match="16 to 512 visible") as refused:
            read_settings([], {PREFIX + name: value})
        assert text not in str(refused.value)


def test_a_database_url_is_given_once(tmp_path: Path) -> None:
    both = {"DATABASE_URL": "postgresql://", "DATABASE_URL_FILE": str(tmp_path)}
    with pytest.raises(StartupError, match="both set"):
        read_settings([], {PREFIX + name: text for name, text in both.items()})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@host/name",
        "postgresql://host/name?user=u&password=hunter2",
        "host=h password = hunter2",
        "postgresql://user:hunter2/%@host",
    ],
)
def test_a_password_on_the_command_line_is_refused(url: str) -> None:
    """Every user of the host can read it there."""
    with pytest.raises(StartupError, match="--database-url-file") as refused:
        read_settings(["--database-url", url], {})
    assert "hunter2" not in str(refused.value)
    assert read_settings([], {"TAILRUN_DATABASE_URL": url}).database.url == url


def test_a_wrong_database_url_is_not_shown() -> None:
    with pytest.raises(StartupError) as refused:
        read_settings([], {"TAILRUN_DATABASE_URL": "postgresql://user:hunter2\n@host/name"})
    assert str(refused.value).startswith("TAILRUN_DATABASE_URL is not one; it takes ")


def test_scripts_are_run_by_bash_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(Settings().runs.shell).name == "bash"
    monkeypatch.setenv("PATH", "/nowhere")
    assert Settings().runs.shell == "/bin/sh"


def test_state_goes_where_the_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(groups.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]
    assert Settings().state_dir == Path("/home/someone/.local/state/tailrun")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Settings().state_dir == Path("/state/tailrun")
    monkeypatch.setattr(groups.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]
    assert Settings().state_dir == Path("/var/lib/tailrun")


@pytest.mark.parametrize(
    ("value", "text"),
    [
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
    for setting in SETTINGS.values():
        assert setting.option in told
        assert f"{setting.description} (default: {setting.shown})" in told


PLACES = {
    "state_dir": "`~/.local/state/tailrun`; for root `/var/lib/tailrun`",
    "shell": "`bash`, where there is one, else `/bin/sh`",
    "working_directory": "home directory",
}
"""Defaults that depend on who asks."""


def test_the_readme_tells_every_setting() -> None:
    """In the order of the code, with its default and what it is."""
    table = README.read_text(encoding="utf-8").partition("| setting | default | what it is |\n")[2]
    told = [row for row in table.partition("\n\n")[0].splitlines() if not row.startswith("|--")]
    expected = [_row(setting) for setting in SETTINGS.values()]
    assert told == expected


def _row(setting: Setting) -> str:
    default = PLACES.get(setting.name, f"`{setting.shown}`")
    return f"| `{setting.variable}` | {default} | {setting.description} |"


def test_the_documents_name_only_settings_that_there_are() -> None:
    """TAILRUN_NAME stands for any."""
    for document in [README, *(README.parent / "docs").glob("*.md")]:
        named = set(re.findall(r"TAILRUN_[A-Z_]+", document.read_text(encoding="utf-8")))
        known = (
            {PREFIX + name.upper() for name in (*SETTINGS, "name")}
            | RUN_VARIABLES
            | CLIENT_VARIABLES
        )
        assert named <= known, document


@pytest.mark.parametrize("text", ["", "/a", "/tools/tail-run_2/v1.0~"])
def test_a_base_path_is_taken(text: str) -> None:
    assert read_settings([], {"TAILRUN_BASE_PATH": text}).http.base_path == text


@pytest.mark.parametrize(
    "text",
    ["/", "/a/", "a", "//a", "/a//b", "/..", "/a/../b", "/a b", "/a?b", "/%2f", "/a\n", "/ü"],
)
def test_an_odd_base_path_is_refused(text: str) -> None:
    with pytest.raises(StartupError, match=r"TAILRUN_BASE_PATH .* without a / at its end"):
        read_settings([], {"TAILRUN_BASE_PATH": text})


def unprefixed(path: Path) -> Iterator[str]:
    """Tell where a text in a module names a setting otherwise than one sets it."""
    names = "|".join(name.upper() for name in SETTINGS if "_" in name)
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


@pytest.mark.parametrize(
    "text",
    [
        "runs.example.org",
        "ftp://runs.example.org",
        "https://",
        "https://:8000",
        "https://runs.example.org/tools",
        "https://runs.example.org?x",
        "https://runs.example.org#x",
        "https://me:secret@runs.example.org",
        "https://runs.example.org:x",
        "https://runs.example.org:0",
        "https://[::1",
        "https://rüns.example.org",
        "https://runs.example.org\\",
    ],
)
def test_a_public_address_is_scheme_and_host(text: str) -> None:
    with pytest.raises(StartupError, match="without a path"):
        read_settings([], {"TAILRUN_PUBLIC_URL": text})


@pytest.mark.parametrize(
    "text", ["sso.example.org", "http://sso.example.org", "https://sso.example.org/?a", "https:///"]
)
def test_a_provider_is_asked_over_tls(text: str) -> None:
    with pytest.raises(StartupError, match=r"TAILRUN_OIDC_ISSUER .* without \? and #"):
        read_settings([], with_needed("oidc_issuer", {"TAILRUN_OIDC_ISSUER": text}))


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "[::1]:1/x"])
def test_a_provider_on_this_machine_needs_no_tls(host: str) -> None:
    variables = with_needed("oidc_issuer", {"TAILRUN_OIDC_ISSUER": f"http://{host}"})
    assert read_settings([], variables).oidc.issuer == f"http://{host}"


@pytest.mark.parametrize(
    "text",
    [
        "nats.example.org",
        "nats.example.org:4222",
        "http://nats.example.org",
        "tls://user:word@nats.example.org",
        "tls://nats.example.org/path",
        "tls://nats.example.org?a",
        "tls://",
        "tls://host:0",
        "tls://host:66000",
        "nats://a,b",
    ],
)
def test_an_engine_is_a_url_without_a_user(text: str) -> None:
    with pytest.raises(StartupError, match=r"TAILRUN_NATS_URL is .*TAILRUN_NATS_SEED_FILE says"):
        read_settings([], {"TAILRUN_NATS_URL": text})


def test_settings_of_openid_connect_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(StartupError, match="TAILRUN_OIDC_CLIENT_ID is not"):
        read_settings([], {"TAILRUN_OIDC_ISSUER": "https://sso.example.org"})
    for name in ["client_id", "grants", "scopes"]:
        variable = f"TAILRUN_OIDC_{name.upper()}"
        with pytest.raises(StartupError, match="TAILRUN_OIDC_ISSUER is not"):
            read_settings([], {variable: example(f"oidc_{name}")[0]})
