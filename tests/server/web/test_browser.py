"""Pages in a browser: each kind loads without errors, keeps its own rules, and fits any screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.browser

_PAGES: Final = (
    "/",
    "/sparql",
    "/sparql?query=SELECT%20*%20%7B%20%3Fs%20%3Fp%20%3Fo%20%7D%20ORDER%20BY%20%3Fs%20LIMIT%2050",
    "/sparql?query=ASK%20%7B%7D",
    "/sparql?query=SELECT%20%7B",
    "/queries",
    "/queries/lay-terms",
    "/queries/adverse-event-incidence/answer",
    "/ontology",
    "/ontology/CO2Laser",
    "/ontology/hasRisk",
    "/ontology/CarbonDioxideLaser",
    "/function/convert",
    "/graph/claims",
    "/id/claim/B0375",
    "/id/source/WARD2008",
    "/id/spectrum/deoxyhaemoglobin-prahl",
    "/id/extraction-confidence/high",
    "/id/disagreement/C01",
    "/id/gap/G01",
    "/id/setting/A0002/pulse-duration",
    "/id/mappings",
    "/sources",
    "/api",
    "/problems/not-found",
)
"""A page of each kind, with those of errors among them."""

_SCREENS: Final = {"desktop": (1280, 800), "phone": (390, 844)}

_TOO_WIDE: Final = """
const width = document.documentElement.clientWidth;
return document.documentElement.scrollWidth > width
    ? Array.from(document.body.querySelectorAll("*"))
        .filter(each => each.getBoundingClientRect().right > width + 1)
        .map(each => each.outerHTML.slice(0, 120)).slice(0, 5)
    : [];
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """Yield a browser without a window."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("there is no Chromium: install the packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as started:
        yield started


@pytest.mark.parametrize("screen", _SCREENS)
@pytest.mark.parametrize("path", _PAGES)
def test_a_page_loads_without_complaint_and_fits(
    path: str, screen: str, browser: Chrome, live_url: str
) -> None:
    """The console stays empty, also of violations of the content security policy; nothing juts out."""
    width, height = _SCREENS[screen]
    metrics = {
        "width": width,
        "height": height,
        "deviceScaleFactor": 1,
        "mobile": screen == "phone",
    }
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    browser.get(f"{live_url}{path}")

    assert browser.find_element("css selector", "h1").text
    assert [each for each in browser.get_log("browser") if not _is_status(each, path)] == []
    assert browser.execute_script(_TOO_WIDE) == []


@pytest.mark.parametrize("screen", _SCREENS)
@pytest.mark.parametrize("name", ["adverse-event-incidence", "comparisons", "isotretinoin"])
def test_the_first_screen_shows_the_beginning_of_the_answer(
    name: str, screen: str, browser: Chrome, live_url: str
) -> None:
    """Nobody has to scroll past explanations to learn that there is an answer, whole row by row."""
    width, height = _SCREENS[screen]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < height}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    browser.get(f"{live_url}/queries/{name}/answer")

    cells = browser.find_elements("css selector", "tbody tr:first-child td:not(.none)")
    assert cells[0].rect["y"] + cells[0].rect["height"] < height
    if screen == "phone":
        assert all(cell.rect["x"] + cell.rect["width"] <= width for cell in cells)


def _is_status(entry: dict[str, Any], path: str) -> bool:
    """Whether an entry only says that the page itself has the status of an error."""
    return f"{path} - Failed to load resource: the server responded" in entry["message"]
