# SPDX-License-Identifier: Apache-2.0
"""A device that approves, in a real browser: registered on its page, it says yes to what waits in another browser."""
import pytest

from harness import Person
from sound import sound

STACK = """link    requisite   provider    sandbox
link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   requisite   session     max-age=30d
spend   required    stepup      any=approve
"""
BROKER = {"stack": STACK, "extra": """factor "approve" {
    plugin "approve" servers 1 deadline 20s cooling-off 0
    set rp-id "localhost"
    set origin "{url}"
}"""}
WORDS = {"en-US": {"show": "Show requests", "none": "Nothing waits", "approved": "Approved.", "refuse": "Refuse",
                   "wrong": "That was not the number", "done": "Confirmed.", "not_me": "This was not me", "refused": "Refused."},
         "zh-CN": {"show": "显示请求", "none": "没有等待", "approved": "已批准", "refuse": "拒绝", "wrong": "数字不对", "done": "已确认",
                   "not_me": "这不是我本人的操作", "refused": "已拒绝"}}


def register(broker, device):
    """An owner whose device this page is from now on."""
    person = Person(broker)
    person.enrol()
    person.link()
    begin = dict(account=person.account, kind="approve", label="tablet")
    asked = broker.service.call("Factors.Begin", **begin)
    person.confirm(asked["challenge"]["id"])
    begun = broker.service.call("Factors.Begin", **begin, challenge=asked["challenge"]["id"])
    device.goto(begun["url"])
    device.press_id("open")
    device.authenticator()
    device.press_id("confirm")
    device.wait_id("device")
    return person


def ask(person, surface, amount="20.00"):
    """A payment whose page this one shows: the number on it."""
    answer = person.authorize(person.session(), person.payment(amount))
    surface.goto(answer["challenge"]["url"])
    surface.press_id("open")
    surface.wait_id("wait")
    return surface.evaluate("() => document.querySelector('.number').textContent"), answer["challenge"]["id"]


def look(broker, device, words):
    device.goto(broker.url + "/d")
    device.click(words["show"])


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_approved_on_the_device_while_the_other_page_waits(broker, open_page, locale):
    words = WORDS[locale]
    device, surface = open_page(locale, width=390, height=844), open_page(locale)
    person = register(broker, device)
    device.screenshot(f"device-registered-{locale}")
    look(broker, device, words)
    device.wait_for(words["none"])
    sound(device, f"device-none-{locale}")
    number, _ = ask(person, surface)
    # It comes by itself.
    device.wait_for("20.00")
    assert "Corner Shop" in device.text() and "checkout" in device.text()
    sound(device, f"device-request-{locale}")
    device.click(number)
    device.wait_for(words["approved"])
    sound(device, f"device-approved-{locale}")
    surface.wait_for(words["done"])


def test_wrong_number_ends_it_on_both(broker, open_page):
    words = WORDS["en-US"]
    device, surface = open_page(width=390, height=844), open_page()
    person = register(broker, device)
    number, challenge = ask(person, surface)
    look(broker, device, words)
    offered = device.evaluate("() => [...document.querySelectorAll('[name=number]')].map(b => b.value)")
    assert number in offered
    device.click(next(n for n in offered if n != number))
    device.wait_for(words["wrong"])
    sound(device, "device-wrong-number")
    surface.wait_for("Refused")
    assert broker.service.call("StepUp.Get", challenge=challenge)["state"] == "refused"


def test_user_does_not_unlock_the_passkey(broker, open_page):
    """Nothing is sent; then it is, and it is right."""
    words = WORDS["en-US"]
    device, surface = open_page(width=390, height=844), open_page()
    person = register(broker, device)
    number, _ = ask(person, surface)
    look(broker, device, words)
    device.user_verifies(False)
    device.click(number)
    device.wait_for("The passkey was not used, and nothing was approved.")
    device.user_verifies(True)
    device.click(number)
    device.wait_for(words["approved"])


def test_two_requests_dark(broker, open_page):
    words = WORDS["en-US"]
    device, surface, other = open_page(width=390, height=844, dark=True), open_page(), open_page()
    person = register(broker, device)
    ask(person, surface, "20.00")
    _, challenge = ask(person, other, "234.50")
    look(broker, device, words)
    device.wait_for("234.50")
    sound(device, "device-two-dark")
    assert device.run("async s => s.page.locator('.request').count()") == 2
    device.run("""async s => { const next = s.page.waitForEvent('load');
        await s.page.locator('.request', {hasText: '234.50'}).getByRole('button', {name: 'Refuse', exact: true}).click(); await next; }""")
    device.wait_for(words["refused"])
    assert broker.service.call("StepUp.Get", challenge=challenge)["state"] == "refused"
    assert "20.00" in device.text()


def test_without_a_script_one_can_refuse(broker, open_page):
    words = WORDS["en-US"]
    device, surface, bare = open_page(), open_page(), open_page(width=390, height=844, scripts=False)
    person = register(broker, device)
    _, challenge = ask(person, surface)
    cookies = device.run("async s => s.context.cookies()")
    bare.run("async (s, cookies) => s.context.addCookies(cookies)", [c for c in cookies if c["name"] == "__Host-device"])
    look(broker, bare, words)
    text = bare.text()
    assert "Approving needs JavaScript" in text and "20.00" in text
    assert not bare.run("async s => s.page.locator('[name=number]').first().isVisible()")
    bare.screenshot("device-without-a-script")
    bare.click(words["not_me"])
    bare.wait_for("frozen")
    assert broker.service.call("StepUp.Get", challenge=challenge)["state"] == "refused"
