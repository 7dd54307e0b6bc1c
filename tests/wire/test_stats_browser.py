"""The statistics page in a real browser: live, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Browser
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import eventually, get

INI = """
[global]
log = 127.0.0.1:{syslog} local0
workers = 2
node = lb1
description = Balancers of the shop

[frontend www]
bind = 127.0.0.1:{fe}
stats uri = /stats
stats refresh = 5s
stats show-node = yes
stats show-desc = yes
stats show-legends = yes
stats admin = if TRUE
default_backend = shop

[backend shop]
description = The web shop
option httpchk = GET /
server app1 = 127.0.0.1:{s1} check inter 200ms
server app2 = 127.0.0.1:{s2} check inter 200ms
server app3 = 127.0.0.1:{refusing} check inter 200ms fall 1
server spare = 127.0.0.1:{s1} backup disabled

[listen mail]
mode = tcp
bind = 127.0.0.1:{mail}
server m1 = 127.0.0.1:{s1}
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    made = Browser(tmp_path)
    yield made
    made.close()


def start(greenlb: Launcher, origin: Origins) -> Balancer:
    lb = greenlb(INI, s1=origin.http("s1"), s2=origin.http("s2"), refusing=origin.refusing())
    eventually(lambda: lb.ask(get("/stats")).status == 200, "the page has figures")
    return lb


def look(browser: Browser, name: str) -> None:
    """Keep a picture where somebody wants to see it."""
    folder = os.environ.get("GREENLB_PICTURES")
    if folder:
        browser.picture(Path(folder) / f"{name}.png")


def luminance(browser: Browser, selector: str) -> int:
    """How light what is behind ``selector`` is, 0 to 765."""
    colour = browser.run(f"getComputedStyle(document.querySelector({selector!r})).backgroundColor")
    return sum(int(part) for part in colour.strip("rgb()").split(",")[:3])


def test_a_day_at_the_page(greenlb: Launcher, origin: Origins, browser: Browser) -> None:
    lb = start(greenlb, origin)
    browser.size(1360, 900)
    browser.open(f"http://127.0.0.1:{lb.port()}/stats")
    row = "[id='shop/app1']"
    browser.sees("#pulse", "live")
    browser.sees("[id='shop/app3'] .state", "DOWN")
    browser.sees(".trouble", "shop/app3")
    browser.sees("[id='shop/spare'] .state", "MAINT")
    browser.sees("header", "lb1")

    # Traffic shows without a reload.
    browser.run("window.same = true")
    before = browser.text(f"{row} [data-cell=traffic2]")
    for _ in range(30):
        assert lb.ask(get("/")).status == 200
    browser.wait(lambda: browser.text(f"{row} [data-cell=traffic2]") != before, "the traffic shows")
    browser.wait(
        lambda: (
            len(
                set(
                    browser.run(
                        f"document.querySelector({row + ' .chart.rate polyline'!r}).getAttribute('points')"
                    ).split()
                )
            )
            > 2
            and any(
                not point.endswith(",19.0")
                for point in browser.run(
                    f"document.querySelector({row + ' .chart.rate polyline'!r}).getAttribute('points')"
                ).split()
            )
        ),
        "the chart moves",
    )
    assert browser.run("window.same")
    look(browser, "desk-light")

    # By keyboard: to the row, drain, and back.
    browser.keys("/", *"app1", "\ue004")  # Tab
    assert browser.run("document.querySelectorAll('tbody tr:not([hidden])').length") == 1
    browser.keys("\ue00c", "j", "j")  # Escape: all rows again; then to the second row
    assert browser.run("document.activeElement.closest('tr').id") == "shop/app1"
    browser.keys("d")
    browser.sees(f"{row} .state", "DRAIN")
    browser.sees("#said", "shop/app1 drains.")
    browser.sees(".trouble", "shop/app1")
    look(browser, "desk-drain")
    browser.keys("r")
    browser.sees(f"{row} .state", "UP")

    # Several at once.
    browser.keys("x", "j", "x")
    browser.sees(".bar", "2 servers:")
    look(browser, "desk-selected")
    browser.keys("m")
    for name in ("app1", "app2"):
        browser.sees(f"[id='shop/{name}'] .state", "MAINT")
    browser.keys("r")
    browser.sees(f"{row} .state", "UP")
    browser.keys("\ue00c")
    assert browser.text(".bar") == ""

    # All figures of a row.
    browser.keys("\ue007")  # Enter
    browser.sees("#row", "lbtot")
    look(browser, "desk-figures")
    browser.keys("\ue00c")
    browser.keys("?")
    browser.sees("#help", "search")
    look(browser, "desk-keys")
    browser.keys("\ue00c")

    # Light and dark, by the system and by choice.
    assert luminance(browser, "body") > 600
    browser.size(1360, 900, dark=True)
    assert luminance(browser, "body") < 200
    look(browser, "desk-dark")
    browser.keys("t")
    assert luminance(browser, "body") > 600
    assert browser.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone(greenlb: Launcher, origin: Origins, browser: Browser, dark: bool) -> None:
    lb = start(greenlb, origin)
    browser.size(390, 844, dark=dark)
    browser.open(f"http://127.0.0.1:{lb.port()}/stats")
    browser.sees("#pulse", "live")
    browser.sees("[id='shop/app3'] .state", "DOWN")
    assert browser.run("document.documentElement.scrollWidth") == 390  # nothing sticks out
    for _ in range(5):
        lb.ask(get("/"))
    button = "[id='shop/app1'] .act button[value^=drain]"
    height = browser.run(f"document.querySelector({button!r}).getBoundingClientRect().height")
    assert height >= 32  # a thumb finds it
    browser.run(f"document.querySelector({button!r}).click()")
    browser.sees("[id='shop/app1'] .state", "DRAIN")
    look(browser, f"phone-{'dark' if dark else 'light'}")
    browser.size(390, 2400, dark=dark)
    look(browser, f"phone-long-{'dark' if dark else 'light'}")
    assert browser.errors == []


def test_without_a_script(greenlb: Launcher, origin: Origins, browser: Browser) -> None:
    """The page is whole without it: forms go to the server, and its answer is read."""
    lb = start(greenlb, origin)
    browser.size(1000, 700)
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.open(f"http://127.0.0.1:{lb.port()}/stats")
    wanted = "css selector", "[id='shop/app1'] .act button[value^=drain]"
    browser.wait(lambda: browser.driver.find_elements(*wanted), "control is there")
    button = browser.driver.find_element(*wanted)
    button.send_keys("\ue007")
    browser.wait(lambda: browser.driver.current_url.endswith("/stats;st=DONE"), "it says how it went")
    found = browser.driver.find_element("css selector", "[id='shop/app1'] .state")
    assert found.text == "DRAIN"
    assert browser.driver.find_element("css selector", ".said").text == "Done."
    look(browser, "desk-no-script")
