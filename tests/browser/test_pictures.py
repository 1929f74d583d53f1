"""Pictures of the page, kept in tests/artifacts; with `--write-docs-picture` the README's too."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.damage import damaged
from tests.browser.gate import Gate
from tests.browser.people import end_session, signed_in
from tests.support.browser import CONNECTION_REFUSED, OpenTab, Tab
from tests.support.client import Client, Start
from tests.support.service import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCS_PICTURE = ROOT / "docs" / "page.png"

DEPLOY = r"""
step() { printf '\n\033[1;34m==>\033[0m \033[1m%s\033[0m\n' "$1"; }
ok() { printf '    \033[32m✓\033[0m %-34s \033[2m%s\033[0m\n' "$1" "$2"; }
repeat() { printf "%$1s" '' | sed "s/ /$2/g"; }
bar() {
  filled=$(($1 * 32 / 100))
  printf '\r\033[K    \033[36m%s\033[0m\033[2m%s\033[0m %3d%%  \033[2m%s of 1,240,800 rows\033[0m' \
    "$(repeat $filled █)" "$(repeat $((32 - filled)) ░)" "$1" "$2"
}
printf '\033[1mDeploying shop-api 4.2.0\033[0m to \033[35mproduction\033[0m'
printf ' at \033[33m9f31c07\033[0m\n'
step Checks
ok 'image shop-api:4.2.0 is signed' 'sha256:5b0c…e1d4'
ok 'backup is 12 minutes old' '38.4 GB'
ok 'replica lag' '0.3 s'
step Migrations
ok '0041_add_shipping_zone' '12 ms'
ok '0042_index_orders_by_customer' '318 ms, concurrently'
ok '0043_split_address' '40 ms'
printf '    \033[33m! orders.legacy_id is still read by reports-worker 2.9\033[0m\n'
step 'Rolling out'
ok 'web-1' 'healthy after 210 ms'
ok 'web-2' 'healthy after 190 ms'
ok 'web-3' 'healthy after 230 ms'
printf '    \033[31m✗\033[0m web-4 \033[31mdid not answer\033[0m, \033[1mretrying\033[0m\n'
ok 'web-4' 'healthy after 640 ms'
step 'Backfilling orders.zone_id'
bar 4 49,632; bar 23 285,384; bar 61 756,888
"""

BACKUP = r"""
echo 'Dumping orders to /backup/orders-2026-11-23.dump'
printf '\033[2m%s\033[0m\n' 'pg_dump: reading schemas' 'pg_dump: dumping public.orders'
printf '\033[31mpg_dump: error:\033[0m %s\n' 'could not write: No space left on device' >&2
exit 1
"""


def named(screen: str, *, phone: bool, dark: bool) -> str:
    """Return the name of a screen's picture."""
    return f"{screen}-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"


class Looks:
    """The page as it looks on a desktop and a phone, light and dark."""

    def __init__(self, tabs: dict[tuple[bool, bool], Tab]) -> None:
        self._tabs = tabs

    async def go(self, path: str, words: str) -> None:
        """Go to a screen in all of them; wait for words that it shows."""
        await asyncio.gather(*(tab.go(path) for tab in self._tabs.values()))
        await self.show(words)

    async def show(self, words: str) -> None:
        """Wait for words in all of them."""
        pages = [tab.page.locator("#page") for tab in self._tabs.values()]
        await asyncio.gather(*(expect(page).to_contain_text(words) for page in pages))

    async def each(self, act: Callable[[Tab], Awaitable[object]]) -> None:
        """Do the same in all of them, one after the other."""
        for tab in self._tabs.values():
            await act(tab)

    async def picture(self, screen: str) -> None:
        """Keep a picture of all of them; none may be wider than its screen."""
        await asyncio.gather(
            *(
                tab.picture(named(screen, phone=phone, dark=dark))
                for (phone, dark), tab in self._tabs.items()
            )
        )
        assert [await tab.overflow() for tab in self._tabs.values()] == [0] * len(self._tabs)


async def open_looks(open_tab: OpenTab, client: Client, session: str | None = None) -> Looks:
    """Open the page in all its looks; `session` is the value of a session's cookie."""
    each = [(phone, dark) for phone in (False, True) for dark in (False, True)]
    refused = [
        CONNECTION_REFUSED,
        "status of (401|403|412|503)",
        "net::ERR_CONTENT_LENGTH_MISMATCH",
        "WebSocket connection to .* failed",
    ]
    return Looks(
        {
            (phone, dark): await open_tab(
                client, phone=phone, dark=dark, expected=refused, session=session
            )
            for phone, dark in each
        }
    )


async def test_every_screen_is_pictured(start: Start, open_tab: OpenTab, gate: Gate) -> None:
    client = await start()
    looks = await open_looks(open_tab, client)
    await looks.show("No commands yet")
    await looks.picture("empty")
    await looks.go("/commands/new", "Save and start")
    await looks.picture("form")

    await client.create("true", name="Reindex search", start=False)
    await client.create("exit 0", name="Rotate keys", description="Every ninety days")
    backup = await client.create(BACKUP, name="Nightly backup", description="Dumps the orders")
    deploy = await client.create(
        f"{DEPLOY}\n{gate.wait}", name="Deploy shop-api", description="To production, with backfill"
    )
    failed = backup["run"]["id"]
    await client.finished(failed)
    await looks.go("/", "Deploy shop-api")
    await looks.show("Failed")
    await looks.picture("busy")
    await looks.go(f"/runs/{failed}", "exit code 1")
    await looks.picture("failed")

    run = deploy["run"]["id"]
    await looks.go(f"/runs/{run}", "61%")
    await client.call("POST", f"runs/{run}/signal", json={"signal": "SIGSTOP"})
    await looks.show("Paused")
    await looks.picture("paused")
    await client.call("POST", f"runs/{run}/signal", json={"signal": "SIGCONT"})
    await looks.show("Running")
    await client.service.kill()
    await looks.show("Reconnecting")
    await looks.show("The server does not answer.")
    await looks.picture("reconnecting")


