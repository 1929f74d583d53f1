"""Two runs compared: how they went, what they executed, what they wrote; little of it at a time."""

import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Response, Route, expect

from tests.browser.gate import Gate
from tests.browser.people import signed_in
from tests.browser.test_events import asked
from tests.support.browser import CONNECTION_REFUSED, OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.postgres import execute, with_name
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_BYTES = 2_000_000
MOST_ROWS = 500
LASTED = """
    UPDATE commands_info SET end_time = start_time + interval '{seconds} s' WHERE id = '{run}'
"""


async def ended(client: Client, script: str, name: str = "Compared", **fields: object) -> str:
    """Make a command whose run has ended; return the run's id."""
    run: str = (await client.create(script, name=name, **fields))["run"]["id"]
    await client.finished(run)
    return run


def rows(tab: Tab, kind: str, region: str = "Output") -> Locator:
    """Find the rows of a kind ("gone", "added", "same") of a section's difference."""
    return told(tab, region).locator(f".difference__row--{kind}")


def told(tab: Tab, region: str = "Output") -> Locator:
    """Find what a section says."""
    heading = tab.page.get_by_role("heading", name=region, exact=True)
    return tab.page.locator("section").filter(has=heading)


def part_of(tab: Tab) -> Locator:
    """Find the choice of what is compared."""
    return tab.page.get_by_role("combobox", name="Part")


async def test_two_runs_side_by_side_with_what_differs(
    client: Client, open_tab: OpenTab, shared_database_url: str
) -> None:
    one = await ended(client, "seq 100; echo before; seq 100", "Before")
    other = await ended(client, "seq 100; echo after; echo more; seq 99; exit 3", "After")
    for run, seconds in [(one, 2), (other, 5)]:
        execute(shared_database_url, LASTED.format(run=run, seconds=seconds))
    tab = await open_tab(client, f"/compare/{one}/{other}")
    table = tab.page.get_by_role("table").first
    for row, first, second in [
        ("Run", f"Before {one[:8]}", f"After {other[:8]}"),
        ("State", "Succeeded exit code 0", "Failed exit code 3"),
        ("Output", "201 lines, 591 B", "201 lines, 591 B"),
    ]:
        cells = table.get_by_role("row").filter(has=tab.page.get_by_role("rowheader", name=row))
        await expect(cells.get_by_role("cell")).to_have_text([first, second])
    await expect(tab.page.get_by_text("The second run took 3.0 s longer.")).to_be_visible()
    await expect(rows(tab, "gone", "Script")).to_have_text([re.compile("echo before")])
    await expect(rows(tab, "added", "Script")).to_have_text([re.compile("echo after.*exit 3")])
    await expect(told(tab)).to_contain_text("2 lines removed + 2 lines added")
    await expect(told(tab)).to_contain_text("Both outputs are compared whole.")
    await expect(rows(tab, "gone").first).to_have_text(re.compile(r"^101.*before$"))
    await expect(rows(tab, "added").first).to_have_text(re.compile(r"^101.*after$"))
    await expect(rows(tab, "same")).to_have_count(9)

    bars = told(tab).get_by_role("button", name=re.compile("lines are the same"))
    await expect(bars).to_have_text(["97 lines are the same", "93 lines are the same"])
    await bars.first.click()
    await expect(bars.first).to_have_attribute("aria-expanded", "true")
    await expect(rows(tab, "same")).to_have_count(9 + 97)
    await bars.first.click()
    await expect(rows(tab, "same")).to_have_count(9)

    await tab.page.keyboard.press("n")
    await expect(rows(tab, "gone").first).to_be_focused()
    await tab.page.keyboard.press("n")
    await expect(rows(tab, "gone").last).to_be_focused()
    await tab.page.keyboard.press("n")
    await expect(rows(tab, "gone").first).to_be_focused()
    await tab.page.keyboard.press("N")
    await expect(rows(tab, "gone").last).to_be_focused()

    await tab.page.get_by_role("link", name="Swap").click()
    await expect(rows(tab, "added").first).to_have_text(re.compile(r"^101.*before$"))
    assert tab.page.url.endswith(f"/#/compare/{other}/{one}")


