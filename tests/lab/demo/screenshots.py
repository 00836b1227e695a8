"""`python -m lab.demo.screenshots`: the demo's overview and the page of its broken SR, as pictures for the README.

Needs Chromium. Exit 1 where the diagnosis was not there in time, or a picture is too large for a README.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from lab.demo.__main__ import PATIENCE_SECONDS, QUICK, Command, wait_until
from lab.demo.plans import BROKEN_SR, disaster_recovery, prod
from lab.estate import Installation

HERE = Path("screenshots")
MOST_BYTES = 200_000
WIDTH, HEIGHT = 1180, 800
SLOW_BYTES_PER_SECOND = 12e6


def main() -> int:
    """See the module."""
    HERE.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="chainwatch-demo-") as directory,
        Installation(Path(directory), [prod(), disaster_recovery()], extra=QUICK) as installation,
    ):
        return _shoot(installation)


def _shoot(installation: Installation) -> int:
    command = Command(installation)
    for run in (
        installation.collect("prod", "xcp-prod-1", BROKEN_SR, corrupt="base", bytes_per_second=500e6),
        installation.collect("dr", "xcp-dr-1", "nfs-dr-1"),
    ):
        run.wait(PATIENCE_SECONDS)
    if not wait_until(lambda: not command.missing() and command.settled(), PATIENCE_SECONDS):
        print(f"screenshots: not found in time: {command.missing()}", file=sys.stderr)
        return 1
    running = installation.collect("prod", "xcp-prod-2", "local-2", bytes_per_second=SLOW_BYTES_PER_SECOND)
    seen = wait_until(lambda: _progress(command) > 0, PATIENCE_SECONDS)
    pictures = _pictures(command)
    running.wait(PATIENCE_SECONDS)
    large = [picture.name for picture in pictures if picture.stat().st_size > MOST_BYTES]
    if not seen or large:
        print(f"screenshots: merge seen: {seen}; too large: {large}", file=sys.stderr)
        return 1
    return 0


def _progress(command: Command) -> float:
    merges = (command.ask("coalesce", "list", "--running") or {}).get("items", [])
    return max((one["rate_bytes_per_second"] or 0 for one in merges), default=0)


def _pictures(command: Command) -> list[Path]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("screenshots: Chromium is not installed: scripts/setup-system")
    names = {one["name"]: one["uuid"] for one in (command.ask("sr", "list") or {}).get("items", [])}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True, viewport={"width": WIDTH, "height": HEIGHT})
        page = context.new_page()
        made = [
            _picture(page, f"{command.url}/", HERE / "overview.png"),
            _picture(page, f"{command.url}/sr/{names[BROKEN_SR]}", HERE / "sr.png"),
        ]
        browser.close()
    return made


def _picture(page: Page, url: str, path: Path) -> Path:
    page.goto(url)
    expect(page.get_by_role("status")).to_contain_text("live", timeout=10_000)
    page.screenshot(path=path)
    print(f"{path}: {path.stat().st_size} bytes", flush=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
