"""The table of runs: narrowed by what the address says, chosen and deleted together."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.people import signed_in
from tests.browser.test_events import asked
from tests.support.browser import OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.postgres import execute

pytestmark = pytest.mark.asyncio(loop_scope="module")


def rows(tab: Tab) -> Locator:
    """Find the runs that are listed."""
    return tab.page.locator("tbody").get_by_role("row")


async def ended(client: Client, script: str, name: str, **fields: Any) -> str:
    """Make a command whose run has ended; return the run's id."""
    run: str = (await client.create(script, name=name, **fields))["run"]["id"]
    await client.finished(run)
    return run


async def test_runs_are_narrowed_and_the_address_says_how(start: Start, open_tab: OpenTab) -> None:
    client = await start()
    await ended(client, "true", "Fine")
    await ended(client, "exit 3", "Three")
    await ended(client, "no-such-program-at-all", "Missing")
    going = (await client.create("exec sleep 1000", name="Going"))["run"]["id"]
    tab = await open_tab(client, "/runs")
    await expect(rows(tab)).to_have_count(4)
    cells = rows(tab).filter(has_text="Three").get_by_role("cell")
    await expect(cells).to_have_count(7)
    await expect(cells.nth(2)).to_have_text("Failed")
    await expect(cells.nth(5)).to_have_text("3")
    await tab.page.get_by_role("checkbox", name="Failed", exact=True).check()
    await expect(rows(tab)).to_have_count(2)
    await tab.page.get_by_role("checkbox", name="Running", exact=True).check()
    await expect(rows(tab)).to_have_count(3)
    assert tab.page.url.endswith("/#/runs?state=running%2Cfailed")
    await tab.page.get_by_role("checkbox", name="Running", exact=True).uncheck()
    await tab.page.get_by_text("Duration, exit code, reason").click()
    await tab.field("Exit code").fill("127")
    await ended(client, "exit 4", "Four")  # what is being typed stays when the list is drawn anew
    await expect(rows(tab)).to_have_count(3)
    await tab.field("Exit code").press("Enter")
    await expect(rows(tab)).to_have_count(1)
    await expect(rows(tab)).to_contain_text("Missing")
    assert tab.page.url.endswith("/#/runs?state=failed&exitcode=127")
    await tab.page.reload()
    await expect(rows(tab)).to_have_count(1)
    await expect(tab.field("Exit code")).to_have_value("127")
    await expect(tab.page.get_by_role("checkbox", name="Failed", exact=True)).to_be_checked()
    for query, names in [
        ("when=today", ["Four", "Going", "Missing", "Three", "Fine"]),
        ("until=2020-01-01T00:00", []),
        ("min_seconds=1000", []),
        ("max_seconds=1000&state=succeeded", ["Fine"]),
    ]:
        await tab.go(f"/runs?{query}")
        await expect(rows(tab)).to_have_count(len(names))
        for number, name in enumerate(names):
            await expect(rows(tab).nth(number)).to_contain_text(name)
    await expect(tab.page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    await tab.go("/runs?q=nothing+like+that")
    await expect(
        tab.page.get_by_role("heading", name="No run is like that", exact=True)
    ).to_be_visible()
    await tab.page.get_by_role("link", name="Show all runs").click()
    await expect(rows(tab)).to_have_count(5)
    command = tab.page.get_by_role("combobox", name="Command")
    await command.fill("goi")
    await tab.page.get_by_role("listbox").get_by_role("option", name="Going").click()
    await expect(rows(tab)).to_have_count(1)
    # What is told is listed where it belongs, and nowhere else.
    await client.stop(going)
    await expect(rows(tab)).to_contain_text("Stopped")
    await ended(client, "true", "Elsewhere")
    await tab.page.get_by_role("combobox", name="When").select_option("Today")
    await expect(rows(tab)).to_have_count(1)
    await tab.page.get_by_role("checkbox", name="Failed", exact=True).check()
    await expect(rows(tab)).to_have_count(0)
    assert re.search(r"#/runs\?command_id=[0-9a-f-]{36}&when=today&state=failed$", tab.page.url)


async def test_any_command_can_be_searched_for(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    await ended(client, "exit 3", "Far back")
    execute(
        database_url,
        "INSERT INTO commands (name, script) SELECT 'Far ' || n, 'true'"
        " FROM generate_series(1, 500) n",
    )
    tab = await open_tab(client, "/runs")
    await expect(rows(tab)).to_have_count(1)
    requests = asked(tab.page)
    command = tab.page.get_by_role("combobox", name="Command")
    options = tab.page.get_by_role("listbox").get_by_role("option")
    await command.click()
    await expect(options).to_have_count(11)
    await expect(options.first).to_have_text("All")
    await command.press_sequentially("far 49")
    await expect(options.filter(has_text="49")).to_have_count(10)
    assert 2 <= requests.count("GET commands/") <= 7
    await command.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    name = await options.nth(1).inner_text()
    await command.press("Enter")
    await expect(options).to_have_count(0)
    await expect(
        tab.page.get_by_role("heading", name="No run is like that", exact=True)
    ).to_be_visible()
    await expect(command).to_have_value(name)
    await tab.page.reload()
    await expect(command).to_have_value(name)
    await command.fill("nothing like it")
    await expect(tab.page.get_by_text("Nothing found")).to_be_visible()
    await command.press("Escape")
    await expect(command).to_have_value(name)
    assert "command_id" in tab.page.url
    await command.fill("back")
    await expect(options).to_have_text(["Far back"])
    await command.press("Enter")
    await expect(rows(tab)).to_have_count(1)
    await command.click()
    await options.filter(has_text="All").click()
    await expect(command).to_have_value("")
    assert tab.page.url.endswith("/#/runs")


async def test_shift_chooses_all_runs_from_one_to_another(start: Start, open_tab: OpenTab) -> None:
    client = await start()
    for number in range(6):
        await ended(client, "exit 1", f"Run {number}")
    tab = await open_tab(client, "/runs")
    await expect(rows(tab)).to_have_count(6)
    boxes = rows(tab).get_by_role("checkbox")
    chosen = tab.page.get_by_role("group", name="Chosen runs")
    await boxes.nth(1).click()
    await boxes.nth(4).click(modifiers=["Shift"])
    await expect(chosen).to_contain_text("4 runs chosen")
    await boxes.nth(3).click(modifiers=["Shift"])
    await expect(chosen).to_contain_text("2 runs chosen")
    await expect(boxes.nth(2)).to_be_checked()
    await expect(boxes.nth(3)).not_to_be_checked()
    await boxes.nth(5).focus()
    await tab.page.keyboard.press("Shift+Space")
    await expect(chosen).to_contain_text("5 runs chosen")


async def test_a_wrong_filter_of_an_address_is_told(client: Client, open_tab: OpenTab) -> None:
    tab = await open_tab(client, "/runs?exitcode=1.5", expected=["status of 422"])
    await expect(tab.page.get_by_role("alert").filter(has_text="exitcode")).to_be_visible()


async def test_chosen_runs_are_deleted_together_after_one_question(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start()
    ids = [await ended(client, "exit 1", f"Gone {number}") for number in range(3)]
    kept = await ended(client, "true", "Kept")
    going = (await client.create("exec sleep 1000", name="Going"))["run"]["id"]
    tab = await open_tab(client, "/runs")
    await expect(rows(tab)).to_have_count(5)
    for number in range(3):
        await tab.page.get_by_label(f"Choose the run of Gone {number}").check()
    chosen = tab.page.get_by_role("group", name="Chosen runs")
    await tab.page.get_by_label("Choose the run of Going").check()
    await expect(chosen).to_contain_text("4 runs chosen")
    await chosen.get_by_role("button", name="Delete").click()
    await expect(tab.page.get_by_role("dialog", name="Delete 3 runs?")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await tab.page.get_by_label("Choose the run of Going").uncheck()
    await expect(chosen).to_contain_text("3 runs chosen")
    await chosen.get_by_role("button", name="Delete").click()
    dialog = tab.page.get_by_role("dialog", name="Delete 3 runs?")
    await tab.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(rows(tab)).to_have_count(5)
    await chosen.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(tab.page.get_by_text("Deleted 3 runs.")).to_be_visible()
    await expect(rows(tab)).to_have_count(2)
    await expect(chosen).to_have_count(0)
    for run in ids:
        await client.call("GET", f"runs/{run}", status=404)
    await tab.page.get_by_label("Choose all that can be deleted").check()
    await expect(chosen).to_contain_text("1 run chosen")
    await chosen.get_by_role("button", name="Choose none").click()
    await expect(chosen).to_have_count(0)
    await client.get_run(kept)
    await client.stop(going)


async def test_two_runs_that_are_chosen_are_compared_the_older_one_left(
    client: Client, open_tab: OpenTab
) -> None:
    older = await ended(client, "echo older", "The older")
    newer = (await client.create("echo newer; exec sleep 1000", name="The newer"))["run"]["id"]
    tab = await open_tab(client, "/runs")
    chosen = tab.page.get_by_role("group", name="Chosen runs")
    compare = chosen.get_by_role("link", name="Compare")
    await tab.page.get_by_label("Choose the run of The newer").check()
    await expect(chosen).to_contain_text("Choose another one to compare them.")
    await expect(compare).to_have_count(0)
    await expect(chosen.get_by_role("button", name="Delete")).to_have_count(0)
    await tab.page.get_by_label("Choose the run of The older").check()
    await compare.click()
    await expect(
        tab.page.get_by_role("heading", name="Compare two runs", exact=True)
    ).to_be_focused()
    assert tab.page.url.endswith(f"/#/compare/{older}/{newer}")
    await expect(tab.page.get_by_role("region", name="Output", exact=True)).to_contain_text("newer")
    await client.stop(newer)


async def test_who_may_not_delete_is_not_offered_it(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    await ended(client, "exit 1", "Seen", group="web")
    await ended(client, "exit 1", "Hidden", group="mail")
    session = signed_in(database_url, "oidc:viewer", {"web": "viewer"})
    tab = await open_tab(client, "/runs", session=session)
    await expect(rows(tab)).to_have_count(1)
    await expect(rows(tab)).to_contain_text("Seen")
    await tab.page.get_by_label("Choose the run of Seen").check()
    await expect(tab.page.get_by_label("Choose all that can be deleted")).to_have_count(0)
    chosen = tab.page.get_by_role("group", name="Chosen runs")
    await expect(chosen).to_contain_text("1 run chosen")
    await expect(chosen.get_by_role("button", name="Delete")).to_have_count(0)
    await ended(client, "exit 1", "Hidden, too", group="mail")
    await ended(client, "exit 1", "Seen, too", group="web")
    await expect(rows(tab)).to_have_count(2)
    await expect(rows(tab).first).to_contain_text("Seen, too")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
async def test_the_table_fits(
    client: Client, open_tab: OpenTab, *, phone: bool, dark: bool
) -> None:
    await ended(client, "exit 3", "A name that is long enough to take more than one line")
    await client.run("exec sleep 1000")
    tab = await open_tab(client, "/runs", phone=phone, dark=dark)
    await expect(rows(tab).first).to_contain_text("Running")
    assert await tab.overflow() == 0
    await rows(tab).nth(1).get_by_role("checkbox").check()
    await tab.picture(f"runs-table-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}")
