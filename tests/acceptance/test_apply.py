"""`tailrun apply` and `tailrun export`: commands in files, all or nothing."""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_run_word import Ended, say
from tests.support.client import Client

FILE = """\
commands:
- key: {key}-backup
  name: Back up
  group: {key}
  parameters:
  - name: DAY
    type: choice
    choices: [mon, no]
    default: no
  environment:
    PORT: "8080"
  concurrency: {{limit: 1, beyond: refuse}}
  script: |
    echo "$DAY" $PORT
- key: {key}-count
  group: {key}
  script_file: count.sh
"""


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """Return a name for the test's own commands and group."""
    return f"k{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def file(tmp_path: Path, key: str) -> Path:
    (tmp_path / "count.sh").write_text("seq 3\n")
    written = tmp_path / "commands.yaml"
    written.write_text(FILE.format(key=key))
    return written


async def stored(client: Client, key: str) -> dict[str, Any] | None:
    page = await client.call("GET", f"commands/?key={key}")
    found: list[dict[str, Any]] = page["items"]
    return found[0] if found else None


async def applied(client: Client, *words: object) -> Ended:
    return await say(client, "apply", *map(str, words))


async def test_a_file_is_applied_once_and_then_changes_nothing(
    client: Client, file: Path, key: str
) -> None:
    dry = await applied(client, "--dry-run", file)
    assert dry.err == "tailrun: would be 2 created, 0 changed, 0 deleted, 0 unchanged\n"
    assert await stored(client, f"{key}-count") is None
    first = await applied(client, file)
    assert (first.code, first.out) == (0, dry.out)
    assert f"+ {key}-backup: created\n" in first.out.decode()
    assert first.err == "tailrun: 2 created, 0 changed, 0 deleted, 0 unchanged\n"
    again = await applied(client, file)
    assert (again.out, again.err) == (
        b"",
        "tailrun: 0 created, 0 changed, 0 deleted, 2 unchanged\n",
    )
    assert (await say(client, "run", f"{key}-backup")) == Ended(0, b"no 8080\n", "")
    monday = await say(client, "run", f"{key}-backup", "-p", "DAY=mon")
    assert monday == Ended(0, b"mon 8080\n", "")
    assert (await say(client, "run", f"{key}-count")).out == b"1\n2\n3\n"


async def test_what_differs_is_shown_and_what_is_no_more_said_is_taken_away(
    client: Client, file: Path, key: str
) -> None:
    await applied(client, file)
    before = await stored(client, f"{key}-backup")
    text = file.read_text().replace('echo "$DAY" $PORT', "echo $PORT")
    file.write_text(text.replace("  concurrency: {limit: 1, beyond: refuse}\n", ""))
    told = (await applied(client, file)).out.decode()
    assert f"~ {key}-backup: changed\n" in told
    assert '      -echo "$DAY" $PORT\n      +echo $PORT\n' in told
    assert "    - concurrency: " in told
    assert "count" not in told
    after = await stored(client, f"{key}-backup")
    assert before is not None
    assert after is not None
    assert (after["concurrency"], after["id"]) == (None, before["id"])
    assert after["updated_at"] > before["updated_at"]


async def test_with_prune_what_stands_in_no_file_of_the_group_is_deleted(
    client: Client, file: Path, key: str, tmp_path: Path
) -> None:
    await applied(client, file)
    keyless = await client.create("true", group=key, start=False)
    other = tmp_path / "other"
    other.mkdir()
    (other / "one.yaml").write_text(f"commands: [{{key: {key}-new, group: {key}, script: 'true'}}]")
    gone = await applied(client, "--prune", other)
    assert f"- {key}-backup: deleted\n- {key}-count: deleted\n" in gone.out.decode()
    assert gone.err == "tailrun: 1 created, 0 changed, 2 deleted, 0 unchanged\n"
    assert await stored(client, f"{key}-backup") is None
    await client.call("GET", f"commands/{keyless['id']}")


