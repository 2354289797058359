# SPDX-License-Identifier: Apache-2.0
"""My linked IDs, whatever an engine says: names are text, wrong answers end well, and forms go where they should."""
import hashlib
import re

import pytest

from fake_engine import Error
from pages import Browser, Page

I = "org.countersign.Internal."
EVIL = '"><script>alert(1)</script>&\'x'
LIMITS = {"currency": "CNY", "per_day": "1000.00"}
SPENT = {"currency": "CNY", "exponent": 2, "today": "5.00", "month": "1234.50", "limits": LIMITS, "own": {"currency": "CNY"},
         "waiting": {"currency": "CNY", "per_day": "2000.00", "effective_at": "2026-11-23T10:00:00Z"},
         "days": ",".join(["0"] * 27 + ["5", "123456", "500"])}
LINK = {"id": "link_1", "provider": "apple", "title": EVIL, "person": EVIL, "state": "active", "since": "2026-01-31T23:30:00Z",
        "spent": [SPENT], "holds": [{"amount": "5.00", "currency": "CNY", "payee": EVIL, "service": EVIL,
                                     "at": "2026-11-22T09:00:00Z", "expires_at": "2026-11-29T09:00:00Z"}], "holds_more": 3,
        "allowances": [{"id": "allow_1", "kind": "allowance", "service": "checkout", "any_payee": False, "payee": EVIL,
                        "currency": "CNY", "per_payment": "10.00", "per_day": "20.00", "total": "50.00", "left": "40.00",
                        "expires_at": "2026-12-22T09:00:00Z"}]}
SHOWN = {"state": "open", "account_hint": "li***n", "service": "checkout", "offset_s": 28800, "now": "2026-11-22T10:00:00Z",
         "chart_from": 0, "return_url": "javascript:alert(1)", "spent": [SPENT], "links": [LINK], "cut": False,
         "news": {"kind": "denied", "text_en": EVIL, "text_zh": EVIL, "title": EVIL},
         "factors": [{"kind": "totp", "label": EVIL, "since": "2026-01-01T00:00:00Z", "state": "locked",
                      "until": "2026-11-22T11:00:00Z", "depends": [EVIL, "Google"]}]}
ENTRY = {"kind": EVIL, "at": EVIL, "title": EVIL, "service": EVIL, "payee": EVIL, "amount": EVIL, "currency": EVIL,
         "text_en": EVIL, "state": EVIL}
ALL = ("/l/tok", "/l/tok/history", "/l/tok/limits/link_1", "/l/tok/limits/account", "/l/tok/unlink/link_1",
       "/l/tok/not-me/link_1", "/l/tok/revoke/allow_1", "/l/tok/unlink/gone")


@pytest.fixture
def browser(gateway, ask):
    name = "__Host-step-" + hashlib.sha256(b"step cookie\0tok\0").hexdigest()[:16]
    b = Browser(gateway, ask)
    b.cookies = {name: "binding-1"}
    gateway.engine.answers.update({
        I + "ViewGet": lambda p: SHOWN,
        I + "ViewHistory": lambda p: {"entries": [ENTRY], "unavailable": False, "offset_s": 0, "now": "2026-11-22T10:00:00Z",
                                      "next": 7}})
    return b


@pytest.mark.parametrize("path", ALL)
def test_names_are_text(browser, path):
    r = browser.go("GET", path)
    assert r.status == 200 and "<script" not in r.text and "javascript:" not in r.text
    assert Page(r).all("h1")


def test_amounts_come_in_the_readers_language_and_zone(browser):
    text = browser.go("GET", "/l/tok").text.replace("\xa0", " ")
    assert "¥1,234.50 <small>CNY</small>" in text and "1 Feb 2026" in text and "23 Nov 2026, 18:00" in text
    assert "UTC+8" in text and "Highest day:" in text and text.count("<rect") == 30
    assert "¥1,234.56" in text and "21 Nov" in text
    assert "2026年2月1日" in browser.go("GET", "/l/tok?lang=zh").text


@pytest.mark.parametrize("days", ["", "1,2", "x" * 30, ",".join(["9" * 40] * 30), ",".join(["1"] * 31), "-1" + ",0" * 29])
def test_a_chart_of_anything(gateway, browser, days):
    shown = {**SHOWN, "links": [{**LINK, "spent": [{**SPENT, "days": days}]}]}
    gateway.engine.answers[I + "ViewGet"] = lambda p: shown
    assert browser.go("GET", "/l/tok").status == 200


