# SPDX-License-Identifier: Apache-2.0
"""The page of a device that approves: what it shows, to whom, and what it takes from whom."""
import re

import pytest

from fake_engine import Error
from pages import Browser, Page
from test_pages import CARD

I = "org.countersign.Internal."
DEVICE = "a" * 103
NUMBERS = [{"number": n, "challenge": "Y2hhbGxlbmdl" + n} for n in ("83", "47", "12")]
SIGNED = '{"id":"x"}'


def request(n=1, **card):
    return {"challenge": f"chal_{n}", "round": n, "card": {**CARD, **card}, "numbers": NUMBERS}


@pytest.fixture
def engine(gateway):
    """A device with one request, whose number is 47."""
    state = {"requests": [request()], "state": "open", "reply": None}

    def known(p):
        if p["cookie"] != DEVICE:
            raise Error("org.countersign.NotPermitted", right="device")

    def open_(p):
        known(p)
        return {"state": state["state"], "step": "fact_1", "label": "My <tablet>", "account_hint": "ma***42", "rp_id": "pay.example",
                "credential": "Y3JlZA", "requests": state["requests"], "seen": f"s{len(state['requests'])}",
                **({"until": "2026-11-22T10:00:00Z"} if state["state"] != "open" else {})}

    def answer(p):
        known(p)
        state["answered"] = p
        if isinstance(state["reply"], Exception):
            raise state["reply"]
        state["requests"] = []
        if state["reply"]:
            return state["reply"]
        return {"state": "done"} if p["number"] == 47 else {"state": "refused", "reason": "factor_rejected"}

    def refuse(p):
        known(p)
        state["refused"] = p
        state["requests"] = []
        return {"state": "refused"}

    gateway.engine.answers.update({I + "DeviceOpen": open_, I + "DeviceAnswer": answer, I + "DeviceRefuse": refuse})
    return state


@pytest.fixture
def browser(gateway, ask):
    browser = Browser(gateway, ask)
    browser.cookies["__Host-device"] = DEVICE
    return browser


def opened(browser):
    return Page(browser.go("POST", "/d", {"do": "open"}))


def press(browser, page, n=0, **fields):
    """A button of the n-th request, with what its form holds and what the script filled in."""
    inputs = [i for i in page.all("input", type="hidden")]
    each = len(inputs) // len([f for f in page.all("form") if "data-rp-id" in f])
    return browser.go("POST", "/d", {**{i["name"]: i["value"] for i in inputs[n * each:(n + 1) * each]}, **fields})


@pytest.mark.parametrize("site", [None, "none", "cross-site", "same-site"])
def test_get_shows_a_button_and_nothing_else(gateway, engine, browser, site):
    r = browser.go("GET", "/d", **({"Sec_Fetch_Site": site} if site else {}))
    page = Page(r)
    assert r.status == 200 and len(page.all("button")) == 1 and "Set-Cookie" not in r.headers
    for secret in ("20.00", "Corner", "checkout", "ma***42", "tablet", "47"):
        assert secret not in re.sub("<style>.*?</style>|<svg.*?</svg>", "", r.text, flags=re.S)
    assert gateway.engine.calls == []


def test_card_in_full_with_the_amount_first(engine, browser):
    r = browser.go("POST", "/d", {"do": "open"})
    page = Page(r)
    assert r.status == 200 and page.says("Confirm") and page.says("¥20.00")
    for text in ("<b>Corner</b> \"Shop\" & 'Co'", "checkout", "apple", "ma***42"):
        assert page.says(text), text
    assert "<b>" not in r.text and "<tablet>" not in r.text
    assert r.text.index("20.00") < r.text.index("Corner") < r.text.index("checkout")
    assert r.headers["Cache-Control"] == "no-store"


def test_three_numbers_and_two_ways_to_say_no(engine, browser):
    page = opened(browser)
    assert [(b["value"], b["data-challenge"]) for b in page.all("button", name="number")] == \
        [(n["number"], n["challenge"]) for n in NUMBERS]
    form = next(f for f in page.all("form") if "data-rp-id" in f)
    assert (form["data-rp-id"], form["data-credentials"]) == ("pay.example", "fact_1=Y3JlZA")
    # Without a script the numbers are hidden, and a notice says what they need; refusing is always there.
    assert all("hidden" in f for f in page.all("fieldset")) and page.says("Approving needs JavaScript")
    assert {b["value"] for b in page.all("button", name="do")} == {"refuse", "report", "open"}


def test_cookie_is_kept_for_long(engine, browser):
    r = browser.go("POST", "/d", {"do": "open"})
    cookie = next(c for c in r.headers.get_all("Set-Cookie") if c.startswith("__Host-device="))
    assert cookie == f"__Host-device={DEVICE}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000"


@pytest.mark.parametrize("cookie", [None, "", "b" * 103, "a b", "a" * 103 + "%0d%0a"])
def test_other_browsers(gateway, engine, ask, cookie):
    browser = Browser(gateway, ask)
    if cookie is not None:
        browser.cookies["__Host-device"] = cookie
    proof = {"challenge": "chal_1", "proof": "0" * 64}
    for r in (browser.go("POST", "/d", {"do": "open"}), browser.go("POST", "/d", {**proof, "do": "refuse"}),
              browser.go("POST", "/d", {**proof, "number": "47", "step1": "fact_1", "value1": SIGNED})):
        assert r.status == 403 and "20.00" not in r.text and "Set-Cookie" not in r.headers
    assert Page(browser.go("POST", "/d")).says("not registered")
    assert browser.go("GET", "/d/state").status == 403
    assert "answered" not in engine and "refused" not in engine


