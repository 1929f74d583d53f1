"""What holds on every screen: nothing foreign is loaded or run, and a phone shows all of it."""

import pytest
from playwright.async_api import expect

from tests.support.browser import NARROW, PHONE, OpenTab
from tests.support.client import Client
from tests.support.waiting import until_true

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLIP_IN = """
() => {
  violated = [];
  addEventListener("securitypolicyviolation", (event) => violated.push(event.effectiveDirective));
  const script = document.createElement("script");
  script.textContent = "ran = true";
  document.body.append(script);
  document.body.insertAdjacentHTML(
    "beforeend",
    "<img src='/none' onerror='ran = true'><img src='https://example.com/'>" +
      "<iframe src='https://example.com/'></iframe><script src='https://example.com/'></script>" +
      "<p style='color: red'>x</p><style>p { color: red }</style>",
  );
  return fetch("https://example.com/").catch(() => {});
}
"""
STOPPED = [
    "script-src-elem",
    "script-src-attr",
    "style-src-elem",
    "style-src-attr",
    "img-src",
    "frame-src",
    "connect-src",
]


async def test_the_content_security_policy_stops_what_slips_in(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, expected=["Content Security Policy", "status of 404"])
    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    left: list[str] = []
    await tab.page.route("https://example.com/**", lambda route: left.append(route.request.url))
    await tab.page.evaluate(SLIP_IN)

    async def all_stopped() -> bool:
        return set(STOPPED) <= set(await tab.page.evaluate("violated"))

    await until_true(all_stopped)
    assert await tab.page.evaluate("typeof ran") == "undefined"
    assert left == []
    tab.problems.clear()  # the tries


async def test_the_apis_documentation_needs_nothing_that_the_policy_forbids(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client)
    await tab.page.goto(str(client.page_url("/swagger/index.html")))
    for operation in ["POST /api/v1/commands/", "GET /api/v1/runs/{id}/ws", "GET /api/v1/ping"]:
        # What is open is drawn anew with each that opens: one at a time.
        opened = tab.page.locator(".opblock.is-open")
        for summary in await opened.locator(".opblock-summary-control").all():
            await summary.click()
        method, path = operation.split()
        block = tab.page.locator(f".opblock-{method.lower()}").filter(
            has=tab.page.locator(f'[data-path="{path}"]')
        )
        await block.locator(".opblock-summary-control").click()
        await expect(block.locator(".opblock-body")).to_be_visible()
    await block.get_by_role("button", name="Try it out").click()
    await block.get_by_role("button", name="Execute").click()
    await expect(block.get_by_role("heading", name="Server response", exact=True)).to_be_visible()


async def test_a_phone_shows_every_screen_without_scrolling_sideways(
    client: Client, open_tab: OpenTab
) -> None:
    long = "W" * 64
    command = await client.create(
        f"echo {'x' * 500}; echo {long} {long}; exit 3", name=long, description=long * 4
    )
    ended = command["run"]["id"]
    await client.finished(ended)
    live = await client.run("exec sleep 1000")
    await client.call("POST", "tokens/", json={"name": long, "role": "viewer", "group": "w" * 63})
    await client.call("POST", "grants/", json={"principal": f"oidc:{long}", "role": "viewer"})
    target = {"name": long, "url": f"https://{'w' * 60}.example.org/"}
    await client.call("POST", "notification-targets/", json=target)
    tab = await open_tab(client, phone=True)
    for path, landmark in [
        ("/", tab.page.get_by_role("listitem").filter(has_text=long)),
        ("/?q=none", tab.page.get_by_role("heading", name="Nothing matches")),
        ("/commands/new", tab.field("Script")),
        (f"/commands/{command['id']}", tab.page.get_by_text("exit code 3")),
        (f"/commands/{command['id']}/edit", tab.field("Script")),
        ("/runs", tab.page.get_by_role("row").filter(has_text=long)),
        (f"/runs/{ended}", tab.log.get_by_text("exit code 3")),
        (f"/runs/{live}", tab.button("Send another signal")),
        ("/account", tab.button("New token")),
        ("/grants", tab.page.get_by_role("listitem").filter(has_text=long)),
        ("/tokens", tab.page.get_by_role("listitem").filter(has_text=long)),
        ("/targets", tab.page.get_by_role("listitem").filter(has_text=long)),
        ("/audit", tab.page.get_by_role("listitem").filter(has_text="created a command")),
        ("/none", tab.page.get_by_role("heading", name="Not found", exact=True)),
    ]:
        await tab.go(path)
        await expect(landmark.first).to_be_visible()
        for viewport in (NARROW, PHONE):
            await tab.page.set_viewport_size(viewport)
            assert await tab.overflow() <= 0, (path, viewport)

    await tab.go(f"/runs/{ended}")
    await tab.button("Wrap").click()
    await expect(tab.button("Wrap")).to_have_attribute("aria-pressed", "false")
    assert await tab.overflow() <= 0
    await tab.button("Delete").click()
    await expect(tab.page.get_by_role("dialog")).to_be_in_viewport(ratio=1)

    await tab.go(f"/runs/{live}")
    await tab.button("Send another signal").click()
    await expect(tab.page.get_by_role("menu")).to_be_in_viewport(ratio=1)
    assert await tab.overflow() <= 0
    await client.stop(live)