async def test_a_run_is_compared_with_the_one_before_and_the_last_that_succeeded(
    client: Client, open_tab: OpenTab, tmp_path: Path
) -> None:
    codes = tmp_path / "code"
    command = await client.create(f"cat {codes}; exit $(cat {codes})", name="Flaky", start=False)
    runs = []
    for code in (0, 1, 2):
        codes.write_text(str(code))
        run = await client.call("POST", f"commands/{command['id']}/runs", json={}, status=201)
        await client.finished(run["id"])
        runs.append(run["id"])
    await ended(client, "true", "Another command")
    fine, failed, last = runs
    tab = await open_tab(client, f"/runs/{last}")
    await expect(tab.log).to_contain_text("2")
    items = tab.page.get_by_role("menuitem")
    await tab.button("Compare this run").click()
    await expect(items).to_have_text(
        [re.compile("^With the run before.*Failed"), re.compile("succeeded.*Succeeded")]
    )
    await items.first.click()
    await expect(rows(tab, "gone")).to_have_text([re.compile("1$")])
    assert tab.page.url.endswith(f"/#/compare/{failed}/{last}")
    await tab.page.go_back()
    await tab.button("Compare this run").click()
    await items.last.click()
    await expect(rows(tab, "gone")).to_have_text([re.compile("0$")])
    assert tab.page.url.endswith(f"/#/compare/{fine}/{last}")
    await tab.go(f"/runs/{failed}")
    await tab.button("Compare this run").click()
    await expect(items).to_have_count(1)
    await tab.go(f"/runs/{fine}")
    await tab.button("Compare this run").click()
    await expect(tab.page.get_by_text("There is no earlier run of this command.")).to_be_visible()
    await expect(items).to_have_count(0)


async def test_times_and_digits_are_ignored_where_that_is_chosen(
    client: Client, open_tab: OpenTab
) -> None:
    one = await ended(client, "echo '2026-11-26T10:00:01Z took 1.5 s'; echo 12 files")
    other = await ended(client, "echo '2026-11-27T11:30:00Z took 2.5 s'; echo 13 files")
    tab = await open_tab(client, f"/compare/{one}/{other}")
    await expect(rows(tab, "gone")).to_have_count(2)
    await tab.field("Ignore times").check()
    await expect(rows(tab, "gone")).to_have_text([re.compile("12 files")])
    assert tab.page.url.endswith(f"/{other}?ignore=times")
    await tab.field("Ignore digits").check()
    await expect(told(tab)).to_contain_text("There is no difference.")
    await tab.page.reload()
    await expect(told(tab)).to_contain_text("There is no difference.")
    await expect(tab.field("Ignore digits")).to_be_checked()
    await tab.field("Ignore times").uncheck()
    await expect(told(tab)).to_contain_text("There is no difference.")
    assert tab.page.url.endswith(f"/{other}?ignore=digits")


async def test_of_large_outputs_a_bounded_part_is_read_and_drawn(
    client: Client, open_tab: OpenTab
) -> None:
    one = await ended(client, "seq -f 'line %.0f of a log that is long' 300000; echo end one")
    other = await ended(client, "seq -f 'line %.0f of a log, changed' 300000; echo end two")
    tab = await open_tab(client)
    parts: list[Response] = []
    tab.page.on("response", lambda got: parts.append(got) if "/output?" in got.url else None)
    await tab.go(f"/compare/{one}/{other}")
    await expect(told(tab)).to_contain_text("20,000 lines removed + 20,000 lines added")
    await expect(told(tab)).to_contain_text("each of at most 20,000 lines and 2.0 MB")
    await expect(told(tab)).to_contain_text("Of the second output: lines 280,002 to 300,001 of")
    assert len(parts) == 2
    for part in parts:
        assert int(await part.header_value("Content-Length") or 0) <= MOST_BYTES
    drawn = told(tab).locator("tbody tr")
    await expect(drawn).to_have_count(MOST_ROWS)
    await told(tab).get_by_role("button", name="Later rows").first.click()
    await expect(told(tab)).to_contain_text("Rows 501 to 1,000 of 40,000")
    await expect(drawn).to_have_count(MOST_ROWS)
    await tab.page.keyboard.press("N")
    await expect(told(tab)).to_contain_text("Rows 1 to 500 of 40,000")
    await expect(rows(tab, "gone").first).to_be_focused()

    await part_of(tab).select_option("The beginning")
    await expect(told(tab)).to_contain_text("Of the first output: lines 1 to 20,000 of 300,001.")
    await part_of(tab).select_option("Lines")
    await tab.field("To line").fill("300001")
    await tab.field("To line").press("Enter")
    await tab.field("From line").fill("300000")
    await tab.field("From line").press("Enter")
    await expect(rows(tab, "gone")).to_have_text([re.compile("^300000"), re.compile("end one$")])
    assert tab.page.url.endswith("?lines=300000-300001")
    await tab.page.reload()
    await expect(rows(tab, "added")).to_have_text([re.compile("300000"), re.compile("end two$")])
    await expect(told(tab)).to_contain_text("Of the first output: lines 300,000 to 300,001 of")
    await tab.go(f"/compare/{one}/{other}?lines=400000-400001")
    await expect(told(tab)).to_contain_text("nothing, it has 300,001 lines.")


