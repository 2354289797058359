# SPDX-License-Identifier: Apache-2.0
"""The step-up page in a real browser: everything that an owner does on it, and what others must not learn."""
import pytest

from people import BROKER as PEOPLE
from people import Owner
from sound import DESKTOP, PHONE, sound

BROKER = PEOPLE
WORDS = {  # what stands on the card
    "en-US": ("Confirm this payment?", "¥20.00 CNY", "Corner Shop", "checkout", "sandbox", "Confirmed."),
    "zh-CN": ("确认这笔付款？", "¥20.00 人民币", "Corner Shop", "checkout", "sandbox", "已确认。"),
}
SECRETS = ("20.00", "Corner", "checkout", "sandbox", "CNY", "m-7")


@pytest.fixture
def owner(broker, open_page):
    """With a passkey in a page in English, at a desk."""
    return owner_of(broker, open_page())


def owner_of(broker, page):
    page.authenticator()
    page.goto(broker.url + "/c/none")
    person = Owner(broker, page)
    person.enrol_passkey()
    person.link()
    return person


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_payment_countersigned_by_a_passkey(broker, open_page, locale, size, dark):
    page = open_page(locale, *size, dark=dark)
    owner = owner_of(broker, page)
    session, payment, url = owner.ask("20.00")
    name = f"{locale}-{'phone' if size == PHONE else 'desktop'}-{'dark' if dark else 'light'}"
    page.requests()
    assert page.goto(url) == 200
    sound(page, f"step-{name}-1-link")
    page.press_id("open")
    *card, done = WORDS[locale]
    text = page.text()
    for word in card:
        assert word in text
    sound(page, f"step-{name}-2-card")
    page.press_id("confirm")
    page.wait_for(done)
    sound(page, f"step-{name}-3-done")
    assert page.link("https://shop.example/done")
    assert all(one.startswith(broker.url + "/") for one in page.requests()), "it talks to nobody else"
    assert owner.authorize(session, payment)["reason"] == "countersigned"


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_without_scripts_a_code_does(broker, open_page, locale):
    person = broker.person()
    person.__class__ = Owner
    session, payment, url = person.ask("20.00")
    page = open_page(locale, *PHONE, scripts=False)
    page.goto(url)
    page.press_id("open")
    for word in WORDS[locale][:-1]:
        assert word in page.text()
    page.fill_id("code1", person.totp.wrong())
    page.press_id("confirm")
    assert "4" in page.text_of("problem")
    page.screenshot(f"step-{locale}-phone-wrong")
    page.fill_id("code1", person.totp.code()[:3] + " " + person.totp.at(person.totp.used)[3:])
    page.press_id("confirm")
    assert WORDS[locale][-1] in page.text()
    page.screenshot(f"step-{locale}-phone-no-script-done")
    assert owner_authorizes(person, session, payment) == "countersigned"


def owner_authorizes(person, session, payment):
    return person.authorize(session, payment)["reason"]


def test_without_scripts_a_passkey_says_what_it_needs(broker, owner, open_page):
    _, _, url = owner.ask()
    page = open_page(scripts=False)
    page.goto(url)
    page.press_id("open")
    assert "needs JavaScript" in page.text_of("passkey-needs")
    page.press_id("refuse")
    assert "Refused." in page.text()


def test_refusing_takes_one_press(broker, owner):
    session, payment, url = owner.ask()
    owner.page.goto(url)
    owner.page.press_id("open")
    owner.page.press_id("refuse")
    assert "Refused." in owner.page.text() and "Nothing was done." in owner.page.text()
    sound(owner.page, "step-refused")
    assert owner_authorizes(owner, session, payment) == "challenge_refused"
    assert broker.service.call("Accounts.Get", account=owner.account).get("frozen", []) == []


def test_not_me_freezes_with_one_press(broker, owner):
    _, _, url = owner.ask()
    owner.page.goto(url)
    owner.page.press_id("open")
    owner.page.press_id("report")
    assert "frozen" in owner.page.text()
    sound(owner.page, "step-not-me")
    assert broker.service.call("Accounts.Get", account=owner.account)["frozen"] == [owner.link_id]


def test_a_user_who_is_not_verified_may_try_again(owner):
    session, payment, url = owner.ask()
    page = owner.page
    page.user_verifies(False)
    page.goto(url)
    page.press_id("open")
    page.press_id("confirm", leaves=False)
    page.wait_for("The passkey was not used.")
    sound(page, "step-passkey-failed")
    page.user_verifies(True)
    page.press_id("confirm", leaves=False)
    page.wait_for("Confirmed.")
    assert owner_authorizes(owner, session, payment) == "countersigned"


def test_another_passkey_is_none_of_the_account(owner, open_page, broker):
    """The device holds a passkey of another account alone: it is not even offered."""
    _, _, url = owner.ask()
    page = open_page()
    owner_of(broker, page)
    page.goto(url)
    page.press_id("open")
    page.press_id("confirm", leaves=False)
    page.wait_for_any("The passkey was not used.", "That was not right.")
    assert "Confirmed." not in page.text()


def test_by_keyboard_alone(owner):
    session, payment, url = owner.ask()
    page = owner.page
    page.goto(url)
    page.tab_to("open")
    page.press("Enter")
    page.wait_id("confirm")
    page.tab_to("confirm")
    page.press("Enter")
    page.wait_for("Confirmed.")
    assert owner_authorizes(owner, session, payment) == "countersigned"


