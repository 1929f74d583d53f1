"""Notifications over HTTP: targets, who hears of what, and what becomes of what is not heard."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from server.notifications import Notification, Target
from server.services.notifications import notifier, webhook
from server.services.notifications.messages import Message, Messages
from server.services.notifications.webhook import WebhookSender
from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until, until_true

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of the specification's example


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def target(api: Api, url: str, name: str = "chat", **fields: object) -> dict[str, Any]:
    body = {"name": name, "url": url, **fields}
    made: dict[str, Any] = await api.call("POST", "notification-targets/", json=body, status=201)
    return made


async def command(api: Api, script: str, on: list[str], **fields: object) -> dict[str, Any]:
    return await api.create(script, notify=[{"target": "chat", "on": on}], **fields)


async def notifications(api: Api, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.call("GET", f"notifications/{query}", status=200))[
        "items"
    ]
    return items


async def test_a_webhook_is_told_of_an_end_with_its_last_lines_signed(
    api: Api, receiver: Receiver
) -> None:
    made = await target(api, f"{receiver.url}/ok")
    created = await command(api, "seq 30; exit 3", ["failed"], name="night job")
    [heard] = await receiver.wait_for("/ok")
    assert heard.is_signed_by(made["secret"])
    told = heard.told
    run = created["run"]["id"]
    assert told["type"] == "run.failed"
    assert told["data"]["command"] == {
        "id": created["id"],
        "name": "night job",
        "group": "default",
    }
    assert told["data"]["run"]["id"] == run
    assert (told["data"]["run"]["state"], told["data"]["run"]["exitcode"]) == ("failed", 3)
    assert told["data"]["link"].endswith(f"/#/runs/{run}")
    assert told["data"]["last_lines"] == [str(number) for number in range(11, 31)]

    async def noted() -> bool:
        return [one["state"] for one in await notifications(api)] == ["delivered"]

    await until_true(noted)
    [one] = await notifications(api, f"?run_id={run}")
    assert (one["id"], one["attempts"]) == (heard.headers["webhook-id"], 1)
    assert (one["target"], one["occasion"], one["last_error"]) == ("chat", "failed", None)


async def test_who_recovers_is_told_as_recovered_and_a_calm_run_tells_nobody(
    api: Api, receiver: Receiver
) -> None:
    await target(api, f"{receiver.url}/ok", secret=SECRET)
    created = await command(api, "exit 1", ["failed", "recovered"])
    await receiver.wait_for("/ok")
    path = f"commands/{created['id']}"
    await api.call("PATCH", path, json={"script": "true"}, status=200)
    for _ in range(2):
        started = await api.call("POST", f"{path}/runs", status=201)
        await api.ended(started["id"])
    await api.call("PATCH", path, json={"script": "exit 4"}, status=200)
    await api.call("POST", f"{path}/runs", status=201)
    heard = await receiver.wait_for("/ok", 3)
    assert all(one.is_signed_by(SECRET) for one in heard)
    assert [one.told["type"] for one in heard] == ["run.failed", "run.recovered", "run.failed"]


async def test_a_failure_is_told_once_when_no_attempt_is_left(api: Api, receiver: Receiver) -> None:
    await target(api, f"{receiver.url}/ok")
    created = await command(
        api, "echo attempt $TAILRUN_ATTEMPT; exit 9", ["failed"], retries={"limit": 2}
    )
    [heard] = await receiver.wait_for("/ok")
    assert heard.told["data"]["last_lines"] == ["attempt 3"]
    assert heard.told["data"]["run"]["attempt"] == 3
    runs = (await api.call("GET", f"commands/{created['id']}/runs", status=200))["items"]
    assert [run["attempt"] for run in runs] == [3, 2, 1]
    assert [run["retry_of"] for run in runs] == [runs[1]["id"], runs[2]["id"], None]
    first = runs[2]["id"]
    assert [run["cause"] for run in runs[:2]] == [
        {"kind": "retry", "id": first, "due_at": None}
    ] * 2
    assert runs[2]["cause"] is None
    assert [one["occasion"] for one in await notifications(api)] == ["failed"]


async def test_a_target_that_hangs_holds_up_nobody_elses(api: Api, receiver: Receiver) -> None:
    await target(api, f"{receiver.url}/hangs", "stuck")
    await target(api, f"{receiver.url}/ok")
    both = [{"target": name, "on": ["failed"]} for name in ("stuck", "chat")]
    for _ in range(3):
        await api.create("exit 1", notify=both)
    await receiver.wait_for("/hangs")
    await receiver.wait_for("/ok", 3)
    assert len(receiver.at("/hangs")) == 1


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/fails", "It answered 500: the chat is full"),
        ("/moved", "It answered 307, a redirect, which is not followed."),
    ],
)
async def test_what_is_not_taken_says_why_and_is_tried_again(
    api: Api, receiver: Receiver, path: str, why: str
) -> None:
    await target(api, receiver.url + path)
    await command(api, "exit 1", ["failed"])

    async def said() -> bool:
        return any(one["last_error"] for one in await notifications(api))

    await until_true(said)
    [one] = await notifications(api, "?state=waiting&target=chat")
    assert one["last_error"].startswith(why)
    assert one["attempts"] == 1
    assert one["next_try_at"] is not None
    assert receiver.at("/stolen") == []


async def test_what_failed_is_sent_again_with_the_same_id(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "FIRST_PAUSE", notifier.FIRST_PAUSE / 1000)
    await target(api, f"{receiver.url}/twice")
    await command(api, "exit 1", ["failed"])
    first, second = await receiver.wait_for("/twice", 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]

    async def delivered() -> bool:
        return [one["state"] for one in await notifications(api)] == ["delivered"]

    await until_true(delivered)
    [one] = await notifications(api)
    assert (one["attempts"], one["last_error"]) == (2, None)


async def test_what_nobody_takes_for_a_day_is_given_up_visibly(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "GIVEN_UP_AFTER", notifier.FIRST_PAUSE / 2)
    await target(api, f"{receiver.url}/fails")
    await command(api, "exit 1", ["failed"])

    async def given_up() -> bool:
        return [one["state"] for one in await notifications(api)] == ["given_up"]

    await until_true(given_up)
    [one] = await notifications(api, "?state=given_up")
    assert one["next_try_at"] is None
    assert one["last_error"] == "It answered 500: the chat is full"


async def test_targets_that_hang_hold_up_no_other_however_many_they_are(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty with three messages each have fewer places than there are."""
    monkeypatch.setattr(WebhookSender.__init__, "__kwdefaults__", {"timeout_seconds": 1.0})
    names = [f"a{number}" for number in range(30)]
    for name in names:
        await target(api, f"{receiver.url}/hangs", name)
    for chosen in (names[:15], names[15:]):
        for _ in range(3):
            notify = [{"target": name, "on": ["failed"]} for name in chosen]
            await api.create("exit 1", notify=notify)
    await receiver.wait_for("/hangs", 8)
    await target(api, f"{receiver.url}/ok")
    await command(api, "exit 1", ["failed"])
    await receiver.wait_for("/ok")
    assert len(receiver.at("/hangs")) < 90


