"""What Axe finds wrong with a page for people who do not see it, or use no pointer."""

from playwright.async_api import Page

from tests.support.service import ROOT

AXE = ROOT / ".venv/npm-axe/node_modules/axe-core/axe.min.js"

FIND = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`));
}
"""


async def broken_rules(page: Page) -> list[str]:
    """Return a line for each element that breaks a rule; none where all is well."""
    assert AXE.is_file(), "The browser tests need Axe: `make test` gets it from npm."
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = await page.evaluate(FIND)
    return found
