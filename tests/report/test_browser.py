"""report.html in a real browser: what it shows, that nothing fails in it, and that no request leaves it.

Needs Chromium, Chrome or Edge (`DFLWRAP_TEST_BROWSER` names one); CI installs Debian's (.ci/run). Without one these
tests are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nights import make_night
from test_page import HOSTILE, pictures_in

from dflwrap.report.night.gathering import gather
from dflwrap.report.page.rendering import render

PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")


def browser_program() -> str | None:
    named = os.environ.get("DFLWRAP_TEST_BROWSER")
    if named:
        return named
    on_path = (shutil.which(name) for name in NAMES)
    return next((one for one in (*on_path, *PLACES) if one and Path(one).exists()), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Here, not above: every worker of the suite imports this module, and one of them opens a browser.
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="NO BROWSER TEST: playwright is not installed"
    )
    program = browser_program()
    if program is None:
        pytest.skip(
            "NO BROWSER TEST: neither Chromium nor Chrome nor Edge is installed (apt install chromium)"
        )
    with sync_api.sync_playwright() as play:
        root = sys.platform == "linux" and os.geteuid() == 0
        one = play.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])
        yield one
        one.close()


@dataclass
class Opened:
    """A page, and all that went wrong in it."""

    page: Any
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser: Any, page_file: Path) -> Iterator[Any]:
    contexts = []

    def open_page(file: Path = page_file, **context: Any) -> Opened:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}))
        page = contexts[-1].new_page()
        found = Opened(page)
        page.on("console", lambda message: found.trouble.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (found.trouble.append("a dialog"), dialog.dismiss()))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("#charts canvas")
        return found

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    night = make_night(folder, [f"{n:05d}.jpg" for n in range(400)], samples=3000)
    pictures_in(night.frames, [f"{n:05d}.jpg" for n in (3, 7, 53, 107, 207)], 120)
    night.page.write_text(render(gather(night.database, alive=False, seconds=30)), encoding="utf-8")
    return night.page


def leaves(opened: Opened, file: Path) -> list[str]:
    """Requests to anything but the page itself and what it holds."""
    return [url for url in opened.requests if url != file.as_uri() and not url.startswith("data:")]


@pytest.mark.parametrize(
    "how",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "device_scale_factor": 2},
        {"java_script_enabled": True, "reduced_motion": "reduce", "forced_colors": "active"},
    ],
    ids=["light", "dark", "phone", "high contrast"],
)
def test_it_is_whole_without_an_error_and_without_a_request(
    opened: Any, page_file: Path, how: dict[str, Any]
) -> None:
    found = opened(**how)
    page = found.page
    assert page.locator("h1").inner_text() == "It went well, but for 4 frames."
    assert page.locator("#q-finished dd").inner_text().startswith("Yes")
    assert page.locator(".answers > div").count() == 10
    assert page.locator("#charts canvas").count() == 8, "the lane, and seven charts"
    assert page.locator("#look img").count() == 5
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.evaluate(broken) == 0
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "nothing has to be scrolled sideways but tables"
    assert found.trouble == [] and leaves(found, page_file) == []


def test_the_time_axis_zooms_for_mouse_buttons_and_keyboard(opened: Any) -> None:
    found = opened()
    page = found.page
    labels = "() => [...document.querySelectorAll('#charts .chart')].map(c => c.querySelector('canvas').toDataURL())"
    whole = page.evaluate(labels)
    page.get_by_role("button", name="Zoom in").click()
    closer = page.evaluate(labels)
    assert all(a != b for a, b in zip(whole, closer, strict=True)), "all charts zoom together"
    page.get_by_role("button", name="Whole night").click()
    assert page.evaluate(labels) == whole
    page.locator("#charts").focus()
    page.keyboard.press("+")
    assert page.evaluate(labels) != whole
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    assert "attempt" in page.locator("#reading").inner_text()
    page.keyboard.press("Escape")
    chart = page.locator("#charts .chart").nth(1).locator(".u-over")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    said = page.locator("#reading").inner_text()
    assert "frames/s" in said and "GPU 0 use" in said and "attempt 1" in said, said
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40, steps=4)
    page.mouse.up()
    assert page.evaluate(labels) != whole, "dragging zooms"
    assert found.trouble == []


def test_every_link_and_control_can_be_reached_with_the_keyboard(opened: Any) -> None:
    page = opened().page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    wanted = page.locator("a, button, summary, [tabindex='0']").count()
    seen = set()
    for _ in range(wanted + 20):
        seen.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        page.keyboard.press("Tab")
    visible = page.locator("a:visible, button:visible, summary:visible, [tabindex='0']:visible").count()
    assert len(seen) >= visible


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_names_and_alternative_texts_are_as_the_guidelines_ask(opened: Any, scheme: str) -> None:
    """axe-core's rules of WCAG 2.1, levels A and AA."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="NO ACCESSIBILITY TEST")
    found = opened(color_scheme=scheme, bypass_csp=True)
    page = found.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    result = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    said = [
        (one["id"], node["html"][:160], node.get("failureSummary", "")[:200])
        for one in result.response["violations"]
        for node in one["nodes"][:3]
    ]
    assert said == []


def test_on_paper_everything_is_open_and_light(opened: Any, tmp_path: Path) -> None:
    found = opened(color_scheme="dark")
    page = found.page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator(".tools").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 31, 35)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    page.pdf(path=str(tmp_path / "report.pdf"), format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert found.trouble == []


def test_hostile_names_and_logs_do_nothing(opened: Any, tmp_path: Path) -> None:
    names = [f"{n}{HOSTILE.replace('/', '_')}.png"[:200] for n in range(150)]
    night = make_night(tmp_path, names, hostile=HOSTILE)
    night.page.write_text(render(gather(night.database, alive=False, seconds=5)), encoding="utf-8")
    found = opened(night.page)
    assert "owned" not in found.page.title().replace("document.title='owned'", "")
    assert found.page.locator("h1").inner_text() == "It went well, but for 2 frames."
    found.page.locator("summary").first.hover()
    found.page.wait_for_timeout(300)
    assert found.trouble == [] and leaves(found, night.page) == []


def test_the_page_may_load_nothing_even_if_something_got_into_it(opened: Any, page_file: Path) -> None:
    """The second wall: its own policy. Without it this request would leave the page."""
    found = opened()
    found.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    code = "const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
    found.page.evaluate(code)
    found.page.wait_for_timeout(200)
    assert found.page.title() != "1"
    refused = [text for text in found.trouble if "Content Security Policy" in text or "violates" in text]
    assert len(refused) == 2, found.trouble