async def test_nothing_is_done_where_one_to_be_deleted_is_active(
    client: Client, file: Path, key: str
) -> None:
    await client.create("exec sleep 1000", key=f"{key}-old", group=key)
    said = await applied(client, "--prune", file)
    assert said.code == os.EX_TEMPFAIL
    assert f"Active runs have: {key}-old." in said.err
    assert await stored(client, f"{key}-backup") is None
    assert (await say(client, "stop", f"{key}-old", "--kill", "--wait")).code == 0


async def test_what_is_wrong_is_told_by_file_and_line_and_nothing_is_done(
    client: Client, file: Path, key: str
) -> None:
    text = (
        FILE.format(key=key)
        .replace('"8080"', "8080")
        .replace("  group:", "  colour: red\n  group:")
    )
    file.write_text(text)
    said = await applied(client, file)
    assert (said.code, said.out) == (os.EX_DATAERR, b"")
    assert said.err.splitlines() == [
        f"tailrun: {file}:4: colour: Unknown field.",
        f'tailrun: {file}:12: environment.PORT: Not a valid string. Write it as a text: "8080".',
        f"tailrun: {file}:17: colour: Unknown field.",
    ]
    assert await stored(client, f"{key}-count") is None


async def test_what_is_exported_changes_nothing_when_it_is_applied(
    client: Client, file: Path, key: str, tmp_path: Path
) -> None:
    await applied(client, file)
    await client.create("true", group=key, start=False)
    exported = await say(client, "export", "--group", key)
    assert exported.err == (
        "tailrun: 1 commands have no key, and are left out: give them one to have them.\n"
    )
    whole = tmp_path / "whole.yaml"
    whole.write_bytes(exported.out)
    assert "  script: |\n    seq 3\n" in exported.out.decode()
    again = await applied(client, "--prune", whole)
    assert again.err == "tailrun: 0 created, 0 changed, 0 deleted, 2 unchanged\n"
    empty = await say(client, "export", "--group", "nobodys")
    assert empty.out == b"commands: []\n"
    whole.write_bytes(empty.out)
    assert (await applied(client, whole)).code == 0


STARTED = """\
commands:
- key: {key}
  group: {key}
  script: 'true'
  schedules:
  - cron: "0 3 * * *"
    time_zone: {zone}
  hooks:
  - name: on push
    scheme: github
"""


async def test_schedules_and_hooks_stand_in_files_and_secrets_in_no_log(
    client: Client, tmp_path: Path, key: str
) -> None:
    file = tmp_path / "commands.yaml"
    file.write_text(STARTED.format(key=key, zone="Mars"))
    wrong = await applied(client, file)
    assert wrong.err.startswith(f"tailrun: {file}:7: schedules.0.time_zone: There is no time zone")
    file.write_text(STARTED.format(key=key, zone="Europe/Berlin"))
    dry = await applied(client, "--dry-run", file)
    assert "would be 1 created" in dry.err
    told = json.loads((await applied(client, "--json", file)).out)
    [secret] = told["secrets"]
    assert (secret["key"], secret["name"], len(secret["secret"])) == (key, "on push", 43)
    assert (await applied(client, file)).out == b""
    whole = tmp_path / "whole.yaml"
    whole.write_bytes((await say(client, "export", "--group", key)).out)
    assert secret["secret"] not in whole.read_text()
    again = await applied(client, "--prune", whole)
    assert again.err == "tailrun: 0 created, 0 changed, 0 deleted, 1 unchanged\n"
    text = whole.read_text().replace("0 3 * * *", "0 4 * * *").replace("on push", "on tag")
    whole.write_text(text.replace("scheme: github", "scheme: gitlab"))
    changed = await applied(client, whole)
    assert changed.out.decode() == (
        f"~ {key}: changed\n"
        "    schedules:\n"
        '      - {"cron": "0 3 * * *", "time_zone": "Europe/Berlin"}\n'
        '      + {"cron": "0 4 * * *", "time_zone": "Europe/Berlin"}\n'
        "    hooks:\n"
        '      - {"name": "on push", "scheme": "github"}\n'
        '      + {"name": "on tag", "scheme": "gitlab"}\n'
    )
    assert f"`tailrun hooks {key} --new-secret 'on tag'` makes another one." in changed.err
    command = await stored(client, key) or {}
    [hook] = (await client.call("GET", f"commands/{command['id']}/hooks"))["items"]
    assert f"takes what is sent to {hook['deliveries']}. Its secret is shown" in changed.err


