# SPDX-License-Identifier: Apache-2.0
"""The enrolment page: a secret that is shown to one browser, the proof that it was kept, and what is missing then."""
import re

import pytest

from fake_engine import Error
from pages import Browser, Page

I = "org.countersign.Internal."
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
URI = f"otpauth://totp/Countersign:ma***42?secret={SECRET}&issuer=Countersign&algorithm=SHA1&digits=6&period=30"
TOTP = [{"id": "1", "type": "show", "label": "", "uri": URI}, {"id": "2", "type": "code", "label": "", "digits": 6}]
CODES = "Write these down.\n7KQ2-M0XT-9ZVB-CD41\n8KQ2-M0XT-9ZVB-CD42\n请保管好"


@pytest.fixture
def engine(gateway):
    """An enrolment that wants 123456."""
    state = {"cookie": None, "factor": "totp", "steps": TOTP, "left": 5}

    def shown():
        return {"state": "open", "kind": "enrol", "cookie": state["cookie"], "factor": state["factor"], "label": "My <b>",
                "account_hint": "ma***42", "service": "checkout", "steps": state["steps"], "tries_left": state["left"]}

    def probe(p):
        if p["token"] != "tok":
            return {"state": state.get("dead", "unknown"), "kind": "enrol"}
        if state["cookie"] and p.get("cookie") == state["cookie"]:
            return shown()
        return {"state": "foreign" if state["cookie"] else "open", "kind": "enrol"}

    def open_(p):
        if state["cookie"] and p.get("cookie") != state["cookie"]:
            raise Error("org.countersign.NotPermitted", right="browser")
        state["cookie"] = "binding-1"
        return shown()

    def answer(p):
        assert p["cookie"] == state["cookie"]
        if "answered" in state:
            return state["answered"]
        if p["answers"][-1]["value"] != "123456":
            state["left"] -= 1
            return {"state": "open", "kind": "enrol", "outcome": "deny", "reason": "factor_rejected", "tries_left": state["left"]}
        return {"state": "done", "kind": "enrol", "return_url": "https://shop.example/done", **state.get("done", {})}

    gateway.engine.answers.update({I + "EnrolProbe": probe, I + "EnrolOpen": open_, I + "EnrolAnswer": answer,
                                   I + "EnrolRefuse": lambda p: {"state": "refused", "kind": "enrol"}})
    return state


@pytest.fixture
def browser(gateway, ask):
    return Browser(gateway, ask)


def opened(browser):
    return Page(browser.go("POST", "/e/tok", {"do": "open"}))


def test_get_reveals_and_consumes_nothing(gateway, engine, browser):
    r = browser.go("GET", "/e/tok")
    assert r.status == 200 and len(Page(r).all("button")) == 1 and "Set-Cookie" not in r.headers
    for secret in (SECRET[:8], "My", "ma***42", "checkout", "authenticator"):
        assert secret not in " ".join(Page(r).texts)
    assert [c["method"] for c in gateway.engine.calls] == [I + "EnrolProbe"]


def test_the_secret_as_picture_link_and_text(engine, browser):
    page = opened(browser)
    assert page.says("Add an authenticator app") and page.says("My <b>") and page.says("ma***42")
    picture, = page.all("svg", **{"class": "qr"})
    assert picture["role"] == "img" and picture["aria-label"]
    size = int(picture["viewbox"].split()[2])
    assert size > 8 and page.says(" ".join(re.findall("....", SECRET)))
    assert page.all("a", id="app")[0]["href"] == URI
    field, = page.all("input", id="code1")
    assert "required" in field and page.says("The code that the app shows now")


def modules(page):
    """The QR code's dark modules, out of the path."""
    d = [p["d"] for p in page.all("path") if p["d"].count("v1H") > 3][0]
    dark = set()
    for x, y, n, back in re.findall(r"M(\d+) (\d+)h(\d+)v1H(\d+)z", d):
        assert x == back
        dark |= {(int(x) + i, int(y)) for i in range(int(n))}
    assert d == "".join(f"M{x} {y}h{n}v1H{x}z" for x, y, n, _ in re.findall(r"M(\d+) (\d+)h(\d+)v1H(\d+)z", d))
    return dark


def test_the_picture_is_a_qr_code(engine, browser):
    page = opened(browser)
    size = int(page.all("svg", **{"class": "qr"})[0]["viewbox"].split()[2])
    dark = modules(page)
    # Three finder patterns, and a quiet zone of four modules.
    finder = {(x, y) for x in range(7) for y in range(7)
              if x in (0, 6) or y in (0, 6) or (2 <= x <= 4 and 2 <= y <= 4)}
    for left, top in ((4, 4), (size - 11, 4), (4, size - 11)):
        assert {(x, y) for x in range(7) for y in range(7) if (left + x, top + y) in dark} == finder
    assert all(4 <= x < size - 4 and 4 <= y < size - 4 for x, y in dark)


@pytest.mark.parametrize("uri", ["otpauth://totp/x?secret=" + "A" * 600, "javascript:alert(1)", "otpauth://totp/\"><script>",
                                 "https://pay.example/<b>"])
def test_addresses_are_text(engine, browser, uri):
    engine["steps"] = [{**TOTP[0], "uri": uri}, TOTP[1]]
    r = browser.go("POST", "/e/tok", {"do": "open"})
    assert r.status == 200 and "<script>" not in r.text and "<b>" not in r.text
    links = [a["href"] for a in Page(r).all("a", id="app")]
    assert links == ([uri] if uri.startswith(("otpauth://", "https://")) else [])
    assert bool(Page(r).all("svg", **{"class": "qr"})) == (len(uri) <= 512)