def test_the_language_may_be_switched(owner):
    _, _, url = owner.ask()
    page = owner.page
    page.goto(url)
    page.press_id("open")
    assert page.evaluate("() => document.documentElement.lang") == "en"
    page.click("简体中文", page.role_of("简体中文"))
    assert "确认这笔付款？" in page.text() and page.evaluate("() => document.documentElement.lang").startswith("zh")
    page.click("English", page.role_of("English"))
    assert "Confirm this payment?" in page.text()


@pytest.mark.parametrize("width", [320, 640])
def test_narrow_and_zoomed(owner, width):
    """320 pixels are a small phone, or a desk at 400 %; 640 are a desk at 200 %."""
    _, _, url = owner.ask("999.99", name="A shop with a very long name, GmbH & Co. KGaA " + "苹果商店" * 6)
    page = owner.page
    page.resize(width, 400)
    page.goto(url)
    sound(page)
    page.press_id("open")
    sound(page, f"step-{width}px")


# --- what others learn, and what a second submit does ---

def test_a_link_reveals_nothing_until_a_button_is_pressed(owner, open_page):
    """Attack S17: previews and prefetchers ask; whoever looks over a shoulder sees no card."""
    _, _, url = owner.ask()
    preview = open_page()
    for _ in range(3):
        assert preview.goto(url) == 200
        assert not any(secret in preview.html().split("</style>")[1] for secret in SECRETS)
    owner.page.goto(url)
    owner.page.press_id("open")
    assert "¥20.00" in owner.page.text()


def test_another_browser_with_the_link_learns_nothing(owner, open_page):
    _, _, url = owner.ask()
    owner.page.goto(url)
    owner.page.press_id("open")
    thief = open_page()
    assert thief.goto(url) == 403
    assert not any(secret in thief.html().split("</style>")[1] for secret in SECRETS)
    sound(thief, "dead-another-browser")
    owner.page.press_id("confirm")
    owner.page.wait_for("Confirmed.")


@pytest.mark.parametrize("path, status, shot", [("/c/x", 400, "malformed"), ("/c/" + "a" * 26, 404, "unknown")])
def test_links_that_never_were(broker, open_page, path, status, shot):
    page = open_page("zh-CN", *PHONE)
    assert page.goto(broker.url + path) == status
    sound(page, f"dead-{shot}")


def test_a_link_that_expired(broker, owner, open_page):
    _, _, url = owner.ask()
    owner.page.goto(url)
    owner.page.press_id("open")
    broker.clock.advance(6 * 60_000)
    owner.page.press_id("confirm", leaves=False)
    owner.page.wait_for("expired")
    sound(owner.page, "dead-expired-form")
    assert owner.page.goto(url) == 200 and "expired" in owner.page.text()
    stranger = open_page()
    assert stranger.goto(url) == 410
    sound(stranger, "dead-expired")


def test_a_link_that_was_replaced(owner, open_page):
    session, payment, old = owner.ask()
    new = owner.authorize(session, payment)["challenge"]["url"]
    assert new != old
    page = open_page()
    assert page.goto(old) == 410
    sound(page, "dead-used")
    assert page.goto(new) == 200


# The form as it stands, sent by the page itself; the statuses of both.
SEND_TWICE = """async value => {
    const form = document.getElementById("answer"), data = new URLSearchParams(new FormData(form));
    data.set("do", "answer"); data.set("code1", value);
    const send = () => fetch(location.pathname, {method: "POST", body: data}).then(r => r.status);
    return [await send(), await send()];
}"""


def test_a_double_submit_is_one_submit(broker, open_page):
    person = broker.person()
    person.__class__ = Owner
    session, payment, url = person.ask()
    page = open_page()
    page.goto(url)
    page.press_id("open")
    assert page.evaluate(SEND_TWICE, person.totp.wrong()) == [200, 200]
    challenge = person.authorize(session, payment)["challenge"]["id"]
    assert broker.service.call("StepUp.Get", challenge=challenge)["attempts_left"] == 4


def test_two_presses_are_one(owner):
    session, payment, url = owner.ask()
    page = owner.page
    page.goto(url)
    page.press_id("open")
    page.run("async s => s.page.locator('#confirm').dblclick()")
    page.wait_for("Confirmed.")
    assert owner_authorizes(owner, session, payment) == "countersigned"


def test_a_reload_and_the_way_back_keep_the_card(owner):
    _, _, url = owner.ask()
    page = owner.page
    page.goto(url)
    page.press_id("open")
    page.run("async s => s.page.goto(s.page.url())")
    assert "¥20.00" in page.text()
    page.press_id("confirm")
    page.wait_for("Confirmed.")


def test_names_are_text(broker, open_page):
    """Attack X4: markup in names is shown, not obeyed; the content policy has nothing to refuse."""
    page = open_page()
    owner = owner_of(broker, page)
    _, _, url = owner.ask(name="<img src=x onerror=alert(1)><script>alert(2)</script>")
    page.goto(url)
    page.press_id("open")
    assert "<img src=x onerror=alert(1)>" in page.text()
    assert page.evaluate("() => document.images.length + document.querySelectorAll('dl script').length") == 0


def test_the_checker_of_accessibility_does_check(open_page, broker):
    page = open_page()
    page.goto(broker.url + "/c/x")
    page.evaluate("() => { document.body.append(document.createElement('img')); }")
    assert "image-alt" in [rule for _, rule, _ in page.axe()]
