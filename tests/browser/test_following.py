"""What follows a run's end, in the page: further attempts, and notifications."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Request, expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab
from tests.support.client import Client
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_a_run_leads_to_the_attempts_beside_it(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    created = await client.create(
        f'[ "$TAILRUN_ATTEMPT" = 2 ] || {gate.wait}\nexit 3',
        name="Tries again",
        retries={"limit": 1},
    )
    first = created["run"]["id"]
    tab = await open_tab(client, f"/runs/{first}")
    await expect(tab.facts).to_contain_text("Running")
    await expect(tab.facts).not_to_contain_text("ttempt")
    gate.open()
    await expect(tab.facts).to_contain_text("Attempt 1 of up to 2")
    after = tab.facts.get_by_text(re.compile("Tried again at .* as run [0-9a-f]{8}: Failed"))
    await after.get_by_role("link").click()
    await expect(tab.facts).to_contain_text("Attempt 2 of up to 2")
    await expect(tab.facts).to_contain_text(f"after run {first[:8]}")
    await tab.go("/runs")
    rows = tab.page.get_by_role("row").filter(has_text="Tries again")
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="attempt 2")).to_have_count(1)
    await rows.filter(has_text="attempt 2").get_by_role("link").click()
    await tab.facts.get_by_role("link", name=first[:8]).click()
    await expect(tab.page).to_have_url(re.compile(first))
    await expect(after).to_be_visible()


async def test_an_attempt_that_waits_says_when_it_is_due_and_is_stopped(
    client: Client, open_tab: OpenTab
) -> None:
    created = await client.create("exit 3", retries={"limit": 3, "delay_seconds": 4000})
    tab = await open_tab(client, f"/runs/{created['run']['id']}")
    await expect(tab.facts).to_contain_text(re.compile("To be tried again in 1 h, at .* as run"))
    await tab.facts.get_by_role("link").click()
    await expect(tab.facts).to_contain_text("Attempt 2 of up to 4")
    await expect(tab.facts).to_contain_text(re.compile("due in 1 h, at "))
    await tab.page.go_back()
    await tab.button("Do not try again").click()
    await expect(tab.facts).to_contain_text(re.compile("Tried again at .* as run .*: Stopped"))
    await expect(tab.button("Do not try again")).to_have_count(0)


async def test_a_run_tells_who_was_told_of_it_and_who_could_not_be(
    client: Client, open_tab: OpenTab, receiver: Receiver
) -> None:
    for name, url in {"heard": f"{receiver.url}/ok", "deaf": "http://127.0.0.1:9/"}.items():
        target = {"name": name, "url": url}
        await client.call("POST", "notification-targets/", json=target, status=201)
    notify = [{"target": name, "on": ["failed"]} for name in ("heard", "deaf")]
    created = await client.create("exit 3", notify=notify)
    tab = await open_tab(client, f"/runs/{created['run']['id']}")
    told = tab.facts.get_by_role("group").filter(has_text="Notifications:")
    await expect(told).to_contain_text("Notifications: 1 waiting, 1 delivered")
    await told.get_by_text("Notifications:").click()
    rows = told.get_by_role("listitem")
    await expect(rows.filter(has_text="heard")).to_contain_text("delivered")
    await expect(rows.filter(has_text="deaf")).to_contain_text(
        re.compile("attempts? failed, the next one in")
    )
    await expect(rows.filter(has_text="deaf")).to_contain_text("127.0.0.1")


async def test_a_run_that_nothing_follows_asks_for_nothing_of_it(
    client: Client, open_tab: OpenTab
) -> None:
    created = await client.create("exit 3")
    tab = await open_tab(client)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    tab.page.on("request", note)
    await tab.go(f"/runs/{created['run']['id']}")
    await expect(tab.facts).to_contain_text("exit code 3")
    await expect(tab.page.get_by_role("link", name=created["name"])).to_be_visible()
    await expect(tab.log).to_contain_text("Failed")
    assert [url for url in asked if "retry_of" in url or "v1/notifications" in url] == []


async def test_a_commands_form_says_what_follows_its_ends(
    client: Client, open_tab: OpenTab
) -> None:
    target = {"name": "rota", "url": "http://127.0.0.1:9/"}
    await client.call("POST", "notification-targets/", json=target, status=201)
    tab = await open_tab(client, "/commands/new", expected=["status of 422"])
    await tab.field("Name").fill("Follows up")
    await tab.write_script("exit 75")
    await tab.page.get_by_text("When a run ends: retries and notifications").click()
    await tab.field("How often").fill("30")
    await tab.field("Seconds before the first").fill("90")
    await tab.field("Lost").uncheck()
    await tab.field("Only after these exit codes").fill("75, 111")
    rota = tab.page.get_by_role("group", name="Tell rota")
    await rota.get_by_label("failed").check()
    await rota.get_by_label("recovered").check()
    await tab.button("Save only").click()
    await expect(tab.field("How often")).to_be_focused()
    await expect(tab.field("How often")).to_have_attribute("aria-invalid", "true")
    await expect(tab.page.get_by_role("alert")).to_have_count(0)
    await tab.field("How often").fill("3")
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Follows up", exact=True)).to_be_visible()
    [made] = (await client.call("GET", "commands/?name=Follows+up"))["items"]
    made = await client.call("GET", f"commands/{made['id']}")
    retries = {"limit": 3, "delay_seconds": 90, "backoff": 2, "exit_codes": [75, 111]}
    assert made["retries"] == {**retries, "on": ["failed", "timed_out"]}
    assert made["notify"] == [{"target": "rota", "on": ["failed", "recovered"]}]

    await tab.go(f"/commands/{made['id']}/edit")
    await expect(rota.get_by_label("recovered")).to_be_checked()
    await expect(rota.get_by_label("succeeded")).not_to_be_checked()
    await expect(tab.field("Only after these exit codes")).to_have_value("75, 111")
    await tab.button("Cancel").click()
    await expect(tab.page.get_by_role("heading", name="Follows up", exact=True)).to_be_visible()
    await tab.go(f"/commands/{made['id']}/edit")
    await tab.field("How often").fill("")
    await rota.get_by_label("failed").uncheck()
    await rota.get_by_label("recovered").uncheck()
    await tab.button("Save").click()
    await expect(tab.page.get_by_role("heading", name="Follows up", exact=True)).to_be_visible()
    made = await client.call("GET", f"commands/{made['id']}")
    assert not made["retries"]
    assert not made["notify"]


async def test_a_form_keeps_what_it_says_of_a_target_that_is_gone(
    client: Client, open_tab: OpenTab
) -> None:
    target = {"name": "going", "url": "http://127.0.0.1:9/"}
    made = await client.call("POST", "notification-targets/", json=target, status=201)
    notify = [{"target": "going", "on": ["failed"]}]
    command = await client.create("true", name="Told of", start=False, notify=notify)
    await client.call("DELETE", f"notification-targets/{made['id']}")
    tab = await open_tab(client, f"/commands/{command['id']}/edit", expected=["status of 422"])
    going = tab.page.get_by_role("group", name="Tell going")
    await expect(going).to_contain_text("there is no such target any more")
    await tab.button("Save").click()
    await expect(tab.page.get_by_text("There is no notification target 'going'.")).to_be_visible()
    await going.get_by_label("failed").uncheck()
    await tab.button("Save").click()
    await expect(tab.page.get_by_role("heading", name="Told of", exact=True)).to_be_visible()
    assert not (await client.call("GET", f"commands/{command['id']}"))["notify"]
