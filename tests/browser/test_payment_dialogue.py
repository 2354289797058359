# SPDX-License-Identifier: Apache-2.0
"""Secure Payment Confirmation: the browser itself shows amount and payee, and what it showed is signed with them."""
import base64
import json
import urllib.parse

import pytest

from browser import Chromium
from people import BROKER as PEOPLE
from people import Owner

BROKER = {**PEOPLE, "extra": PEOPLE["extra"].replace("set rp-id", "set payment-confirmation yes\n    set rp-id")}
# Chromium has it on Linux, and leaves it off.
FLAGS = ["--enable-features=SecurePaymentConfirmationBrowser,SecurePaymentConfirmationDebug"]


@pytest.fixture(scope="module")
def chromium(running):
    chromium = Chromium(running, FLAGS)
    yield chromium
    chromium.stop()


@pytest.fixture
def owner(broker, open_page):
    page = open_page()
    page.authenticator()
    page.goto(broker.url + "/c/none")
    person = Owner(broker, page)
    person.enrol_passkey()
    person.link()
    page.run("async s => { s.posts = []; s.page.on('request', r => { if (r.method() === 'POST') s.posts.push(r.postData()); }); }")
    return person


def dialogue(page, mode):
    """What the user does in the browser's dialogue: autoAccept, autoReject."""
    page.run("async (s, mode) => s.cdp.send('Page.setSPCTransactionMode', {mode})", mode)


def signed(page):
    """The client data of the last answer that was posted."""
    form = dict(urllib.parse.parse_qsl(page.run("async s => s.posts.at(-1)")))
    data = json.loads(form["value1"])["response"]["clientDataJSON"]
    return json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))


def test_what_the_browser_showed_is_signed(owner):
    session, payment, url = owner.ask("234.50")
    page = owner.page
    page.goto(url)
    page.press_id("open")
    dialogue(page, "autoAccept")
    page.press_id("confirm", leaves=False)
    page.wait_for("Confirmed.")
    data = signed(page)
    assert data["type"] == "payment.get"
    assert data["payment"]["total"] == {"value": "234.50", "currency": "CNY"}
    assert data["payment"]["payeeName"] == "Corner Shop"
    assert owner.authorize(session, payment)["reason"] == "countersigned"


def test_refused_in_the_dialogue(owner):
    session, payment, url = owner.ask("234.50")
    page = owner.page
    page.goto(url)
    page.press_id("open")
    dialogue(page, "autoReject")
    page.press_id("confirm", leaves=False)
    page.wait_for("The passkey was not used.")
    assert owner.authorize(session, payment)["outcome"] == "step_up"


def test_after_a_refusal_the_passkey_is_asked_the_usual_way(owner):
    """Whoever tries again is not sent into the same dialogue: the page shows all that it did."""
    session, payment, url = owner.ask("234.50")
    page = owner.page
    page.goto(url)
    page.press_id("open")
    dialogue(page, "autoReject")
    page.press_id("confirm", leaves=False)
    page.wait_for("The passkey was not used.")
    page.press_id("confirm", leaves=False)
    page.wait_for("Confirmed.")
    assert signed(page)["type"] == "webauthn.get"
    assert owner.authorize(session, payment)["reason"] == "countersigned"


def test_the_dialogue_is_for_payments_alone(owner):
    """Another operation has no total: the passkey is asked the usual way."""
    asked = owner.service.call("Accounts.View", account=owner.account)
    page = owner.page
    page.goto(asked["challenge"]["url"])
    if page.has_id("open"):
        page.press_id("open")
    page.press_id("confirm", leaves=False)
    page.wait_for("sandbox")
    assert signed(page)["type"] == "webauthn.get"