async def test_a_line_that_is_being_typed_stays_when_what_is_compared_has_come(
    client: Client, open_tab: OpenTab
) -> None:
    one, other = await ended(client, "seq 9"), await ended(client, "seq 2 10")
    tab = await open_tab(client, f"/compare/{one}/{other}")
    await expect(rows(tab, "gone")).to_have_count(1)
    let_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await let_go.wait()
        await route.continue_()

    await tab.page.route("**/output?*", hold)
    await part_of(tab).select_option("Lines")
    await expect(rows(tab, "gone")).to_have_count(0)
    await tab.field("To line").fill("5")
    let_go.set()
    await expect(rows(tab, "gone")).to_have_count(1)
    await tab.field("To line").press("Enter")
    await expect(tab.page).to_have_url(re.compile("lines=1-5$"))


async def test_what_cannot_be_lined_up_in_time_is_told(client: Client, open_tab: OpenTab) -> None:
    shuffled = "import random; random.seed({}); lines = [str(n) for n in range(20000)]"
    write = "random.shuffle(lines); print(*lines, sep='\\n')"
    runs = [
        await ended(client, f"#!/usr/bin/env python3\n{shuffled.format(seed)}\n{write}")
        for seed in (1, 2)
    ]
    tab = await open_tab(client, f"/compare/{runs[0]}/{runs[1]}")
    await expect(told(tab)).to_contain_text("There are the same lines in both, in another order")


async def test_a_comparison_that_does_not_come_to_an_end_is_ended(
    client: Client, open_tab: OpenTab
) -> None:
    runs = [await ended(client, f"echo {text}") for text in ("one", "other")]
    tab = await open_tab(client)
    endless = "addEventListener('message', () => { for (;;); });"
    await tab.page.route(
        "**/difference/worker.js",
        lambda route: route.fulfill(body=endless, content_type="text/javascript"),
    )
    await tab.go(f"/compare/{runs[0]}/{runs[1]}")
    await expect(told(tab)).to_contain_text("Comparing…")
    await expect(told(tab)).to_contain_text("Comparing took too long and was ended.")

    async def is_ended() -> bool:
        return not tab.page.workers

    await until_true(is_ended)


async def test_a_run_that_goes_on_is_compared_as_far_as_it_is(
    client: Client, open_tab: OpenTab, gate: Gate
) -> None:
    one = await ended(client, "echo begun; echo done")
    other = (await client.create(f"echo begun; {gate.wait}; echo done", name="Going on"))["run"]
    async with client.connect(other["id"], format="text") as stream:
        await stream.receive()
    tab = await open_tab(client, f"/compare/{one}/{other['id']}")
    await expect(rows(tab, "gone")).to_have_text([re.compile("done")])
    again = tab.page.get_by_role("button", name="Compare again")
    await expect(tab.page.get_by_text("there may be more by now")).to_be_visible()
    gate.open()
    await expect(tab.page.get_by_role("table").first).to_contain_text("Succeeded")
    await client.finished(other["id"])
    await again.click()
    await expect(told(tab)).to_contain_text("There is no difference.")
    await expect(again).to_have_count(0)


async def test_a_run_that_is_not_there_is_told_in_a_sentence(
    client: Client, open_tab: OpenTab
) -> None:
    one = await ended(client, "echo one")
    other = await ended(client, "echo other")
    nobody = "00000000-0000-4000-8000-000000000000"
    tab = await open_tab(client, f"/compare/{one}/{one}", expected=["status of 404"])
    await expect(tab.page.get_by_text("it is equal to itself")).to_be_visible()
    await tab.go(f"/compare/{nobody}/{one}")
    await expect(tab.page.get_by_text("There is no first run at this address")).to_be_visible()
    await tab.go(f"/compare/{nobody}/not-a-run")
    await expect(tab.page.get_by_text("There are no runs at this address")).to_be_visible()
    await tab.go(f"/compare/{one}/{other}")
    await expect(rows(tab, "gone")).to_have_count(1)
    await client.call("DELETE", f"runs/{other}", status=204)
    await expect(tab.page.get_by_text("There is no second run at this address")).to_be_visible()
    await tab.page.get_by_role("link", name="Go to the other run").click()
    await expect(tab.log).to_contain_text("one")


