"""Each task of the list in docs/page.md, done with the keyboard alone: no test has a pointer.

A test's docstring is its task, as the list says it.
"""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.people import signed_in
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.known_workers import add_worker
from tests.support.nats import Nats

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

COUNT = "for i in $(seq 300); do echo line $i; done; echo 'error: no space left'; seq 300"
WAITS = "trap 'echo got INT' INT; echo ready; while :; do sleep 0.02; done"


async def press(tab: Tab, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        await tab.page.keyboard.press(key)


async def act(tab: Tab, target: Locator, key: str = "Enter") -> None:
    """Go to something by Tab, and press a key there."""
    await expect(target).to_be_visible()
    await tab.focus(target)
    await tab.page.keyboard.press(key)


async def choose(tab: Tab, target: Locator, letters: str) -> None:
    """Go to a choice by Tab, and type the beginning of what is chosen."""
    await tab.focus(target)
    await tab.page.keyboard.type(letters)


def heading(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("heading", name=name, exact=True)


def row(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("link", name=name, exact=True)


async def test_find_and_open(client: Client, open_tab: OpenTab) -> None:
    """Find a command and open it."""
    await client.create("true", name="Reindex search", start=False)
    await client.create("true", name="Rotate keys", start=False)
    tab = await open_tab(client)
    await expect(row(tab, "Rotate keys")).to_be_visible()
    await press(tab, "/")
    await tab.page.keyboard.type("reindex")
    await expect(row(tab, "Rotate keys")).to_have_count(0)
    await act(tab, row(tab, "Reindex search"))
    await expect(heading(tab, "Reindex search")).to_be_focused()


async def test_favourite(client: Client, open_tab: OpenTab) -> None:
    """Narrow the commands by state; make one a favourite, in the list or on its screen."""
    await client.create("true", name="Kept at hand", start=False)
    failed = await client.create("exit 1", name="Broken tonight")
    await client.finished(failed["run"]["id"])
    tab = await open_tab(client)
    await act(tab, tab.page.get_by_role("checkbox", name="Failed", exact=True), "Space")
    await expect(row(tab, "Kept at hand")).to_have_count(0)
    star = tab.button("Favourite: Broken tonight")
    await act(tab, star, "Space")
    await expect(star).to_have_attribute("aria-pressed", "true")
    await act(tab, row(tab, "Broken tonight"))
    await expect(heading(tab, "Broken tonight")).to_be_focused()
    await expect(star).to_have_attribute("aria-pressed", "true")
    await press(tab, "f")
    await expect(star).to_have_attribute("aria-pressed", "false")


async def test_create(client: Client, open_tab: OpenTab) -> None:
    """Create a command, start it and watch its output."""
    tab = await open_tab(client)
    await expect(heading(tab, "Commands")).to_be_focused()
    await press(tab, "n")
    await expect(tab.field("Name")).to_be_focused()
    await tab.page.keyboard.type("By keys")
    script = tab.page.locator("[name=script]:not([hidden]), .cm-content").first
    await press(tab, "Tab", "Tab")
    await expect(script).to_be_focused()
    await tab.page.keyboard.type("echo typed")
    await press(tab, "Control+Enter")
    await expect(tab.log).to_contain_text("typed")


async def test_change(client: Client, open_tab: OpenTab) -> None:
    """Change a command, or leave the form without a change."""
    command = await client.create("true", name="Before", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}")
    await expect(heading(tab, "Before")).to_be_focused()
    await press(tab, "e")
    await expect(tab.field("Name")).to_be_focused()
    await press(tab, "Escape")
    await expect(heading(tab, "Before")).to_be_focused()
    await press(tab, "e")
    await expect(tab.field("Name")).to_be_focused()
    await press(tab, "Control+a")
    await tab.page.keyboard.type("After")
    await press(tab, "Control+Enter")
    await expect(heading(tab, "After")).to_be_focused()


async def test_start_and_again(client: Client, open_tab: OpenTab) -> None:
    """Start a command, and run it again."""
    command = await client.create("echo done", name="Started", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}")
    await expect(heading(tab, "Started")).to_be_focused()
    await press(tab, "s")
    await expect(tab.facts).to_contain_text("Succeeded")
    first = tab.page.url
    await press(tab, "s")
    await expect(tab.page).not_to_have_url(first)
    await expect(tab.facts).to_contain_text("Succeeded")


async def test_last_runs(client: Client, open_tab: OpenTab) -> None:
    """Go along a command's last runs, and open one of them."""
    command = await client.create("exit 3", name="Often run")
    first = command["run"]["id"]
    await client.finished(first)
    for _ in range(2):
        run = (await client.call("POST", f"commands/{command['id']}/runs", status=201))["id"]
        await client.finished(run)
    tab = await open_tab(client, f"/commands/{command['id']}")
    bars = tab.page.get_by_role("group", name="The last runs (3)").get_by_role("link")
    await expect(bars).to_have_count(3)
    await tab.focus(bars.last)
    await press(tab, "ArrowLeft")
    await expect(bars.nth(1)).to_be_focused()
    await expect(tab.page.locator(".strip__told")).to_contain_text("Failed")
    await press(tab, "Home", "Enter")
    await expect(tab.page).to_have_url(re.compile(f"/runs/{first}$"))


async def test_narrow_and_delete_runs(client: Client, open_tab: OpenTab) -> None:
    """Narrow the runs to a command that is searched for, choose several of them and delete them."""
    command = await client.create("exit 3", name="Noisy by night")
    await client.finished(command["run"]["id"])
    for _ in range(3):
        run = (await client.call("POST", f"commands/{command['id']}/runs", status=201))["id"]
        await client.finished(run)
    tab = await open_tab(client, "/runs")
    await expect(heading(tab, "Runs")).to_be_focused()
    await tab.focus(tab.page.get_by_role("combobox", name="Command"))
    await tab.page.keyboard.type("noisy")
    await expect(tab.page.get_by_role("listbox").get_by_role("option")).to_have_text(
        ["Noisy by night"]
    )
    await press(tab, "Enter")
    boxes = tab.page.get_by_label("Choose the run of Noisy by night")
    await expect(boxes).to_have_count(4)
    await act(tab, boxes.first, "Space")
    await act(tab, boxes.nth(2), "Shift+Space")
    chosen = tab.page.get_by_role("group", name="Chosen runs")
    await expect(chosen).to_contain_text("3 runs chosen")
    await tab.focus(chosen.get_by_role("button", name="Delete"), "Shift+Tab")
    await press(tab, "Enter")
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Delete"))
    await expect(boxes).to_have_count(1)


async def test_pause_and_stop(client: Client, open_tab: OpenTab) -> None:
    """Pause a run, resume it, send it a signal, and stop it."""
    run = await client.run(WAITS)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("ready")
    await press(tab, "p")
    await expect(tab.facts).to_contain_text("Paused")
    await expect(tab.button("Resume")).to_be_enabled()
    await press(tab, "p")
    await expect(tab.facts).to_contain_text("Running")
    await act(tab, tab.button("Send another signal"))
    await press(tab, "ArrowDown", "ArrowUp", "Enter")
    await expect(tab.log).to_contain_text("got INT")
    await act(tab, tab.button("Stop"))
    await expect(tab.facts).to_contain_text("Stopped")


async def test_read(client: Client, open_tab: OpenTab) -> None:
    """Read output: its end, its beginning, page by page; wrap its lines; copy it."""
    run = await client.run(COUNT)
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("300")
    await press(tab, "Home")
    await expect(tab.log.get_by_text("line 1", exact=True)).to_be_in_viewport()
    await press(tab, "PageDown")
    await expect(tab.log.get_by_text("line 1", exact=True)).not_to_be_in_viewport()
    await press(tab, "PageUp")
    await expect(tab.log.get_by_text("line 1", exact=True)).to_be_in_viewport()
    await press(tab, "End")
    assert await tab.at_end()
    wrap = tab.button("Wrap")
    before = await wrap.get_attribute("aria-pressed")
    await press(tab, "w")
    await expect(wrap).not_to_have_attribute("aria-pressed", str(before))
    await press(tab, "y")
    await expect(tab.page.get_by_role("status").last).to_contain_text("Copied")
    assert "line 150" in await tab.page.evaluate("navigator.clipboard.readText()")


async def test_go_to_lines(client: Client, open_tab: OpenTab) -> None:
    """Go to a line by its number, choose lines, and see when they were written."""
    run = await client.run("seq 5000")
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("5000")
    await press(tab, "g")
    await tab.page.keyboard.type("2500")
    await press(tab, "Enter")
    line = tab.page.locator(".out-row[data-line='2500']")
    await expect(line).to_be_in_viewport()
    await press(tab, "t")
    await expect(line.locator(".out-row__time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    await press(tab, "g")
    await tab.page.keyboard.type("2500-2502")
    await press(tab, "Enter")
    await expect(tab.page).to_have_url(re.compile("line=2500-2502$"))


async def test_find_in_output(client: Client, open_tab: OpenTab) -> None:
    """Find a text in output, go from match to match, and to the next error."""
    run = await client.run(COUNT)
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.log).to_contain_text("300")
    await press(tab, "/")
    await tab.page.keyboard.type("line 15")
    told = tab.page.locator(".find__told")
    await expect(told).to_contain_text("11")
    await press(tab, "Enter")
    await expect(told).to_contain_text("of 11")
    await press(tab, "Escape")
    await expect(told).to_have_count(0)
    await expect(tab.log).to_be_visible()
    await press(tab, "e")
    await expect(tab.log.get_by_text("error: no space left")).to_be_in_viewport()


async def test_compare(start: Start, open_tab: OpenTab) -> None:
    """Compare two runs, go from difference to difference; compare a run with the one before."""
    client = await start()
    script = "seq 50; echo run $TAILRUN_RUN_ID; seq 50; echo again $TAILRUN_RUN_ID"
    command = await client.create(script, name="Repeated")
    await client.finished(command["run"]["id"])
    again = await client.call("POST", f"commands/{command['id']}/runs", json={}, status=201)
    await client.finished(again["id"])
    tab = await open_tab(client, "/runs")
    chosen = tab.page.get_by_label("Choose the run of Repeated")
    await act(tab, chosen.first, "Space")
    await act(tab, chosen.last, "Space")
    await act(tab, tab.page.get_by_role("link", name="Compare"))
    await expect(heading(tab, "Compare two runs")).to_be_focused()
    changes = tab.page.locator(".difference__row--gone")
    await expect(changes).to_have_count(2)
    await press(tab, "n")
    await expect(changes.first).to_be_focused()
    await press(tab, "n")
    await expect(changes.last).to_be_focused()
    await press(tab, "N")
    await expect(changes.first).to_be_focused()
    await act(tab, tab.page.get_by_role("button", name="47 lines are the same"))
    await expect(tab.page.locator(".difference__row--same")).to_have_count(56)
    await act(tab, tab.field("Ignore digits"), "Space")
    await expect(tab.page).to_have_url(re.compile("ignore=digits$"))
    await press(tab, "Escape")
    await expect(heading(tab, "Runs")).to_be_focused()
    await tab.go(f"/runs/{again['id']}")
    await act(tab, tab.button("Compare this run"))
    await expect(tab.page.get_by_role("menuitem")).to_be_focused()
    await press(tab, "Enter")
    await expect(heading(tab, "Compare two runs")).to_be_focused()


async def test_delete(client: Client, open_tab: OpenTab) -> None:
    """Delete a run and a command, after a question."""
    command = await client.create("true", name="Passing")
    run = command["run"]["id"]
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}")
    await act(tab, tab.button("Delete"))
    await expect(tab.button("Cancel")).to_be_focused()
    await press(tab, "Escape")
    await expect(tab.button("Delete")).to_be_focused()
    await press(tab, "Enter")
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Delete"))
    await expect(heading(tab, "Passing")).to_be_focused()
    await act(tab, tab.button("Delete"))
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Delete"))
    await expect(heading(tab, "Commands")).to_be_focused()


async def test_go_about(client: Client, open_tab: OpenTab) -> None:
    """Go from screen to screen, past the bar, and back."""
    tab = await open_tab(client)
    await expect(heading(tab, "Commands")).to_be_focused()
    await press(tab, "r")
    await expect(heading(tab, "Runs")).to_be_focused()
    await press(tab, "c")
    await expect(heading(tab, "Commands")).to_be_focused()
    await tab.page.evaluate("document.activeElement.blur()")
    await act(tab, tab.page.get_by_role("link", name="Skip to the content"))
    await expect(tab.page.get_by_role("main")).to_be_focused()


async def test_language_and_help(client: Client, open_tab: OpenTab) -> None:
    """See what the keys do, turn them off, and change the language."""
    tab = await open_tab(client)
    await expect(heading(tab, "Commands")).to_be_focused()
    await press(tab, "?")
    dialog = tab.page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_contain_text("Go to the runs")
    await act(tab, tab.field("Enable single-key shortcuts"), "Space")
    await press(tab, "Escape")
    await expect(dialog).to_have_count(0)
    await press(tab, "r")
    await expect(heading(tab, "Commands")).to_be_visible()
    await act(tab, tab.button("RU, Русский"))
    await expect(heading(tab, "Команды")).to_be_visible()


async def test_tried_again(client: Client, open_tab: OpenTab) -> None:
    """Go from a run to its next attempt and back, and have it not tried again."""
    retries = {"limit": 3, "delay_seconds": 4000}
    created = await client.create("exit 3", name="Fetch rates", retries=retries)
    run = created["run"]["id"]
    tab = await open_tab(client, f"/runs/{run}")
    await expect(tab.facts).to_contain_text("To be tried again in 1 h")
    await act(tab, tab.facts.get_by_role("link"))
    await expect(tab.facts).to_contain_text("Attempt 2 of up to 4")
    await act(tab, tab.facts.get_by_role("link", name=run[:8]))
    await act(tab, tab.button("Do not try again"))
    await expect(tab.facts).to_contain_text("Stopped")


async def test_targets(client: Client, open_tab: OpenTab) -> None:
    """Add a notification target, send it a test, change it and remove it."""
    tab = await open_tab(client, "/targets")
    await act(tab, tab.button("New target"))
    await tab.page.keyboard.type("night chat")
    await tab.focus(tab.field("URL"))
    await tab.page.keyboard.type("http://127.0.0.1:9/")
    await press(tab, "Enter")
    await act(tab, tab.button("Done"))
    await act(tab, tab.button("Send a test to night chat"))
    main = tab.page.get_by_role("main")
    await expect(main).to_contain_text("The test was not delivered: ")
    await act(tab, tab.button("Change night chat"))
    await press(tab, "Control+A")
    await tab.page.keyboard.type("day chat")
    await press(tab, "Enter")
    await act(tab, tab.button("Remove day chat"))
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Remove"))
    await expect(main).not_to_contain_text("day chat")


async def test_hooks(client: Client, open_tab: OpenTab) -> None:
    """Make a hook, turn it off, give it a new secret, and remove it."""
    command = await client.create("true", name="Deploy", start=False)
    tab = await open_tab(client, f"/commands/{command['id']}")
    hooks = tab.page.get_by_role("group").filter(has=heading(tab, "Hooks"))
    await act(tab, hooks.locator("summary"))
    await act(tab, tab.button("New hook"))
    await tab.page.keyboard.type("on push")
    await press(tab, "Enter")
    await act(tab, tab.button("Done"))
    await act(tab, tab.button("Turn off: on push"))
    await expect(hooks).to_contain_text("Turned off")
    await act(tab, tab.button("New secret for on push"))
    dialog = tab.page.get_by_role("dialog")
    await act(tab, dialog.get_by_role("button", name="New secret"))
    await act(tab, tab.button("Done"))
    await act(tab, tab.button("Remove on push"))
    await act(tab, dialog.get_by_role("button", name="Remove"))
    await expect(hooks).to_contain_text("No hooks yet.")


async def test_workers(start: Start, open_tab: OpenTab, engine: Nats, database_url: str) -> None:
    """Drain a worker, have it get runs again, and remove it; make the command that adds one."""
    client = await start(nats_url=engine.url)
    add_worker(database_url, "build-1")
    tab = await open_tab(client)
    await act(tab, row(tab, "Workers"))
    await act(tab, tab.button("Drain build-1"))
    await act(tab, tab.button("Resume build-1"))
    await act(tab, tab.button("Remove build-1"))
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Remove"))
    await expect(tab.page.get_by_role("main")).to_contain_text("No workers yet")
    await act(tab, tab.button("Add a worker"))
    await press(tab, "Control+A")
    await tab.page.keyboard.type("build")
    await press(tab, "Enter")
    await act(tab, tab.button("Copy"))
    await act(tab, tab.button("Done"))
    await expect(tab.button("Add a worker")).to_be_visible()


async def test_access(start: Start, open_tab: OpenTab, database_url: str) -> None:
    """Make a token and revoke it, give a role and take it away, narrow the audit, sign out."""
    client = await start(auth="required")
    alice = signed_in(database_url, "oidc:alice", {"*": "admin"})
    tab = await open_tab(client, "/account", session=alice, expected=["status of 401"])
    await act(tab, tab.button("New token"))
    await tab.page.keyboard.type("nightly build")
    await press(tab, "Enter")
    await act(tab, tab.button("Copy"))
    await act(tab, tab.button("Done"))
    await act(tab, tab.button("Revoke nightly build"))
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Revoke"))
    await expect(tab.page.get_by_role("main")).to_contain_text("Revoked")
    await act(tab, tab.page.get_by_role("link", name="Grants"))
    await act(tab, tab.button("New grant"))
    await tab.page.keyboard.type("oidc:bob")
    await press(tab, "Enter")
    await act(tab, tab.button("Delete the grant of oidc:bob"))
    await act(tab, tab.page.get_by_role("dialog").get_by_role("button", name="Delete"))
    await expect(tab.page.get_by_role("main")).not_to_contain_text("oidc:bob")
    await act(tab, tab.page.get_by_role("link", name="Audit"))
    await choose(tab, tab.page.locator("[name=act]"), "Took")
    await expect(tab.page.get_by_role("listitem")).to_have_count(1)
    await act(tab, tab.page.get_by_role("link", name="Account: oidc:alice"))
    await act(tab, tab.button("Sign out"))
    await expect(heading(tab, "Sign in")).to_be_visible()
