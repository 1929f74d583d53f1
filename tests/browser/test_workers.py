"""The screen of workers: what waits in pools, who serves them, and who may do what with them."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.people import signed_in
from tests.support.browser import OpenTab
from tests.support.client import Client, Start
from tests.support.known_workers import add_worker, give_run, let_go, take_back
from tests.support.nats import Nats

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(200)]


async def test_a_server_by_itself_has_no_workers_in_its_bar(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client)
    await expect(tab.page.get_by_role("link", name="Schedules", exact=True)).to_be_visible()
    await expect(tab.page.get_by_role("link", name="Workers", exact=True)).to_have_count(0)
    await tab.go("/workers")
    await expect(tab.page.get_by_role("main")).to_contain_text("set TAILRUN_NATS_URL")
    await expect(tab.button("Add a worker")).to_have_count(0)


async def test_pools_and_workers_are_told_as_they_change(
    start: Start, open_tab: OpenTab, engine: Nats, database_url: str
) -> None:
    client = await start(nats_url=engine.url)
    tab = await open_tab(client)
    await tab.page.get_by_role("link", name="Workers", exact=True).click()
    main = tab.page.get_by_role("main")
    await expect(main).to_contain_text("A worker is another host that runs the commands of its")
    await client.create("true", pool="build", requires=["gpu=a100"])
    pool = main.get_by_role("listitem").filter(has_text="build").first
    await expect(pool).to_contain_text(
        "1 run that requires gpu=a100 waits in vain: the pool has no worker."
    )
    add_worker(database_url, "build-1", ["build"], ["arch=arm64"])
    await expect(pool).to_contain_text("1 of 1 worker ready")
    await expect(pool).to_contain_text("no worker of the pool has gpu=a100")
    add_worker(database_url, "build-2", ["build", "docs"], ["gpu=a100"], away=True)
    await expect(pool).to_contain_text("1 of 2 workers ready")
    await expect(pool).to_contain_text("a worker with gpu=a100 is back: each is away.")
    worker = main.get_by_role("listitem").filter(has_text="build-2")
    await expect(worker).to_contain_text("Away")
    await expect(worker).to_contain_text("last heard of 1 min ago")
    await engine.kill()
    await expect(main.get_by_role("alert")).to_contain_text("The server does not reach NATS now.")
    await engine.start()
    await expect(main.get_by_role("alert")).to_have_count(0)
    await pool.get_by_role("link", name="1 run waits").click()
    row = tab.page.get_by_role("row").filter(has_text="gpu=a100")
    await expect(row).to_contain_text("that has gpu=a100: each that could run it is away.")
    await expect(row).to_contain_text("pool build")
    assert tab.page.url.endswith("/#/runs?state=queued&pool=build")


async def test_who_may_not_manage_workers_is_offered_nothing_of_it(
    start: Start, open_tab: OpenTab, engine: Nats, database_url: str
) -> None:
    client = await start(nats_url=engine.url, auth="required")
    add_worker(database_url, "build-1")
    viewer = signed_in(database_url, "oidc:vera", {"*": "viewer"})
    editor = signed_in(database_url, "oidc:ed", {"web": "editor"})
    tab = await open_tab(client, "/workers", session=viewer)
    await expect(tab.page.get_by_role("main")).to_contain_text("takes the role editor in a group")
    await expect(tab.page.get_by_role("link", name="Workers", exact=True)).to_have_count(0)
    tab = await open_tab(client, "/workers", session=editor)
    await expect(tab.page.get_by_role("listitem").filter(has_text="build-1")).to_contain_text(
        "Ready"
    )
    for name in ("Add a worker", "Drain build-1", "Remove build-1"):
        await expect(tab.button(name)).to_have_count(0)


async def test_a_worker_is_drained_and_removed_and_another_added(
    start: Start, open_tab: OpenTab, engine: Nats, database_url: str
) -> None:
    client = await start(nats_url=engine.url)
    add_worker(database_url, "build-1")
    waits = await client.create("true", name="Build it", pool="build")
    give_run(database_url, waits["run"]["id"], "build-1")
    tab = await open_tab(client, "/workers", expected=["status of 422"])
    worker = tab.page.get_by_role("listitem").filter(has_text="version 2.0")
    await expect(worker).to_contain_text("3 of 4 places free")
    await expect(worker.get_by_role("link", name="Build it")).to_have_attribute(
        "href", f"#/runs/{waits['run']['id']}"
    )
    await tab.button("Drain build-1").click()
    await expect(worker).to_contain_text("Draining")
    let_go(database_url, "build-1")
    await expect(worker).to_contain_text("Away")
    await expect(worker).to_contain_text("Draining")
    await tab.button("Resume build-1").click()
    await expect(worker).not_to_contain_text("Draining")
    take_back(database_url, "build-1")
    await expect(worker).to_contain_text("Ready")
    await tab.button("Remove build-1").click()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("It has 1 run. Nobody hears of it any more")
    await dialog.get_by_role("button", name="Remove").click()
    await expect(worker).to_have_count(0)
    await tab.button("Add a worker").click()
    await tab.field("Pools").fill("Build!")
    await tab.button("Make the command").click()
    await expect(tab.page.get_by_role("main")).to_contain_text("It takes 1 to 64 of a-z, 0-9")
    await tab.field("Pools").fill("build, docs")
    await tab.field("Labels").fill("arch=arm64")
    await tab.button("Make the command").click()
    command = tab.page.locator(".secret__value")
    address = re.escape(client.service.address)
    await expect(command).to_have_text(
        re.compile(rf"echo \S+ \| tailrun worker enroll {address} --token - && tailrun worker")
    )
    await expect(tab.page.get_by_role("main")).to_contain_text("ends in 59 min")
    await tab.button("Done").click()
    await expect(command).to_have_count(0)


async def test_a_run_whose_host_is_away_says_so_and_is_given_up(
    start: Start, open_tab: OpenTab, engine: Nats, database_url: str
) -> None:
    client = await start(nats_url=engine.url)
    add_worker(database_url, "build-1")
    run = (await client.create("true", name="Build it", pool="build"))["run"]["id"]
    give_run(database_url, run, "build-1")
    tab = await open_tab(client, f"/runs/{run}", expected=["status of 503"])
    await expect(tab.facts).to_contain_text("on build-1")
    await expect(tab.button("Give up")).to_have_count(0)
    let_go(database_url, "build-1")
    await expect(tab.facts).to_contain_text("Its host has been away since")
    await expect(tab.output).to_contain_text("The host is away, at 0 B")
    await expect(tab.button("Pause")).to_have_count(0)
    await tab.go("/runs")
    row = tab.page.get_by_role("row").filter(has_text="Build it")
    await expect(row).to_contain_text("build-1 host away")
    await tab.page.get_by_text("Duration, exit code, reason, host").click()
    await tab.page.get_by_role("combobox", name="Host").click()
    await tab.page.get_by_role("option", name="build-1").click()
    await expect(row).to_be_visible()
    assert tab.page.url.endswith("/#/runs?host=build-1")
    await row.get_by_role("link").click()
    await tab.button("Give up").click()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("The run ends as lost, now and for good.")
    await dialog.get_by_role("button", name="Give up").click()
    await expect(tab.facts).to_contain_text("Lost")
    await expect(tab.facts).not_to_contain_text("Its host has been away")
