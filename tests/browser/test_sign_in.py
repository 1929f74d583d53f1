"""Signing in and out, and what becomes of a page whose session ends."""

import pytest
from playwright.async_api import expect

from tests.browser.gate import Gate
from tests.browser.people import end_session, signed_in
from tests.support.browser import OpenTab
from tests.support.client import Client, Start
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider, running
from tests.support.waiting import patience

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNED_OUT = r"status of 40[13]"
ENDED = "Your session has ended:"
TOO_LATE = "This sign-in link was used before, or is more than a minute old"
ALL = {"*": "admin"}


async def link_of(client: Client) -> str:
    """Return the link that `tailrun sign-in` prints."""
    process = await client.service.begin("sign-in")
    async with patience():
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return next(word for word in said.decode().split() if "#sign-in=" in word)


async def test_a_link_signs_in_once_and_leaves_no_trace(start: Start, open_tab: OpenTab) -> None:
    client = await start(auth="required")
    tab = await open_tab(client, expected=[SIGNED_OUT])
    await expect(tab.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await expect(tab.page.get_by_role("main")).to_contain_text("tailrun sign-in")
    await expect(tab.page.get_by_role("link", name="Account")).to_have_count(0)
    link = await link_of(client)
    before = await tab.page.evaluate("history.length")
    await tab.page.goto(link)
    await expect(tab.page.get_by_text("You are signed in.")).to_be_visible()
    await expect(
        tab.page.get_by_role("heading", name="No commands yet", exact=True)
    ).to_be_visible()
    assert "#sign-in" not in tab.page.url
    assert await tab.page.evaluate("history.length") <= before + 1
    await tab.page.go_back()
    assert "#sign-in" not in tab.page.url
    await tab.page.get_by_role("link", name="Account").click()
    await expect(tab.page.get_by_text("by a sign-in in this browser")).to_be_visible()
    await tab.button("Sign out").click()
    await expect(tab.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await tab.page.goto(link)
    await expect(tab.page.get_by_role("alert")).to_contain_text(TOO_LATE)
    assert "#sign-in" not in tab.page.url


async def test_a_wrong_link_takes_nothing_from_whoever_is_known(
    client: Client, open_tab: OpenTab
) -> None:
    tab = await open_tab(client, "/commands/new", expected=[SIGNED_OUT])
    await tab.field("Name").fill("Half typed")
    await tab.go("sign-in=wrong")
    await expect(tab.page.get_by_text(TOO_LATE)).to_be_visible()
    await expect(tab.field("Name")).to_have_value("Half typed")
    assert tab.page.url.endswith("/#/commands/new")


async def test_a_session_that_ends_takes_nothing_that_was_typed(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start(auth="required")
    value = signed_in(database_url, "oidc:writer", ALL)
    tab = await open_tab(client, "/commands/new", session=value, expected=[SIGNED_OUT])
    await tab.field("Name").fill("Kept")
    await tab.write_script("echo kept")
    await end_session(client, value)
    await tab.button("Save only").click()
    await expect(tab.page.get_by_text(ENDED)).to_be_visible()
    await expect(tab.page.get_by_role("alert")).to_contain_text("Not saved, as your session")
    await expect(tab.script).to_have_value("echo kept")
    other = await tab.another()
    await other.page.goto(await link_of(client))
    await expect(tab.page.get_by_text(ENDED)).to_have_count(0)
    await expect(tab.page.get_by_role("alert")).to_have_count(0)
    await expect(tab.script).to_have_value("echo kept")
    await tab.button("Save only").click()
    await expect(tab.page.get_by_role("heading", name="Kept", exact=True)).to_be_visible()
    assert other.problems == []


async def test_a_stream_whose_session_ends_goes_on_after_a_new_sign_in(
    start: Start, open_tab: OpenTab, database_url: str, gate: Gate
) -> None:
    client = await start()
    run = await client.run(f"echo before; {gate.wait}; echo meanwhile; {gate.wait}; echo after")
    await client.service.terminate()
    client = await start(auth="required")
    value = signed_in(database_url, "oidc:watcher", ALL)
    tab = await open_tab(client, f"/runs/{run}", session=value, expected=[SIGNED_OUT])
    await expect(tab.log).to_contain_text("before")
    await expect(tab.output).to_contain_text("Live")
    await end_session(client, value)
    await expect(tab.page.get_by_text(ENDED)).to_be_visible()
    await expect(tab.output).to_contain_text("It goes on here once you are signed in again.")
    gate.open()
    assert await tab.lines() == ["before"]
    other = await tab.another()
    await other.page.goto(await link_of(client))
    await expect(tab.log).to_contain_text("meanwhile")
    await expect(tab.output).to_contain_text("Live")
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["before", "meanwhile", "after"]
    assert other.problems == []


async def test_where_a_session_ends_for_a_local_user_the_page_goes_on_as_theirs(
    client: Client, open_tab: OpenTab, shared_database_url: str, gate: Gate
) -> None:
    run = await client.run(f"echo before; {gate.wait}; echo meanwhile; {gate.wait}; echo after")
    value = signed_in(shared_database_url, "oidc:guest", ALL)
    tab = await open_tab(client, f"/runs/{run}", session=value, expected=[SIGNED_OUT])
    await expect(tab.page.get_by_role("link", name="Account: oidc:guest")).to_be_visible()
    await expect(tab.output).to_contain_text("Live")
    await end_session(client, value)
    await expect(tab.page.get_by_role("link", name="Account: local:")).to_be_visible()
    gate.open()
    await expect(tab.log).to_contain_text("meanwhile")
    gate.open()
    await expect(tab.log).to_contain_text("Succeeded")
    assert await tab.lines() == ["before", "meanwhile", "after"]


async def test_signing_out_in_one_tab_is_noticed_in_the_others(
    start: Start, open_tab: OpenTab, database_url: str
) -> None:
    client = await start(auth="required")
    value = signed_in(database_url, "oidc:leaver", ALL)
    tab = await open_tab(client, session=value, expected=[SIGNED_OUT])
    await expect(
        tab.page.get_by_role("heading", name="No commands yet", exact=True)
    ).to_be_visible()
    other = await tab.another()
    await other.go("/account")
    await other.button("Sign out").click()
    await expect(other.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await expect(tab.page.get_by_text(ENDED)).to_be_visible()
    assert other.problems == []


async def test_what_is_open_to_everybody_says_so(start: Start, open_tab: OpenTab) -> None:
    client = await start(auth="off")
    tab = await open_tab(client)
    await expect(tab.page.get_by_text("open to everybody who can reach it")).to_be_visible()
    await tab.page.get_by_role("link", name="Account").click()
    await expect(tab.page.get_by_text("everybody may do everything")).to_be_visible()
    await expect(tab.button("New token")).to_have_count(0)


async def test_whoever_is_local_is_not_asked(client: Client, open_tab: OpenTab) -> None:
    tab = await open_tab(client, "/account")
    await expect(tab.page.get_by_text("by your user on this machine")).to_be_visible()
    await expect(tab.button("Sign out")).to_have_count(0)
    await expect(tab.page.get_by_text("open to everybody")).to_have_count(0)


async def test_who_signs_in_at_a_provider_comes_back_to_where_they_were(
    start: Start, open_tab: OpenTab
) -> None:
    async with running(Provider()) as provider:
        client = await start(
            auth="required",
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT_ID,
            oidc_client_secret=CLIENT_SECRET,
            oidc_grants="ops=editor@*",
        )
        tab = await open_tab(client, "/commands/new", expected=[SIGNED_OUT])
        await tab.page.get_by_role("link", name="Sign in with OpenID Connect").click()
        await tab.field("Name").fill("Made by Alice")
        assert tab.page.url.endswith("/#/commands/new")
        await tab.write_script("echo hers")
        await tab.button("Save and start").click()
        await expect(tab.log).to_contain_text("Succeeded")
        account = tab.page.get_by_role("link", name="Account: oidc:alice-1")
        await expect(account).to_be_visible()
        there = f"request: {provider.issuer}/authorize"
        assert [problem.partition("?")[0] for problem in tab.problems] == [there]
        tab.problems.clear()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("denied", "The provider did not sign you in"),
        ("no-access", "You may not do anything here yet"),
        ("<b>x</b>", "You were not signed in"),
    ],
)
async def test_why_a_providers_sign_in_failed_is_told(
    client: Client, open_tab: OpenTab, reason: str, told: str
) -> None:
    tab = await open_tab(client, f"sign-in-failed={reason}")
    await expect(tab.page.get_by_text(told)).to_be_visible()
    assert "#sign-in" not in tab.page.url
