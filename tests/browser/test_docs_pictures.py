"""The pictures of docs/page.md and of the README show what the page does.

With `--write-docs-pictures` they are made anew.
"""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.browser.past import add_runs
from tests.browser.scripts import BACKUP, CHECKOUT, DEPLOY
from tests.support.browser import CONNECTION_REFUSED, OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.known_workers import add_worker, give_run
from tests.support.nats import Nats
from tests.support.service import ROOT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

Keep = Callable[[Tab, str], Awaitable[None]]
DOCS = ROOT / "docs"
UNREACHABLE = [CONNECTION_REFUSED, "WebSocket connection to .* failed"]


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """Take a picture of a tab, and with the option put it into docs/ by its name."""
    written = bool(request.config.getoption("--write-docs-pictures"))

    async def keep(tab: Tab, name: str) -> None:
        assert (DOCS / name).is_file() or written
        path = await tab.picture(f"docs-{name.removesuffix('.png').replace('/', '-')}")
        if written:
            shutil.copy(path, DOCS / name)

    return keep


async def test_commands_and_runs(
    start: Start, open_tab: OpenTab, gate: Gate, keep: Keep, database_url: str
) -> None:
    client = await start()
    await client.create("true", name="Reindex search", start=False)
    for _ in range(2):
        rotated = await client.create("exit 0", name="Rotate keys", description="Every ninety days")
        await client.finished(rotated["run"]["id"])
    backup = await client.create(BACKUP, name="Nightly backup", description="Dumps the orders")
    await client.finished(backup["run"]["id"])
    nightly = {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
    await client.call("POST", f"commands/{backup['id']}/schedules", json=nightly)
    deploy = await client.create(
        f"{DEPLOY}\n{gate.wait}", name="Deploy shop-api", description="To production, with backfill"
    )
    tab = await open_tab(client)
    await expect(tab.page.get_by_role("listitem")).to_have_count(5)
    await expect(tab.page.get_by_role("main")).to_contain_text("Running")
    await tab.button("Favourite: Nightly backup").click()
    await keep(tab, "pictures/commands.png")
    await tab.go("/runs")
    await expect(tab.page.get_by_role("row").filter(has_text="Nightly backup")).to_be_visible()
    await keep(tab, "pictures/runs.png")
    add_runs(database_url, backup["id"], 60)
    await tab.go(f"/commands/{backup['id']}")
    await expect(tab.page.get_by_role("main")).to_contain_text("Cut off above")
    await keep(tab, "pictures/command.png")
    await tab.go(f"/commands/{backup['id']}/edit")
    await tab.page.locator(".cm-content").press("Control+End")
    await tab.page.keyboard.type("if [ -s /backup/orders.dump ]; then")
    await expect(tab.page.get_by_role("main")).to_contain_text("The interpreter finds problems")
    await keep(tab, "pictures/editor.png")
    phone = await open_tab(
        client, f"/runs/{deploy['run']['id']}", phone=True, dark=True, locale="ru-RU"
    )
    await expect(phone.page.get_by_role("log")).to_contain_text("61%")
    await keep(phone, "pictures/russian.png")
    await tab.go("/audit")
    await expect(tab.page.get_by_role("listitem").first).to_contain_text("created a command")
    await keep(tab, "pictures/audit.png")
    away = await open_tab(client, f"/runs/{deploy['run']['id']}", expected=UNREACHABLE)
    await expect(away.log).to_contain_text("61%")
    await tab.page.close()
    await phone.page.close()
    await client.service.kill()
    await expect(away.page.get_by_text("The server does not answer.")).to_be_visible()
    await keep(away, "pictures/away.png")


async def test_workers(
    start: Start, open_tab: OpenTab, keep: Keep, engine: Nats, database_url: str
) -> None:
    client = await start(nats_url=engine.url)
    runs = {}
    for name, pool, requires in [
        ("Build the image", "build", []),
        ("Build the packages", "build", []),
        ("Train the model", "build", ["gpu=a100"]),
        ("Sign the release", "release", []),
    ]:
        made = await client.create("true", name=name, pool=pool, requires=requires)
        runs[name] = made["run"]["id"]
    add_worker(database_url, "build-1", ["build", "release"], ["arch=arm64", "disk=ssd"])
    add_worker(database_url, "build-2", state="draining")
    add_worker(database_url, "gpu-1", labels=["gpu=a100"], away=True)
    for name, host in [("Build the image", "build-1"), ("Build the packages", "build-2")]:
        give_run(database_url, runs[name], host)
    tab = await open_tab(client, "/workers")
    await expect(tab.page.get_by_role("listitem").filter(has_text="gpu-1")).to_contain_text("Away")
    await expect(tab.page.get_by_role("link", name="Build the packages")).to_be_visible()
    await keep(tab, "pictures/workers.png")


async def test_two_runs_compared(
    client: Client, open_tab: OpenTab, keep: Keep, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    script = CHECKOUT.replace("BROKEN", str(broken))
    command = await client.create(script, name="Test the checkout")
    fine = command["run"]["id"]
    await client.finished(fine)
    broken.touch()
    run = await client.call("POST", f"commands/{command['id']}/runs", json={}, status=201)
    await client.finished(run["id"])
    tab = await open_tab(client, f"/compare/{fine}/{run['id']}?ignore=times")
    await expect(tab.page.get_by_text("1 line removed + 2 lines added")).to_be_visible()
    await keep(tab, "pictures/compare.png")


async def test_any_line_of_a_million(client: Client, open_tab: OpenTab, keep: Keep) -> None:
    script = "seq -f 'GET /orders/%07.0f 200 in 12 ms' 1000000"
    run = (await client.create(script, name="Replay a day of requests"))["run"]["id"]
    await client.finished(run)
    tab = await open_tab(client, f"/runs/{run}?line=500000-500004")
    await expect(tab.page.locator(".out-row[data-line='500000']")).to_be_in_viewport()
    await tab.page.keyboard.press("t")
    await expect(tab.page.locator(".out-row[data-line='500004'] .out-row__time")).not_to_be_empty()
    await keep(tab, "pictures/lines.png")
    await tab.page.keyboard.press("/")
    await tab.page.keyboard.type("orders/07777")
    await expect(tab.page.locator(".find__told")).to_contain_text("100")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".find__told")).to_contain_text("of 100")
    await keep(tab, "pictures/find.png")