async def test_what_was_shown_is_done_or_nothing(client: Client, key: str) -> None:
    """By the plan of a dry run; asked again once it is done, it is done."""
    body = {"commands": [{"key": f"{key}-a", "script": "true"}]}
    plan = (await client.call("PUT", "commands/", json=body | {"dry_run": True}))["plan"]
    other = {"commands": [{"key": f"{key}-a", "script": "false"}]}
    refused = await client.call("PUT", "commands/", json=other | {"plan": plan}, status=409)
    assert refused["type"].endswith("#plan-changed")
    for _ in range(2):
        told = await client.call("PUT", "commands/", json=body | {"plan": plan})
    assert told["items"][0]["outcome"] == "unchanged"


async def test_each_act_is_in_the_audit(client: Client, file: Path, key: str) -> None:
    await applied(client, file)
    command = await stored(client, f"{key}-count")
    assert command is not None
    file.write_text(f"commands: [{{key: {key}-backup, group: {key}, script: 'true'}}]")
    await applied(client, "--prune", file)
    entries = (await client.call("GET", f"audit/?command_id={command['id']}"))["items"]
    assert [(one["act"], one["details"]["name"]) for one in entries] == [
        ("command.delete", f"{key}-count"),
        ("command.create", f"{key}-count"),
    ]
    assert entries[1]["details"]["group"] == key
    changed = (await client.call("GET", "audit/?act=command.change"))["items"][0]
    assert changed["details"]["fields"] == [
        "concurrency",
        "environment",
        "name",
        "parameters",
        "script",
    ]


async def token(client: Client, role: str, group: str) -> str:
    body = {"name": f"{role} {group}", "role": role, "group": group}
    return str((await client.call("POST", "tokens/", json=body))["token"])


async def test_each_command_takes_the_rights_of_its_own_change(
    client: Client, file: Path, key: str
) -> None:
    """An editor of the group may create and change, and not delete, move or see others."""
    editor = {"TAILRUN_TOKEN": await token(client, "editor", key)}

    async def put(status: int, *commands: Mapping[str, object], **more: object) -> dict[str, Any]:
        told: dict[str, Any] = await client.call(
            "PUT",
            "commands/",
            json={"commands": [*commands], **more},
            headers={"Authorization": f"Bearer {editor['TAILRUN_TOKEN']}"},
            status=status,
        )
        return told

    assert (await say(client, "apply", str(file), **editor)).code == 0
    mine = {"key": f"{key}-count", "group": key, "script": "true"}
    await put(200, mine)
    pruned = await put(403, mine, prune=True)
    assert pruned["detail"].startswith(f"{key}-backup: This takes the role admin")
    await put(403, {**mine, "group": f"{key}-other"})
    await put(403, {"key": f"{key}-new", "script": "true"})
    await client.create("true", key=f"{key}-hidden", start=False)
    hidden = await put(409, mine | {"script": "false"}, {**mine, "key": f"{key}-hidden"})
    assert hidden["type"].endswith("#key-taken")
    assert (await stored(client, f"{key}-count") or {})["script"] == "true"
    exported = json.loads(json.dumps((await say(client, "export", **editor)).out.decode()))
    assert f"{key}-count" in exported
    assert "hidden" not in exported
    viewer = {"TAILRUN_TOKEN": await token(client, "viewer", key)}
    assert (await say(client, "apply", str(file), **viewer)).code == os.EX_NOPERM
    assert (await say(client, "export", **viewer)).code == os.EX_NOPERM
