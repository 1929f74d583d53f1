"""Runs in the page: stopped, paused, signalled, queued, bounded, deleted."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.support.browser import OpenTab
from tests.support.client import Client, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAF = "trap '' TERM; echo ready; while :; do sleep 0.01; done"
TICKS = "i=0; while :; do i=$((i + 1)); echo tick $i; sleep 0.01; done"


async def test_a_run_is_stopped(client: Client, open_tab: OpenTab) -> None:
    run = await client.run("echo ready; exec sleep 1000")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("ready")
    await tab.button("Stop").click()
    await expect(tab.facts).to_contain_text("StoppedSIGTERM")
    await expect(tab.log).to_contain_text("Stopped SIGTERM, after")
    await expect(tab.button("Stop")).to_have_count(0)
    assert (await client.get_run(run))["state"] == "stopped"


async def test_the_tab_tells_the_runs_state(client: Client, open_tab: OpenTab, gate: Gate) -> None:
    run = (await client.create(f"{gate.wait}; exit 1", name="Watched aside"))["run"]["id"]
    tab = await open_tab(client, f"/runs/{run}")
    icon = tab.page.locator("link[rel=icon]")
    await expect(tab.page).to_have_title("Running · Watched aside · Tailrun")
    running = await icon.get_attribute("href")
    gate.open()
    await expect(tab.page).to_have_title("Failed · Watched aside · Tailrun")
    failed = await icon.get_attribute("href")
    started = tab.facts.locator("time").first
    stored = (await client.get_run(run))["start_time"]
    await expect(started).to_have_attribute("datetime", stored)
    await expect(started).to_have_text(re.compile(r"^\d+ \w+, \d\d:\d\d:\d\d$"))
    await tab.go("/commands/new")
    await expect(tab.page).to_have_title("New command · Tailrun")
    other = await icon.get_attribute("href")
    assert len({running, failed, other}) == 3


async def test_a_run_is_stopped_from_the_list(client: Client, open_tab: OpenTab) -> None:
    run = (await client.create("exec sleep 1000", name="Listed"))["run"]["id"]
    tab = await open_tab(client)
    row = tab.page.get_by_role("listitem").filter(has_text="Listed")
    await expect(row).to_contain_text("Running")
    await row.get_by_role("button", name="Stop Listed").click()
    await expect(row).to_contain_text("Stopped")
    await row.get_by_role("button", name="Start Listed").click()
    await expect(tab.facts).to_contain_text("Running")
    assert not tab.page.url.endswith(run)
    await tab.button("Stop").click()
    await expect(tab.facts).to_contain_text("Stopped")


async def test_a_run_that_does_not_heed_a_stop_can_be_killed(
    client: Client, open_tab: OpenTab
) -> None:
    run = await client.run(DEAF)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("ready")
    await tab.button("Stop").click()
    await expect(tab.facts).to_contain_text("Stopping")
    await expect(tab.button("Stop")).to_be_disabled()
    await tab.button("Kill now").click()
    await expect(tab.facts).to_contain_text("StoppedSIGKILL")


async def test_a_run_is_paused_and_resumed(client: Client, open_tab: OpenTab) -> None:
    run = await client.run(TICKS)
    tab = await open_tab(client, f"/runs/{run}")
    other = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("tick 3")
    await tab.button("Pause").click()
    await expect(tab.facts).to_contain_text("Paused")
    await expect(other.facts).to_contain_text("Paused")
    assert (await client.get_run(run))["paused"] is True
    await tab.page.reload()
    await expect(tab.facts).to_contain_text("Paused")
    written = (await client.output(run)).decode().splitlines()
    await expect(tab.log).to_contain_text(written[-1])
    assert await tab.lines() == written
    assert (await client.output(run)).decode().splitlines() == written
    await tab.button("Resume").click()
    await expect(tab.facts).to_contain_text("Running")
    await expect(other.button("Pause")).to_be_visible()
    await expect(tab.log).to_contain_text(f"tick {len(written) + 1}")
    await tab.button("Pause").click()
    await tab.button("Stop").click()
    await expect(tab.facts).to_contain_text("StoppedSIGTERM")
    shown = await tab.lines()
    assert shown == [f"tick {number}" for number in range(1, len(shown) + 1)]
    assert len(shown) > len(written)


async def test_another_signal_is_sent_from_the_menu(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    handlers = "".join(f"trap 'echo got {name}' {name}; " for name in ("INT", "HUP", "USR1"))
    run = await client.run(f"{handlers} echo ready; while :; do {gate.wait}; done")
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("ready")
    menu = tab.page.get_by_role("menu", name="Send another signal")
    for item, signal in [("Interrupt", "INT"), ("Hang up", "HUP"), ("User 1", "USR1")]:
        await tab.button("Send another signal").click()
        await menu.get_by_role("menuitem", name=item).click()
        await expect(menu).to_have_count(0)
        await expect(tab.page.get_by_text(f"Sent SIG{signal}.")).to_be_visible()
        await expect(tab.log).to_contain_text(f"got {signal}")
    await tab.button("Send another signal").click()
    await menu.get_by_role("menuitem", name="Kill").click()
    await expect(tab.facts).to_contain_text("StoppedSIGKILL")
    assert await tab.lines() == ["ready", "got INT", "got HUP", "got USR1"]


async def test_the_menu_closes_without_a_choice(client: Client, open_tab: OpenTab) -> None:
    run = await client.run("exec sleep 1000")
    tab = await open_tab(client, f"/runs/{run}")
    opener, menu = tab.button("Send another signal"), tab.page.get_by_role("menu")
    await opener.click()
    await expect(menu.get_by_role("menuitem").first).to_be_focused()
    await tab.page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(opener).to_be_focused()
    await opener.click()
    await tab.facts.click()
    await expect(menu).to_have_count(0)
    await tab.button("Stop").click()
    await expect(tab.facts).to_contain_text("Stopped")


async def test_a_finished_run_is_deleted_after_confirmation(
    client: Client, open_tab: OpenTab
) -> None:
    command = await client.create("echo gone", name="Kept")
    run = command["run"]["id"]
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    dialog = tab.page.get_by_role("dialog", name="Delete this run?")
    await tab.button("Delete").click()
    await expect(dialog).to_contain_text("The run and its output will be deleted")
    await tab.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await client.get_run(run)
    await tab.button("Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(tab.page.get_by_text(f"Deleted run {run[:8]}.")).to_be_visible()
    await expect(tab.page.get_by_role("heading", name="Kept", exact=True)).to_be_visible()
    await expect(tab.page.get_by_role("heading", name="Not run yet", exact=True)).to_be_visible()
    await client.call("GET", f"runs/{run}", status=404)


async def test_a_queued_run_says_so_and_streams_when_it_starts(
    start: Start, open_tab: OpenTab, gate: Gate
) -> None:
    client = await start(max_concurrent_runs="1")
    first = await client.run(gate.wait)
    tab = await open_tab(client, f"/runs/{await client.run('echo my turn')}")
    await expect(tab.facts).to_contain_text("Queuedwaiting")
    await expect(tab.output).to_contain_text("Waiting to start")
    await expect(tab.log).to_contain_text("The run is queued.")
    await expect(tab.button("Pause")).to_have_count(0)
    gate.open()
    await expect(tab.log).to_contain_text("my turn")
    await expect(tab.facts).to_contain_text("Succeeded")
    await client.finished(first)


async def test_a_queued_run_that_is_stopped_says_why_it_wrote_nothing(
    start: Start, open_tab: OpenTab, gate: Gate
) -> None:
    client = await start(max_concurrent_runs="1")
    await client.run(gate.wait)
    tab = await open_tab(client, f"/runs/{await client.run('echo never')}")
    await expect(tab.facts).to_contain_text("Queued")
    await tab.button("Stop").click()
    await expect(tab.facts).to_contain_text("It was stopped while queued.")
    await expect(tab.log).to_contain_text("This run wrote no output.")
    gate.open()


async def test_a_run_that_met_a_bound_says_which(start: Start, open_tab: OpenTab) -> None:
    client = await start(max_output_bytes="10000", run_timeout_seconds="3")
    writer = await client.create("yes", name="Writer")
    sleeper = await client.run("exec sleep 1000")
    tab = await open_tab(client, f"/runs/{writer['run']['id']}")
    await expect(tab.facts).to_contain_text("the limit TAILRUN_MAX_OUTPUT_BYTES.")
    await expect(tab.log).to_contain_text("the limit TAILRUN_MAX_OUTPUT_BYTES.")
    await tab.go(f"/runs/{sleeper}")
    await expect(tab.facts).to_contain_text("Timed out")
    await expect(tab.facts).to_contain_text(
        "It ran longer than the limit TAILRUN_RUN_TIMEOUT_SECONDS."
    )
    await tab.go(f"/commands/{writer['id']}")
    row = tab.page.get_by_role("main").get_by_role("listitem")
    await expect(row).to_contain_text("TAILRUN_MAX_OUTPUT_BYTES")