async def test_a_target_that_fails_is_told_of_and_leaves_the_server_ready(
    api: Api, receiver: Receiver
) -> None:
    """With how many wait for it and since when; nothing more is said once it takes them."""

    async def failing() -> tuple[str, str]:
        async with api.client.get("/readyz") as response:
            assert response.status == 200
            said = (await response.json())["notifications"]
        async with api.client.get("/metrics") as response:
            [line] = [
                one
                for one in (await response.text()).splitlines()
                if one.startswith("tailrun_notification_targets_failing ")
            ]
        return said, line.split()[1]

    assert await failing() == ("ok", "0.0")
    made = await target(api, "http://127.0.0.1:1/")
    await command(api, "exit 1", ["failed"])

    async def tried() -> bool:
        return bool([one for one in await notifications(api) if one["last_error"]])

    await until_true(tried)
    [one] = await notifications(api)
    since = datetime.fromisoformat(one["created_at"]).isoformat(timespec="seconds")
    text = f"1 waits for the target chat, which fails, the first since {since}"
    assert await failing() == (text, "1.0")
    changed = {"url": f"{receiver.url}/ok"}
    await api.call("PATCH", f"notification-targets/{made['id']}", status=200, json=changed)
    await receiver.wait_for("/ok")

    async def is_well() -> bool:
        return await failing() == ("ok", "0.0")

    await until_true(is_well)