async def test_what_goes_wrong_is_pictured(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start(max_viewers_per_run="1")
    looks = await open_looks(open_tab, client)
    command = await client.create("echo started; exec sleep 1000", name="Guard the gate")
    run = command["run"]["id"]
    async with client.connect(run):
        await looks.go(f"/runs/{run}", "MAX_VIEWERS_PER_RUN")
        await looks.picture("refused")

    edit = f"/commands/{command['id']}/edit"
    await looks.go(edit, "Edit Guard the gate")
    await looks.each(lambda tab: tab.field("Script").fill("echo mine\nexec sleep 2000"))
    theirs = {"name": "Guard both gates", "description": None, "script": "echo theirs"}
    await client.call("PUT", f"commands/{command['id']}", json=theirs)
    await looks.each(lambda tab: tab.button("Save").click())
    await looks.show("Your version")
    await looks.picture("conflict")
    await looks.each(lambda tab: tab.button("Keep editing").click())
    await looks.each(lambda tab: tab.button("Cancel").click())
    await looks.show("Your changes will be lost.")
    await looks.picture("leaving")
    await looks.each(lambda tab: tab.button("Keep editing").click())
    await looks.go("/runs", "State")
    await looks.go(edit, "unsaved changes were restored")
    await looks.picture("draft")

    await looks.go("/", "Guard both gates")
    await looks.each(
        lambda tab: tab.page.route("**/main.js", lambda route: route.fulfill(status=403))
    )
    await looks.each(lambda tab: tab.page.reload())
    await looks.show("proxy_set_header Host $http_host;")
    await looks.picture("not-started")
    await client.stop(run)

    await looks.each(lambda tab: tab.page.unroute("**/main.js"))
    await looks.each(lambda tab: tab.page.reload())
    run = await damaged(client, "echo started", database_url)
    await looks.go(f"/runs/{run}", "It breaks off at byte 0 each time.")
    await looks.picture("damaged")


async def test_who_may_do_what_is_pictured(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start(auth="required")
    looks = await open_looks(open_tab, client)
    await looks.show("tailrun sign-in")
    await looks.picture("signed-out")

    alice = signed_in(database_url, "oidc:alice@example.com", {"*": "admin"})
    looks = await open_looks(open_tab, client, alice)
    await looks.go("/grants", "oidc:alice@example.com")
    await looks.each(lambda tab: tab.button("New grant").click())
    await looks.picture("grant-form")
    await looks.go("/account", "No tokens yet")
    await looks.picture("account")
    await looks.each(lambda tab: tab.button("New token").click())
    await looks.picture("token-form")
    await looks.each(lambda tab: tab.field("Name").fill("nightly build"))
    await looks.each(lambda tab: tab.button("Create token").click())
    await looks.show("it is not shown again")
    await looks.picture("token-made")
    await looks.go("/tokens", "nightly build")
    await looks.picture("tokens")
    await looks.go("/audit", "created a token")
    await looks.picture("audit")
    await looks.go("/audit?principal=oidc:nobody", "Nothing on record")
    await looks.picture("audit-empty")
    await looks.go("/commands/new", "Save and start")
    await end_session(client, alice)
    await looks.each(lambda tab: tab.button("Save only").click())
    await looks.show("Your session has ended:")
    await looks.picture("session-ended")

    bob = signed_in(database_url, "oidc:bob", {"docs": "viewer"})
    looks = await open_looks(open_tab, client, bob)
    await looks.go("/audit", "Not permitted")
    await looks.picture("not-permitted")


async def test_a_run_without_a_word_is_pictured(start: Start, open_tab: OpenTab) -> None:
    client = await start()
    looks = await open_looks(open_tab, client)
    run = (await client.create("echo started; exec sleep 1000", name="Guard the gate"))["run"]["id"]
    await looks.go(f"/runs/{run}", "Live")
    os.kill(client.service.pid, signal.SIGSTOP)
    try:
        await looks.show("The server does not answer.")
        await looks.show("Nothing received for")
        await looks.picture("silent")
    finally:
        os.kill(client.service.pid, signal.SIGCONT)


async def test_the_pictured_deploy_is_a_run_like_any_other(
    client: Client, open_tab: OpenTab, gate: Gate, request: pytest.FixtureRequest
) -> None:
    command = await client.create(f"{DEPLOY}\n{gate.wait}", name="Deploy shop-api")
    tab = await open_tab(client, f"/runs/{command['run']['id']}", dark=True)
    await expect(tab.log).to_contain_text("61%")
    await tab.picture("page")
    if request.config.getoption("--write-docs-picture", default=False):
        await expect(tab.facts).to_contain_text("4 s")  # as long as its output tells of
        shutil.copy(await tab.picture("page"), DOCS_PICTURE)
    gate.open()
    await expect(tab.facts).to_contain_text("Succeeded")
