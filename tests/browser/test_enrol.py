# SPDX-License-Identifier: Apache-2.0
"""The enrolment page in a real browser: a passkey made, an app's QR code, printed codes, and what is shown to nobody else."""
import pytest

from harness import RETURN_URL, Totp
from people import EXTRA, STACK, Owner
from sound import DESKTOP, PHONE, sound

BROKER = {"stack": STACK, "extra": EXTRA + '\nfactor "recovery" { plugin "recovery" servers 1 deadline 20s cooling-off 0 }\n'}


def begin(person, kind="webauthn", challenge=None):
    begun = person.service.call("Factors.Begin", account=person.account, kind=kind, label="laptop", challenge=challenge,
                                proof=None if challenge else "passport", return_url=RETURN_URL)
    assert begun["outcome"] == "permit", begun
    return begun["url"]


def kinds(person):
    return [factor["kind"] for factor in person.service.call("Factors.List", account=person.account)["factors"]]


@pytest.mark.parametrize("size, dark", [(PHONE, True), (DESKTOP, False)], ids=["phone-dark", "desktop-light"])
@pytest.mark.parametrize("locale, done", [("en-US", "Added."), ("zh-CN", "已添加。")])
def test_a_passkey_is_made_and_countersigns(broker, open_page, locale, done, size, dark):
    """From nothing to a permit, all on our pages."""
    page = open_page(locale, *size, dark=dark)
    page.authenticator()
    owner = Owner(broker, page)
    name = f"enrol-{locale}-{'phone-dark' if dark else 'desktop-light'}"
    assert page.goto(begin(owner)) == 200
    assert "laptop" not in page.text()
    sound(page, name + "-1-link")
    page.press_id("open")
    assert "laptop" in page.text() and owner.account not in page.text()
    sound(page, name + "-2-passkey")
    page.press_id("confirm", leaves=False)
    page.wait_for(done)
    sound(page, name + "-3-done")
    assert page.link(RETURN_URL) and len(page.credentials()) == 1
    owner.link()
    session, payment, url = owner.ask()
    page.goto(url)
    page.press_id("open")
    page.press_id("confirm", leaves=False)
    page.wait_for("Confirmed." if locale == "en-US" else "已确认。")
    assert owner.authorize(session, payment)["reason"] == "countersigned"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_an_app_is_added(broker, open_page, scripts):
    page = open_page("zh-CN", *PHONE, scripts=scripts)
    owner = Owner(broker, page)
    page.goto(begin(owner, "totp"))
    page.press_id("open")
    app = Totp(broker.clock, page.run("async s => s.page.locator('#app').getAttribute('href')"))
    sound(page, f"enrol-totp-{'scripts' if scripts else 'no-scripts'}")
    page.fill_id("code1", app.wrong())
    page.press_id("confirm")
    assert page.text_of("problem") and "otpauth" in page.html()
    sound(page)
    page.fill_id("code1", app.code())
    page.press_id("confirm")
    assert "已添加。" in page.text() and "otpauth" not in page.html() and kinds(owner) == ["totp"]


def test_codes_to_print(broker, open_page):
    page = open_page()
    page.authenticator()
    page.goto(broker.url + "/c/none")
    owner = Owner(broker, page)
    owner.enrol_passkey()
    challenge = owner.service.call("Factors.Begin", account=owner.account, kind="recovery")["challenge"]["id"]
    owner.confirm(challenge)
    page.goto(begin(owner, "recovery", challenge))
    page.press_id("open")
    codes = page.run("async s => s.page.locator('#shown li').allInnerTexts()")
    assert len(codes) == 10 and page.run("async s => s.page.locator('#print').isVisible()")
    sound(page, "enrol-recovery-codes")
    page.run("async s => s.page.emulateMedia({media: 'print'})")
    assert not page.run("async s => s.page.locator('#print').isVisible()") and codes[9] in page.text()
    page.screenshot("enrol-recovery-codes-print")
    page.run("async s => s.page.emulateMedia({media: 'screen'})")
    page.run("async (s, value) => s.page.locator('#answer input:visible').first().fill(value)", codes[3].lower())
    page.press_id("confirm")
    assert "Added." in page.text() and codes[3] not in page.html()


def test_cancelled(broker, open_page):
    page = open_page()
    owner = Owner(broker, page)
    url = begin(owner, "totp")
    page.goto(url)
    page.press_id("open")
    page.press_id("refuse")
    assert "Nothing was added." in page.text()
    sound(page, "enrol-cancelled")
    assert page.goto(url) == 410
    sound(page)


def test_the_secret_is_for_one_browser(broker, open_page):
    """Attack S17 on an enrolment: whoever else has the link sees no secret, before and after."""
    mine, other = open_page(), open_page()
    owner = Owner(broker, mine)
    url = begin(owner, "totp")
    other.goto(url)
    assert "otpauth" not in other.html()
    mine.goto(url)
    mine.press_id("open")
    assert other.goto(url) == 403 and "otpauth" not in other.html()
    mine.goto(url)
    assert "otpauth" in mine.html(), "a reload shows it to its own browser"


def test_a_device_that_makes_no_passkey(broker, open_page):
    page = open_page()
    page.authenticator()
    page.user_verifies(False)
    owner = Owner(broker, page)
    page.goto(begin(owner))
    page.press_id("open")
    page.press_id("confirm", leaves=False)
    page.wait_for("No passkey was made.")
    sound(page, "enrol-no-passkey")
    page.user_verifies(True)
    page.press_id("confirm", leaves=False)
    page.wait_for("Added.")


def test_without_scripts_it_says_what_a_passkey_needs(broker, open_page):
    page = open_page("zh-CN", scripts=False)
    page.goto(begin(Owner(broker, page)))
    page.press_id("open")
    assert "JavaScript" in page.text_of("passkey-needs")
    sound(page, "enrol-passkey-no-scripts")


@pytest.mark.parametrize("kind", ["webauthn", "totp"])
def test_narrow(broker, open_page, kind):
    page = open_page(width=320, height=568)
    page.goto(begin(Owner(broker, page), kind))
    page.press_id("open")
    sound(page, f"enrol-{kind}-320px")


@pytest.mark.parametrize("path, status", [("/e/x", 400), ("/e/" + "a" * 26, 404)])
def test_links_that_never_were(broker, open_page, path, status):
    page = open_page()
    assert page.goto(broker.url + path) == status
    sound(page)
