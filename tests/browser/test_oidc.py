"""Signing in at a provider of OpenID Connect, which is another site to the browser."""

import pytest
from playwright.async_api import expect

from tests.support.browser import OpenTab, Tab
from tests.support.client import Start
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNED_OUT = r"status of 40[13]"


async def go_to_the_provider(tab: Tab) -> None:
    await tab.page.get_by_role("link", name="Sign in with OpenID Connect").click()


async def test_somebody_signs_in_at_a_provider_and_out(start: Start, open_tab: OpenTab) -> None:
    """The cookies are right for a way over another site: only a browser tells."""
    async with running(Provider()) as provider:
        provider.issuer = provider.issuer.replace("127.0.0.1", "localhost")
        client = await start(
            auth="required",
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT_ID,
            oidc_client_secret=CLIENT_SECRET,
            oidc_grants="ops=editor@*",
        )
        tab = await open_tab(client, expected=[SIGNED_OUT])
        await go_to_the_provider(tab)
        await expect(
            tab.page.get_by_role("heading", name="No commands yet", exact=True)
        ).to_be_visible()
        assert tab.page.url.startswith(client.service.address)
        await tab.page.reload()
        await tab.page.get_by_role("link", name="Account").click()
        await expect(tab.page.get_by_role("main")).to_contain_text("oidc:alice-1")
        await expect(tab.page.get_by_role("main")).to_contain_text("by a sign-in in this browser")
        await tab.button("Sign out").click()
        await expect(tab.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        provider.claims["groups"] = []
        await go_to_the_provider(tab)
        await expect(tab.page.get_by_role("alert")).to_contain_text("You may not do anything here")
        assert "#" not in tab.page.url.removesuffix("#/")
        left = [problem for problem in tab.problems if provider.issuer not in problem]
        tab.problems[:] = left  # the way to the provider is the one that is meant
