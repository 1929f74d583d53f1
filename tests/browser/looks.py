"""The page in its looks: on a desktop and a phone, light and dark, in each language."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import product

from playwright.async_api import Locator, expect

from tests.browser.axe import broken_rules
from tests.support.browser import CONNECTION_REFUSED, RECOLOURED, OpenTab, Tab
from tests.support.client import Client
from tests.support.words import said

LOCALES = {"en": "en-GB", "ru": "ru-RU"}
EVERY = tuple(product((False, True), (False, True), LOCALES))
"""On a phone or not, dark or not, and in which language."""

PAIRS = tuple(look for look in EVERY if (look[2] == "ru") == (look[0] != look[1]))
"""Half of them, in which each two of window, scheme and language come together once."""

REFUSALS = (
    CONNECTION_REFUSED,
    "status of (401|403|404|410|412|503)",
    "net::ERR_(CONTENT_LENGTH_MISMATCH|INTERNET_DISCONNECTED)",
    "WebSocket connection to .* failed",
)


@dataclass(frozen=True)
class Look:
    """A tab, and what is special about how it looks."""

    tab: Tab
    language: str
    name: str
    """Such as "phone-dark-ru"."""

    def said(self, text: str, **values: object) -> str:
        """Return the text of a key of the page's words, in this language."""
        return said(self.language, text, **values)

    def button(self, text: str, **values: object) -> Locator:
        """Find a button by the key of its name."""
        return self.tab.button(self.said(text, **values))

    def field(self, text: str, **values: object) -> Locator:
        """Find a field by the key of its label."""
        return self.tab.field(self.said(text, **values))


class Looks:
    """Some of them, kept together. Texts are keys of the page's words, or what a test wrote."""

    def __init__(self, looks: Sequence[Look], wrong: list[str], *, kept: bool) -> None:
        self._looks = looks
        self._wrong = wrong
        self._kept = kept

    async def go(self, path: str, text: str, **values: object) -> None:
        """Go to a screen in all of them; wait for a text that it shows."""
        await asyncio.gather(*(look.tab.go(path) for look in self._looks))
        await self.show(text, **values)

    async def show(self, text: str, **values: object) -> None:
        """Wait for a text in all of them."""
        await asyncio.gather(
            *(
                expect(look.tab.page.locator("#page")).to_contain_text(look.said(text, **values))
                for look in self._looks
            )
        )

    async def each(self, act: Callable[[Look], Awaitable[object]]) -> None:
        """Do the same in all of them, one after the other."""
        for look in self._looks:
            await act(look)

    async def press(self, text: str, **values: object) -> None:
        """Press a button in all of them."""
        await self.each(lambda look: look.button(text, **values).click())

    async def check(self, screen: str) -> None:
        """Let Axe look at all of them, and none be wider than its window: what is wrong is kept.

        With `--pictures` a picture of each is in tests/artifacts.
        """
        for look in self._looks:
            if self._kept:
                await look.tab.picture(f"{screen}-{look.name}")
            found = await broken_rules(look.tab.page)
            if await look.tab.overflow():
                found.append("wider than its window")
            self._wrong += [f"{screen}-{look.name}: {what}" for what in found]


async def open_looks(
    open_tab: OpenTab,
    client: Client,
    wrong: list[str],
    *,
    kept: bool,
    session: str | None = None,
) -> Looks:
    """Open the page in its looks, all of them if pictures are kept, or else half of them.

    `session` is the value of a session's cookie. What is wrong with them is added to `wrong`.
    """
    looks = []
    for phone, dark, language in EVERY if kept else PAIRS:
        tab = await open_tab(
            client,
            phone=phone,
            dark=dark,
            expected=[*REFUSALS, RECOLOURED],
            session=session,
            locale=LOCALES[language],
        )
        name = "-".join(("phone" if phone else "desktop", "dark" if dark else "light", language))
        looks.append(Look(tab, language, name))
    return Looks(looks, wrong, kept=kept)