async def test_what_waits_for_a_target_that_is_changed_goes_with_it_at_once(
    api: Api, receiver: Receiver
) -> None:
    made = await target(api, f"{receiver.url}/fails")
    await command(api, "exit 1", ["failed"])

    async def said() -> bool:
        return any(one["last_error"] for one in await notifications(api))

    await until_true(said)
    body = {"name": "talk", "url": f"{receiver.url}/ok"}
    await api.call("PATCH", f"notification-targets/{made['id']}", json=body, status=200)
    [heard] = await receiver.wait_for("/ok")
    assert heard.headers["webhook-id"] == receiver.at("/fails")[0].headers["webhook-id"]

    async def delivered() -> bool:
        return [one["state"] for one in await notifications(api, "?target=talk")] == ["delivered"]

    await until_true(delivered)


async def test_a_message_that_cannot_be_made_is_this_ones_trouble_alone(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await target(api, f"{receiver.url}/ok")
    make = Messages.of

    async def of(messages: Messages, notification: Notification) -> Message:
        message = await make(messages, notification)
        if message.title.startswith("odd"):
            raise ZeroDivisionError
        return message

    monkeypatch.setattr(Messages, "of", of)
    await command(api, "exit 1", ["failed"], name="odd job")
    await command(api, "exit 1", ["failed"], name="night job")
    await receiver.wait_for("/ok")

    async def said() -> bool:
        return any(one["last_error"] for one in await notifications(api))

    await until_true(said)
    [one] = await notifications(api, "?state=waiting")
    assert one["last_error"] == "Its message cannot be made: ZeroDivisionError. The log says more."


async def test_a_fault_of_a_sender_tells_nothing_of_the_url(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def send(_: WebhookSender, target: Target, _message: Message) -> None:
        raise RuntimeError(target.url)

    monkeypatch.setattr(WebhookSender, "send", send)
    made = await target(api, f"{receiver.url}/ok?token=hidden")
    came = await api.call("POST", f"notification-targets/{made['id']}/test", status=200)
    assert came == {"delivered": False, "error": "It cannot be sent: RuntimeError."}
    assert "hidden" not in caplog.text


async def test_a_name_that_nobody_looks_up_holds_up_nothing_else(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the end of the service: it is looked up by a thread that nobody waits for."""
    begun, answered = threading.Event(), threading.Event()
    look_up = socket.getaddrinfo
    threads = []

    def getaddrinfo(host: str, *given: Any, **named: Any) -> Any:
        if host != "chat.invalid":
            return look_up(host, *given, **named)
        threads.append(threading.current_thread())
        begun.set()
        answered.wait()
        return look_up("127.0.0.1", *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    port = receiver.url.rpartition(":")[2]
    made = await target(api, f"http://chat.invalid:{port}/ok")
    path = f"notification-targets/{made['id']}/test"
    trial = asyncio.create_task(api.call("POST", path, status=200))
    await until(begun.is_set)
    assert [thread.daemon for thread in threads] == [True]
    answered.set()
    assert await trial == {"delivered": True, "error": None}
    [heard] = receiver.at("/ok")
    assert heard.headers["host"] == f"chat.invalid:{port}"
    assert heard.headers["accept-encoding"] == "identity"


async def test_a_test_says_what_came_of_it(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = await target(api, f"{receiver.url}/ok")
    path = f"notification-targets/{well['id']}/test"
    assert await api.call("POST", path, status=200) == {"delivered": True, "error": None}
    [heard] = receiver.at("/ok")
    assert heard.told["type"] == "test"
    assert heard.is_signed_by(well["secret"])
    nobody = await target(api, "http://127.0.0.1:1/", "nobody")
    came = await api.call("POST", f"notification-targets/{nobody['id']}/test", status=200)
    assert came == {"delivered": False, "error": "It cannot be reached: Connect call failed."} or (
        came["error"].startswith("It cannot be reached: ")
    )
    monkeypatch.setattr(webhook, "SEND_SECONDS", 0.2)
    [listed] = [
        one
        for one in (await api.call("GET", "notification-targets/", status=200))["items"]
        if one["name"] == "nobody"
    ]
    assert listed["address"] == "http://127.0.0.1:1/…"


async def test_what_is_secret_of_a_target_is_shown_once_or_never(
    api: Api, receiver: Receiver
) -> None:
    made = await target(api, f"{receiver.url}/ok?token=hidden")
    assert made["secret"].startswith("whsec_")
    shown = await api.call("GET", "notification-targets/", status=200)
    changed = await api.call(
        "PATCH", f"notification-targets/{made['id']}", json={"name": "talk"}, status=200
    )
    audit = await api.call("GET", "audit/", status=200)
    for answer in (shown, changed, audit):
        assert "hidden" not in str(answer)
        assert made["secret"] not in str(answer)
    acts = [(one["act"], one["details"].get("name")) for one in audit["items"]]
    assert acts == [("target.change", "talk"), ("target.create", "chat")]


@pytest.mark.parametrize(
    ("fields", "by_field"),
    [
        ({"url": "ftp://example.org/"}, {"url": "begins with https:// or http://"}),
        ({"url": "https://"}, {"url": "names a host"}),
        ({"url": "http://[::1"}, {"url": "It is no URL"}),
        ({"url": "https://example.org/", "secret": "short"}, {"secret": "whsec_"}),
        ({"url": "json://localhost/", "type": "apprise", "secret": SECRET}, {"secret": "Only a"}),
        ({"url": "nonsense://x", "type": "apprise"}, {"url": "Apprise knows no service"}),
        ({"url": "https://example.org/", "port": 1}, {"port": "Unknown field."}),
    ],
    ids=["scheme", "host", "url", "secret", "apprise-secret", "apprise-url", "unknown"],
)
async def test_a_target_that_cannot_be_is_refused_by_field(
    api: Api, fields: dict[str, object], by_field: dict[str, str]
) -> None:
    told = await api.problem(
        *("POST", "notification-targets/", 422, "invalid-input"), json={"name": "chat", **fields}
    )
    [(field, why)] = by_field.items()
    assert why in told["errors"][field][0]


async def test_what_a_target_repeats_of_its_url_is_not_told(api: Api, receiver: Receiver) -> None:
    """Viewers see why notifications fail, and are not to send there themselves."""
    await target(api, f"{receiver.url}/unknown/AbCdEfGhIjKl?key=hushhush")
    await command(api, "exit 1", ["failed"])

    async def failed() -> bool:
        return any(one["last_error"] for one in await notifications(api))

    await until_true(failed)
    [one] = await notifications(api)
    assert one["last_error"] == "It answered 404: Cannot [2JPOST …"
    anchored = await target(api, "https://example.org#AbCdEfGhIjKl", "anchored")
    assert anchored["address"] == "https://example.org/…"


async def test_a_small_answer_that_would_unpack_to_much_is_not_unpacked(
    api: Api, receiver: Receiver
) -> None:
    made = await target(api, f"{receiver.url}/packed")
    told = await api.call("POST", f"notification-targets/{made['id']}/test", status=200)
    assert "It answered 500" in told["error"]
    assert "0000" not in told["error"]


async def test_what_a_run_writes_is_no_html_of_a_mail(api: Api, receiver: Receiver) -> None:
    address = receiver.url.removeprefix("http://")
    await target(api, f"json://{address}/ok?format=html", type="apprise")
    await command(api, "echo '<a href=//evil>here</a>'; exit 1", ["failed"], name="a <b> job")
    [heard] = await receiver.wait_for("/ok")
    assert "&gt;here&lt;/a&gt;" in heard.told["message"]
    assert "<a" not in heard.told["message"]


async def test_apprise_imports_nothing_from_where_the_server_is(
    api: Api, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apprise.py").write_text("raise SystemExit('stolen')")
    monkeypatch.chdir(tmp_path)
    address = receiver.url.removeprefix("http://")
    made = await target(api, f"json://{address}/ok", type="apprise")
    told = await api.call("POST", f"notification-targets/{made['id']}/test", status=200)
    assert told == {"delivered": True, "error": None}


async def test_a_name_is_one_targets(api: Api, receiver: Receiver) -> None:
    first = await target(api, f"{receiver.url}/ok")
    second = await target(api, f"{receiver.url}/ok", "talk")
    taken = {"name": "chat", "url": f"{receiver.url}/ok"}
    await api.problem("POST", "notification-targets/", 409, "conflict", json=taken)
    path = f"notification-targets/{second['id']}"
    await api.problem("PATCH", path, 409, "conflict", json={"name": "chat"})
    await api.problem("PATCH", path, 422, "invalid-input", json={})
    await api.call("DELETE", f"notification-targets/{first['id']}", status=204)
    await api.call("PATCH", path, json={"name": "chat"}, status=200)
    await api.problem("DELETE", f"notification-targets/{first['id']}", 404, "target-not-found")
    await api.problem("PATCH", "notification-targets/x", 404, "target-not-found", json=taken)


async def test_a_message_goes_by_apprise(api: Api, receiver: Receiver) -> None:
    address = receiver.url.removeprefix("http://")
    await target(api, f"json://{address}/ok", type="apprise")
    await command(api, "echo last words; exit 1", ["failed"], name="night job")
    [heard] = await receiver.wait_for("/ok")
    assert heard.told["title"] == "night job failed (exit code 1)"
    assert "last words" in heard.told["message"]
    moved = await target(api, f"json://{address}/moved", "moved", type="apprise")
    came = await api.call("POST", f"notification-targets/{moved['id']}/test", status=200)
    assert not came["delivered"]
    assert receiver.at("/stolen") == []


async def test_a_command_names_targets_that_there_are(api: Api, receiver: Receiver) -> None:
    body = {"name": "x", "script": "true", "notify": [{"target": "chat", "on": ["failed"]}]}
    told = await api.problem("POST", "commands/", 422, "invalid-input", json=body)
    assert "There is no notification target 'chat'" in str(told["errors"]["notify"])
    await target(api, f"{receiver.url}/ok")
    await api.call("POST", "commands/", json=body, status=201)


async def test_notifications_are_seen_with_their_commands(serve: Serve, receiver: Receiver) -> None:
    api = await serve(Claimed())
    api.client.session.headers["As"] = "admin@*"
    await target(api, f"{receiver.url}/ok")
    await command(api, "exit 1", ["failed"], group="web")
    await receiver.wait_for("/ok")
    for claim, count in [("viewer@web", 1), ("viewer@mail", 0), ("viewer@*", 1)]:
        api.client.session.headers["As"] = claim
        assert len(await notifications(api)) == count
        assert await notifications(api, "?target=another") == []