async def test_what_one_may_not_see_is_told_in_a_sentence(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    seen = await ended(client, "echo seen", "Seen", group="web")
    too = await ended(client, "echo seen, too", "Seen, too", group="web")
    hidden = await ended(client, "echo hidden", "Hidden", group="mail")
    session = signed_in(database_url, "oidc:viewer", {"web": "viewer"})
    refused = "status of 404"
    tab = await open_tab(client, session=session, expected=[refused])
    requests = asked(tab.page)
    await tab.go(f"/compare/{seen}/{too}")
    await expect(rows(tab, "gone")).to_have_count(1)
    await expect(told(tab, "Script")).to_contain_text("that takes the role operator")
    await expect(tab.page.get_by_role("alert")).to_have_count(0)
    await tab.go(f"/compare/{seen}/{hidden}")
    await expect(tab.page.get_by_text("There is no second run at this address")).to_be_visible()
    await expect(tab.page.get_by_role("main")).not_to_contain_text("Hidden")
    assert not [request for request in requests if "script" in request]
    # One that is moved away while it is looked at.
    await tab.go(f"/compare/{seen}/{too}")
    await expect(rows(tab, "gone")).to_have_count(1)
    command = (await client.call("GET", f"runs/{too}"))["command_id"]
    await client.call("PATCH", f"commands/{command}", json={"group": "mail"})
    await expect(tab.page.get_by_text("There is no second run at this address")).to_be_visible()
    await expect(tab.page.get_by_role("main")).not_to_contain_text("Seen, too")


async def test_a_run_that_was_deleted_unheard_is_told_where_it_is_read(
    client: Client, open_tab: OpenTab
) -> None:
    one, other = await ended(client, "echo one"), await ended(client, "echo other")
    tab = await open_tab(client, expected=["status of 404"])
    await tab.page.route_web_socket("**/events*", lambda _: None)
    await tab.page.reload()
    await tab.go(f"/compare/{one}/{other}")
    await expect(rows(tab, "gone")).to_have_count(1)
    await client.call("DELETE", f"runs/{other}", status=204)
    await part_of(tab).select_option("The beginning")
    alert = told(tab).get_by_role("alert")
    await expect(alert).to_have_text(f"There is no run {other}.")


async def test_output_that_is_refused_by_a_bound_is_asked_for_again(
    start: Start, open_tab: OpenTab
) -> None:
    client = await start(max_viewers="2")
    one, other = await ended(client, "echo one"), await ended(client, "echo other")
    going = await client.run("exec sleep 1000")
    tab = await open_tab(client, expected=["status of 503"])
    async with client.connect(going, format="json"), client.connect(going, format="json"):
        await tab.go(f"/compare/{one}/{other}")
        alert = told(tab).get_by_role("alert")
        await expect(alert).to_contain_text("the limit TAILRUN_MAX_VIEWERS is 2. Trying again…")
        await expect(tab.page.get_by_text("Some things are unavailable")).to_have_count(0)
    await expect(rows(tab, "gone")).to_have_count(1)
    await expect(alert).to_have_count(0)


async def test_without_server_or_database_it_says_so_and_goes_on_by_itself(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start()
    client.service.set(port=str(urlsplit(client.service.address).port))
    one = await ended(client, "echo one")
    other = await ended(client, "echo other")
    away = [CONNECTION_REFUSED, "status of 503", "WebSocket connection to .* failed"]
    tab = await open_tab(client, f"/compare/{one}/{other}", expected=away)
    await expect(rows(tab, "gone")).to_have_count(1)
    await client.service.kill()
    await part_of(tab).select_option("The beginning")
    await expect(told(tab).get_by_role("alert")).to_have_text(
        "The server does not answer. Trying again…"
    )
    await client.service.start()
    await expect(rows(tab, "gone")).to_have_count(1)
    await expect(tab.page.get_by_role("alert")).to_have_count(0)

    name = urlsplit(database_url).path.removeprefix("/")
    admin = with_name(database_url, "postgres")
    execute(
        admin,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
    )
    second = await open_tab(client, f"/compare/{one}/{other}", expected=away)
    await expect(
        second.page.get_by_role("heading", name="Could not load this page", exact=True)
    ).to_be_visible()
    execute(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await expect(rows(second, "gone")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
async def test_the_comparison_fits(
    client: Client, open_tab: OpenTab, *, phone: bool, dark: bool
) -> None:
    one = await ended(client, "seq 20; echo a line that is long enough to be wrapped; seq 700")
    name = "A name that is long enough to take more than one line"
    other = await ended(client, "seq 20; echo changed; seq 2 701; exit 3", name)
    tab = await open_tab(client, f"/compare/{one}/{other}?lines=1-720", phone=phone, dark=dark)
    await expect(rows(tab, "gone").first).to_be_visible()
    assert await tab.overflow() <= 0
    await tab.picture(f"compare-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}")