async def test_targets_and_retries(start: Start, open_tab: OpenTab, keep: Keep) -> None:
    client = await start()
    addresses = {"ops chat": "https://chat.example.org/", "pager": "http://127.0.0.1:9/"}
    for name, url in addresses.items():
        target = {"name": name, "url": url}
        await client.call("POST", "notification-targets/", json=target, status=201)
    created = await client.create(
        "echo Fetching the rates of today; echo 'rates.example.org does not answer' >&2; exit 75",
        name="Fetch rates",
        retries={"limit": 3, "delay_seconds": 4000, "backoff": 2},
    )
    tab = await open_tab(client, f"/runs/{created['run']['id']}")
    await expect(tab.facts).to_contain_text("To be tried again in 1 h")
    await keep(tab, "pictures/retries.png")
    await tab.go("/targets")
    await tab.button("Send a test to pager").click()
    await expect(tab.page.get_by_role("main")).to_contain_text("The test was not delivered: ")
    await keep(tab, "pictures/targets.png")


async def test_the_pictured_deploy_is_a_run_like_any_other(
    client: Client, open_tab: OpenTab, gate: Gate, keep: Keep, request: pytest.FixtureRequest
) -> None:
    command = await client.create(f"{DEPLOY}\n{gate.wait}", name="Deploy shop-api")
    tab = await open_tab(client, f"/runs/{command['run']['id']}", dark=True)
    await expect(tab.log).to_contain_text("61%")
    if request.config.getoption("--write-docs-pictures"):
        await expect(tab.facts).to_contain_text("4 s")  # as long as its output tells of
    await keep(tab, "page.png")
    gate.open()
    await expect(tab.facts).to_contain_text("Succeeded")