@pytest.mark.parametrize("first", [-1, 30, 10 ** 12, 5])
def test_days_that_are_not_known(gateway, browser, first):
    gateway.engine.answers[I + "ViewGet"] = lambda p: {**SHOWN, "chart_from": first}
    r = browser.go("GET", "/l/tok")
    assert r.status == 200 and r.text.count("<rect") == (25 if first == 5 else 0)


def test_what_is_missing_is_left_out(gateway, browser):
    gateway.engine.answers[I + "ViewGet"] = lambda p: {"state": "open"}
    assert browser.go("GET", "/l/tok").status == 200


@pytest.mark.parametrize("error, parameters, status", [
    ("NotFound", {"what": "view"}, 410), ("NotFound", {"what": "page"}, 404), ("NotPermitted", {"right": "browser"}, 403),
    ("InvalidParameter", {"field": "token", "reason": "x"}, 400), ("Unavailable", {"what": "store"}, 503),
    ("NotFound", {"what": "countersignature"}, 303)])
def test_every_no_has_a_page(gateway, browser, error, parameters, status):
    def say(p):
        raise Error("org.countersign." + error, **parameters)
    gateway.engine.answers[I + "ViewGet"] = say
    assert browser.go("GET", "/l/tok").status == status


def test_a_chart_in_the_making_is_waited_for_and_not_for_ever(gateway, browser):
    calls = []

    def get(p):
        calls.append(p)
        return SHOWN if len(calls) == 5 else {"state": "reading"}
    gateway.engine.answers[I + "ViewGet"] = get
    assert browser.go("GET", "/l/tok").status == 200 and len(calls) == 5
    assert browser.go("GET", "/l/tok").status == 503 and len(calls) < 60


def test_a_browser_without_the_cookie_is_not_even_asked_about(gateway, browser, ask):
    stranger = Browser(gateway, ask)
    before = len(gateway.engine.asked(I + "ViewGet"))
    assert stranger.go("GET", "/l/tok").status == 403
    assert len(gateway.engine.asked(I + "ViewGet")) == before


def test_a_form_says_what_was_meant(gateway, browser):
    gateway.engine.answers[I + "ViewLimit"] = lambda p: {"outcome": "step_up", "page": "next"}
    text = browser.go("GET", "/l/tok/limits/link_1").text
    proof = re.search(r'name="proof" value="([^"]*)"', text).group(1)
    r = browser.go("POST", "/l/tok/limits/link_1", {"do": "limit", "proof": proof, "currency": "CNY", "link": "link_1",
                                                     "per_day": "1,500.00", "per_payment": "", "per_month": "9" * 90})
    assert r.status == 303 and r.headers["Location"] == "/c/next"
    asked = gateway.engine.asked(I + "ViewLimit")[-1]["parameters"]
    assert (asked["per_day"], asked["per_month"], asked["link"]) == ("1500.00", "?", "link_1")
    assert "per_payment" not in asked and asked["cookie"] == "binding-1"
    assert any(v == "binding-1" and "tok" not in k for k, v in browser.cookies.items())


@pytest.mark.parametrize("page", ["../evil", "a/b", "x" * 90, "a\r\nSet-Cookie: b=c"])
def test_a_place_to_go_on_is_a_token(gateway, browser, page):
    gateway.engine.answers[I + "ViewResume"] = lambda p: {"outcome": "step_up", "page": page}
    text = browser.go("GET", "/l/tok").text.replace("\xa0", " ")
    proof = re.search(r'name="proof" value="([^"]*)"', text).group(1)
    r = browser.go("POST", "/l/tok", {"do": "resume", "proof": proof, "link": "link_1"})
    assert r.status == 503 or r.headers["Location"] == "/l/tok"


@pytest.mark.parametrize("do", ["", "open", "drop", "unlink "])
def test_other_deeds_are_not_done(browser, do):
    text = browser.go("GET", "/l/tok").text.replace("\xa0", " ")
    proof = re.search(r'name="proof" value="([^"]*)"', text).group(1)
    assert browser.go("POST", "/l/tok", {"do": do, "proof": proof}).status == (303 if do == "open" else 400)