def test_approval(engine, browser):
    page = Page(press(browser, opened(browser), number="47", value1=SIGNED))
    assert engine["answered"] == {"cookie": DEVICE, "challenge": "chal_1", "number": 47, "round": 1,
                                  "answers": [{"step": "fact_1", "value": SIGNED}]}
    assert page.says("Approved.") and page.says("Nothing waits")


@pytest.mark.parametrize("reply,says", [
    ({"state": "refused", "reason": "factor_rejected"}, "That was not the number"),
    ({"state": "open", "reason": "factor_rejected"}, "passkey was not accepted"),
    ({"state": "open", "reason": "factor_locked"}, "may not approve that now"),
    ({"state": "open"}, "Your approval counts"), ({"state": "used"}, "Approved"), ({"state": "refused"}, "is over"),
    ({"state": "expired", "reason": "challenge_expired"}, "is over"), ({"state": "locked"}, "is over"),
    (Error("org.countersign.NotFound", what="challenge"), "is over"),
])
def test_what_became_of_an_answer(engine, browser, reply, says):
    engine["reply"] = reply
    assert Page(press(browser, opened(browser), number="12", value1=SIGNED)).says(says)


@pytest.mark.parametrize("fields", [{"number": "47"}, {"number": "470", "value1": SIGNED}, {"number": "", "value1": SIGNED}])
def test_a_number_without_a_signature_is_not_sent(engine, browser, fields):
    page = Page(press(browser, opened(browser), **fields))
    assert page.says("Nothing was approved") and "answered" not in engine


@pytest.mark.parametrize("word,report", [("refuse", False), ("report", True)])
def test_refusal(engine, browser, word, report):
    page = Page(press(browser, opened(browser), do=word))
    assert engine["refused"] == {"cookie": DEVICE, "challenge": "chal_1", "report": report}
    assert page.says("Refused") and page.says("frozen") == report


def test_two_requests_have_forms_of_their_own(engine, browser):
    engine["requests"] = [request(1), request(2, amount="90.00", payee="Other")]
    page = opened(browser)
    assert page.says("¥20.00") and page.says("¥90.00")
    press(browser, page, 1, do="refuse")
    assert engine["refused"]["challenge"] == "chal_2"
    # The proof is for one of them alone.
    inputs = {i["name"]: i["value"] for i in page.all("input", type="hidden")}
    assert browser.go("POST", "/d", {**inputs, "challenge": "chal_1", "do": "refuse"}).status == 403


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}])
def test_forms_of_others(engine, browser, headers):
    page = opened(browser)
    inputs = {i["name"]: i["value"] for i in page.all("input", type="hidden")}
    for fields in ({"do": "open"}, {**inputs, "do": "report"}):
        r = browser.go("POST", "/d", fields, **headers)
        assert r.status == 403 and "20.00" not in r.text
    assert "refused" not in engine


def test_looks_again_by_itself(engine, browser):
    r = browser.go("POST", "/d", {"do": "open"})
    assert '<noscript><meta http-equiv="refresh" content="5;url=/d"></noscript>' in r.text
    seen = Page(r).all("form", id="look")[0]["data-seen"]
    assert browser.go("GET", "/d/state").json == {"seen": seen}
    engine["requests"] = []
    assert browser.go("GET", "/d/state").json != {"seen": seen}
    engine["requests"] = [request()]
    assert Page(browser.go("GET", "/d", Sec_Fetch_Site="same-origin")).says("¥20.00")


@pytest.mark.parametrize("state,says", [("locked", "may not approve until"), ("cooling_off", "It may approve from")])
def test_not_yet_or_not_now(engine, browser, state, says):
    engine.update(state=state, requests=[])
    page = opened(browser)
    assert page.says(says) and page.all("time", datetime="2026-11-22T10:00:00Z")


def test_chinese(engine, browser):
    browser.language = "zh-CN"
    page = Page(browser.go("POST", "/d", {"do": "open"}))
    assert page.all("html")[0]["lang"] == "zh-Hans" and page.says("付款页面上显示的数字") and page.says("拒绝")
    assert page.says("这不是我本人的操作")


def test_registration_sets_the_cookie(gateway, ask):
    browser = Browser(gateway, ask)
    page = {"state": "open", "kind": "enrol", "cookie": "c-1", "factor": "approve", "account_hint": "ma***42", "service": "checkout",
            "steps": [{"id": "1", "type": "passkey", "label": "", "options": "{}"}]}
    gateway.engine.answers.update({
        I + "EnrolOpen": lambda p: page,
        I + "EnrolAnswer": lambda p: {"state": "done", "kind": "enrol", "device": DEVICE, "factor": {"state": "active"}}})
    first = Page(browser.go("POST", "/e/tok", {"do": "open"}))
    assert first.says("Register this device") and "__Host-device" not in browser.cookies
    r = browser.submit(first, step1="1", value1=SIGNED, do="answer")
    assert browser.cookies["__Host-device"] == DEVICE and Page(r).all("a", href="/d")
    # Another kind of factor has none.
    page["factor"] = "webauthn"
    gateway.engine.answers[I + "EnrolAnswer"] = lambda p: {"state": "done", "kind": "enrol", "factor": {"state": "active"}}
    r = browser.submit(first, step1="1", value1=SIGNED, do="answer")
    assert "Set-Cookie" not in r.headers and not Page(r).all("a", href="/d")
