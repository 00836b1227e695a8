"""A real, headless Chromium that writes down what no page of ours may do."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
needs_browser = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not shutil.which(CHROMIUM):
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Watched:
    """A page that writes down what no page of ours may do: log an error, ask another host."""

    def __init__(self, browser: Browser, address: str, **context: object) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **context)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.address = address
        self.faults: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.route("**/*", self._route)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(text)

    def _route(self, route: Route) -> None:
        if not route.request.url.startswith((self.address, "data:")):
            self.faults.append(f"asked {route.request.url}")
        route.continue_()

    def go(self, path: str) -> Page:
        response = self.page.goto(self.address + path)
        assert response is not None
        assert response.status == 200
        return self.page


def serious_violations(page: Page) -> list[list[str]]:
    """[impact, rule] of what axe-core finds serious or critical on the page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(result => result.violations.map(one => [one.impact, one.id]))")
    return [one for one in found if one[0] in ("serious", "critical")]
