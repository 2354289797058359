# SPDX-License-Identifier: Apache-2.0
"""My linked IDs in a real browser: opened by a passkey, looked at, a limit lowered, an ID unlinked, "this was not me"."""
import pytest

from harness import RETURN_URL
from people import BROKER as PEOPLE
from people import Owner
from sound import DESKTOP, PHONE, sound

BROKER = PEOPLE


def opened(broker, page):
    """The page of an account that has spent, opened by its passkey; (owner, its path)."""
    page.authenticator()
    page.goto(broker.url + "/c/none")
    owner = Owner(broker, page)
    owner.enrol_passkey()
    owner.link()
    owner.paid = owner.session()
    owner.spend(owner.paid, "20.00")
    asked = broker.service.call("Accounts.View", account=owner.account, return_url=RETURN_URL)
    page.goto(asked["challenge"]["url"])
    if page.has_id("open"):
        page.press_id("open")
    page.press_id("confirm", leaves=False)
    page.wait_for("Corner Shop")
    assert page.url().startswith(broker.url + "/l/")
    return owner


def places(page):
    return page.evaluate("() => [...document.querySelectorAll('a')].map(a => a.href).filter(u => u.includes('/l/'))")


@pytest.mark.parametrize("size, dark", [(PHONE, True), (DESKTOP, False)], ids=["phone-dark", "desktop-light"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_page_of_it(broker, open_page, locale, size, dark):
    page = open_page(locale, *size, dark=dark)
    owner = opened(broker, page)
    name = f"view-{locale}-{'phone-dark' if dark else 'desktop-light'}"
    sound(page, name)
    assert owner.account not in page.text() and ("¥20.00" in page.text())
    seen = {}
    for place in places(page):
        seen.setdefault(place.split("/l/")[1].split("?")[0].split("#")[0].partition("/")[2].partition("/")[0], place)
    assert {"history", "limits", "unlink"} <= set(seen), seen
    for place, url in sorted(seen.items()):
        if place:
            assert page.goto(url) == 200
            sound(page, f"{name}-{place}")


def test_narrow(broker, open_page):
    page = open_page(width=320, height=568)
    opened(broker, page)
    sound(page, "view-320px")
    for url in places(page):
        page.goto(url)
        sound(page)


def test_another_browser_sees_nothing(broker, open_page):
    page, other = open_page(), open_page()
    opened(broker, page)
    assert other.goto(page.url()) == 403 and "20.00" not in other.text()
    sound(other, "view-another-browser")


def test_a_limit_is_lowered_at_once(broker, open_page):
    page = open_page()
    owner = opened(broker, page)
    page.goto(next(url for url in places(page) if "/limits/" in url and "account" not in url))
    page.run("async s => s.page.locator('input[name=per_day]').fill('25')")
    page.run("async s => s.page.locator('button[name=do][value=limit]').first().click()")
    page.wait_for("holds from now on")
    sound(page, "view-lowered")
    assert owner.authorize(owner.paid, owner.payment("10.00"))["reason"] == "limit_day"