def test_codes_to_keep(engine, browser):
    engine.update(factor="recovery", steps=[{"id": "1", "type": "show", "label": "", "text": CODES},
                                            {"id": "2", "type": "text", "label": "Type one of them"}])
    page = opened(browser)
    assert len(page.all("li")) == 2 and page.says("8KQ2-M0XT-9ZVB-CD42") and page.says("请保管好") and page.says("Write these down.")
    assert "hidden" in page.all("button", id="print")[0], "only a script can print"
    browser.submit(page, value1="7KQ2 -M0XT", do="answer")


def test_proof(gateway, engine, browser):
    page = Page(browser.submit(opened(browser), code1="000 000", do="answer"))
    assert page.says("That was not right.") and page.says("4") and len(page.all("p", role="alert")) == 1
    engine["done"] = {"factor": {"id": "f", "state": "active"}}
    r = browser.submit(page, code1="123 456", do="answer")
    page = Page(r)
    assert r.status == 200 and page.says("Added.") and page.says("You can confirm with it now.")
    assert page.all("a", id="back", href="https://shop.example/done") and not page.all("div", id="warnings")
    assert gateway.engine.asked(I + "EnrolAnswer")[-1]["parameters"]["answers"] == [{"step": "2", "value": "123456"}]
    assert SECRET[:4] not in " ".join(page.texts)


def test_what_is_missing_then(engine, browser):
    engine["done"] = {"factor": {"id": "f", "state": "cooling_off", "usable_from": "2026-11-23T10:00:00Z"},
                      "warnings": ["for services"], "bare": ["<Apple ID>", 7]}
    page = Page(browser.submit(opened(browser), code1="123456", do="answer"))
    assert page.says("<Apple ID>") and page.says("is stolen") and page.says("2026-11-23 10:00 UTC") and len(page.all("li")) == 1


def test_a_passkey_is_made_by_the_script(gateway, engine, browser):
    options = '{"challenge":"eA","user":{"id":"eQ","name":"<a>"},"rp":{"id":"pay.example"}}'
    engine.update(factor="webauthn", steps=[{"id": "1", "type": "passkey", "label": "", "options": options}])
    page = opened(browser)
    box, = page.all("div", id="passkey")
    assert box["data-options"] == options and (box["data-step"], box["data-into"]) == ("1", "step1")
    assert page.says("needs JavaScript") and page.all("input", id="value1", type="hidden")
    browser.submit(page, value1='{"id":"x"}', do="answer")
    assert gateway.engine.asked(I + "EnrolAnswer")[-1]["parameters"]["answers"] == [{"step": "1", "value": '{"id":"x"}'}]


def test_one_more_step(engine, browser):
    engine["answered"] = {"state": "open", "kind": "enrol", "outcome": "step_up", "reason": "asked"}
    page = opened(browser)
    engine["steps"] = [{"id": "1", "type": "secret", "label": "Second token"}]
    page = Page(browser.submit(page, code1="1", do="answer"))
    assert page.says("There is one more step.") and page.says("Second token") and not page.all("p", role="alert")


@pytest.mark.parametrize("state,status,says", [("denied", 200, "could not be added"), ("expired", 410, "has expired"),
                                               ("used", 410, "has been used")])
def test_ends(engine, browser, state, status, says):
    engine["answered"] = {"state": state, "kind": "enrol"}
    r = browser.submit(opened(browser), code1="1", do="answer")
    assert r.status == status and Page(r).says(says)


def test_twice(engine, browser):
    engine["answered"] = {"state": "checking", "kind": "enrol"}
    page = Page(browser.submit(opened(browser), code1="123456", do="answer"))
    assert page.says("sent already") and not page.all("p", role="alert")


def test_cancel(gateway, engine, browser):
    page = Page(browser.submit(opened(browser), do="refuse"))
    assert page.says("Nothing was added.")
    assert gateway.engine.asked(I + "EnrolRefuse")[0]["parameters"] == {"token": "tok", "cookie": "binding-1"}


@pytest.mark.parametrize("state,status", [("unknown", 404), ("malformed", 400), ("expired", 410), ("used", 410)])
def test_dead_links(engine, browser, state, status):
    engine["dead"] = state
    assert browser.go("GET", "/e/other").status == status


def test_a_second_browser_sees_nothing(gateway, ask, engine, browser):
    opened(browser)
    for method, form in (("GET", None), ("POST", {"do": "open"}), ("POST", {"do": "answer", "step1": "2", "code1": "123456"})):
        r = Browser(gateway, ask).go(method, "/e/tok", form)
        assert r.status == 403 and SECRET[:4] not in r.text
    assert gateway.engine.asked(I + "EnrolAnswer") == []
    assert SECRET[:4] in browser.go("GET", "/e/tok").text, "its own reload does"


def test_nothing_entered(gateway, engine, browser):
    page = Page(browser.submit(opened(browser), do="answer"))
    assert page.says("Nothing was entered") and gateway.engine.asked(I + "EnrolAnswer") == []


def test_chinese(gateway, ask, engine):
    page = opened(Browser(gateway, ask, "zh-CN"))
    assert page.says("添加身份验证器应用") and page.says("应用现在显示的验证码")


def test_the_secret_is_in_no_log(gateway, engine, browser):
    browser.submit(opened(browser), code1="123456", do="answer")
    assert SECRET not in gateway.log_text() and "123456" not in gateway.log_text() and "/e/tok" not in gateway.log_text()
