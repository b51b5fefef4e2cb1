"""Pages in Debian's Chromium, by Playwright: what it shows, and everything it complains about.

with open_browser() as browser, browser.page(width=390, dark=True) as page:
    page.open(url)
    page.tab.locator("h1").inner_text()      # Playwright's own page is `tab`
    assert page.complaints == []             # console errors, failed requests, what the policy refused
    assert axe(page) == []                   # accessibility
    page.screenshot(path)
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page as Tab
from playwright.sync_api import Response, sync_playwright

CHROMIUM = "/usr/bin/chromium"
_OPTIONS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


class Page:
    """A tab that remembers what went wrong, and which hosts it spoke to."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.expected_missing: set[str] = set()
        tab.set_default_timeout(15_000)
        tab.on("console", lambda said: self._console(said.type, said.text, said.location.get("url", "")))
        tab.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        tab.on("requestfailed", lambda request: self._failed(request.url, request.failure or ""))
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("response", self._response)

    def _failed(self, url: str, why: str) -> None:
        if why != "net::ERR_ABORTED":  # the reader went on before a picture of the last page had come
            self.complaints.append(f"failed: {url}: {why}")

    def open(self, url: str, *, status: int = 200) -> None:
        """Go there and wait until it is quiet; the page itself may be expected to be a 404."""
        if status != 200:
            self.expected_missing.add(url)
        answer = self.tab.goto(url, wait_until="networkidle")
        assert answer is not None
        assert answer.status == status, f"{url}: {answer.status}"

    @property
    def hosts(self) -> set[str]:
        """Everything it asked for anything."""
        return {urlsplit(url).netloc for url in self.requests if not url.startswith("data:")}

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wide = self.tab.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
        return int(wide)

    def screenshot(self, path: Path, *, most: int = 20_000) -> None:
        """Take a picture of the page, from its top down to `most` pixels."""
        path.parent.mkdir(parents=True, exist_ok=True)
        size = self.tab.viewport_size
        assert size is not None
        height = int(self.tab.evaluate("document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": size["width"], "height": max(min(height, most), 1)}
        self.tab.screenshot(path=str(path), full_page=True, clip=clip)  # type: ignore[arg-type]

    def _console(self, kind: str, text: str, url: str) -> None:
        # Chromium reports a policy violation and a missing resource as an error.
        if kind in ("error", "warning") and url not in self.expected_missing:
            self.complaints.append(f"{kind}: {text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.url not in self.expected_missing:
            self.complaints.append(f"{response.status}: {response.url}")


class Browser:
    """A running Chromium."""

    def __init__(self, chromium: Chromium) -> None:
        self.chromium = chromium

    @contextmanager
    def page(self, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True) -> Iterator[Page]:
        """A fresh tab of its own profile."""
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        try:
            yield Page(context.new_page())
        finally:
            context.close()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium for as long as the block."""
    with sync_playwright() as playwright:
        options = [*_OPTIONS, "--no-sandbox"] if os.geteuid() == 0 else list(_OPTIONS)
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            yield Browser(chromium)
        finally:
            chromium.close()


def axe(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is now, one sentence for each rule."""
    violations = Axe().run(page.tab).response["violations"]
    return [
        f"{each['id']}: {each['help']}: " + "; ".join(str(node["target"]) for node in each["nodes"][:5])
        for each in violations
    ]
