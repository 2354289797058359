# SPDX-License-Identifier: Apache-2.0
"""The pages as a browser without JavaScript meets them, and as those who would misuse them do."""
import base64
import hashlib
import re
import urllib.parse

import pytest

from fake_engine import Error
from pages import Browser, Page

I = "org.countersign.Internal."
CARD = {"service": "checkout", "account_hint": "a…1", "what": "payment", "provider": "apple",
        "payee": "<b>Corner</b> \"Shop\" & 'Co'", "payee_id": "m-7", "amount": "20.00", "currency": "CNY",
        "expires_at": "2026-11-22T10:00:00Z"}
STEP = {"id": "step-1", "factor": "fact_1", "kind": "totp", "type": "code", "label": "Code of your app"}


@pytest.fixture
def engine(gateway):
    """A challenge that takes code 123456 and three wrong ones."""
    state = {"left": 3, "state": "open", "cookie": None}

    def open_(p):
        if state["cookie"] and p.get("cookie") != state["cookie"]:
            raise Error("org.countersign.Conflict", what="page")
        state["cookie"] = state["cookie"] or "binding-1"
        return {"cookie": state["cookie"], "card": CARD, "steps": state.get("steps", [STEP]), "state": state["state"],
                "attempts_left": state["left"], "return_url": "https://shop.example/done?a=1&b=2", "round": 7,
                "need": state.get("need", 1)}

    def respond(p):
        assert p["cookie"] == state["cookie"]
        if p["answers"][0]["value"] == "123456":
            state["state"] = "done"
        else:
            state["left"] -= 1
            if state["left"] == 0:
                state["state"] = "locked"
        if state["state"] == "open":
            return {"state": "open", "attempts_left": state["left"], **state.get("news", {"reason": "factor_wrong"})}
        return {"state": state["state"], "attempts_left": state["left"], "return_url": "https://shop.example/done?a=1&b=2"}

    def refuse(p):
        state["state"] = "refused"
        return {"state": "refused"}

    def probe(p):
        if p["token"] != "tok":
            return {"state": state.get("dead", "unknown"), "kind": "step"}
        mine = state["cookie"] and p.get("cookie") == state["cookie"]
        return open_(p) if mine else {"state": "foreign" if state["cookie"] else "open", "kind": "step"}

    gateway.engine.answers.update({I + "PageProbe": probe, I + "PageOpen": open_,
                                   I + "PageRespond": respond, I + "PageRefuse": refuse})
    return state


@pytest.fixture
def browser(gateway, ask):
    return Browser(gateway, ask)


def opened(browser):
    return Page(browser.go("POST", "/c/tok", {"do": "open"}))


def test_get_shows_a_button_and_nothing_else(gateway, engine, browser):
    r = browser.go("GET", "/c/tok")
    page = Page(r)
    assert r.status == 200 and len(page.all("button")) == 1
    for secret in ("20.00", "Corner", "checkout", "apple", "CNY"):
        assert secret not in re.sub("<style>.*?</style>", "", r.text, flags=re.S)
    assert "Set-Cookie" not in r.headers
    assert [c["method"] for c in gateway.engine.calls] == [I + "PageProbe"]


DEAD = [("unknown", 404, "nothing at this address"), ("malformed", 400, "not complete"), ("expired", 410, "has expired"),
        ("used", 410, "has been used"), ("foreign", 403, "another browser")]


@pytest.mark.parametrize("state,status,says", DEAD)
def test_each_dead_link_has_its_own_page(gateway, engine, browser, state, status, says):
    engine["dead"] = state
    gateway.engine.answers[I + "PageOpen"] = lambda p: {"state": state, "kind": "step"}
    for r in (browser.go("GET", "/c/other"), browser.go("POST", "/c/other", {"do": "open"})):
        page = Page(r)
        assert r.status == status and page.says(says) and page.says("begin again")
        assert len(page.all("p", role="alert")) == 1 and not page.all("button") and "Set-Cookie" not in r.headers


@pytest.mark.parametrize("state,status,says", DEAD[2:4])
def test_a_form_of_a_link_that_died_meanwhile(gateway, engine, browser, state, status, says):
    page = opened(browser)
    for method in ("PageRespond", "PageRefuse", "PageBegin"):
        gateway.engine.answers[I + method] = lambda p: {"state": state, "kind": "step"}
    for form in ({"code1": "123456", "do": "answer"}, {"do": "refuse"}, {"begin": "step-1"}):
        r = browser.submit(page, **form)
        assert r.status == status and Page(r).says(says)


def test_a_reload_shows_the_card_again(gateway, ask, engine, browser):
    """To the browser that the page is bound to; to another the same GET says no more than that."""
    opened(browser)
    r = browser.go("GET", "/c/tok")
    assert r.status == 200 and Page(r).says("¥20.00")
    assert "answers" not in str(gateway.engine.calls), "it consumed nothing"
    other = Browser(gateway, ask).go("GET", "/c/tok")
    assert other.status == 403 and "20.00" not in other.text and "Corner" not in other.text
    page = Page(browser.submit(Page(r), code1="123456", do="answer"))
    assert page.says("Confirmed.") and Page(browser.go("GET", "/c/tok")).says("Confirmed.")


def test_a_page_that_waits_asks_how_it_stands(gateway, ask, engine, browser):
    opened(browser)
    r = browser.go("GET", "/c/tok/state")
    assert r.status == 200 and r.json == {"state": "open", "round": 7} and r.headers["Cache-Control"] == "no-store"
    engine["state"] = "done"
    assert browser.go("GET", "/c/tok/state").json["state"] == "done"
    assert Browser(gateway, ask).go("GET", "/c/tok/state").json == {"state": "foreign", "round": 0}
    assert browser.go("GET", "/c/other/state").json["state"] == "unknown"


@pytest.mark.parametrize("path", ["/c/tok", "/c/other"])
def test_headers_of_every_page(engine, browser, path):
    for r in (browser.go("GET", path), browser.go("POST", path)):
        csp = r.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert part in csp
        assert "unsafe" not in csp and "script-src 'self';" in csp
        style = re.search("<style>(.*?)</style>", r.text, re.S).group(1).encode()
        assert "style-src 'sha256-" + base64.b64encode(hashlib.sha256(style).digest()).decode() + "';" in csp
        assert r.headers["Cache-Control"] == "no-store"
        # no-referrer would make browsers send "Origin: null" with our own forms.
        assert r.headers["Referrer-Policy"] == "same-origin"
        assert r.headers["X-Frame-Options"] == "DENY" and r.headers["X-Content-Type-Options"] == "nosniff"
        assert r.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "publickey-credentials-get=(self), publickey-credentials-create=(self), payment=(self)" in \
            r.headers["Permissions-Policy"]
        # No script of the page's own, no style at an element, nothing from elsewhere.
        assert re.findall("<script[^>]*>[^<]", r.text) == [] and "style=" not in r.text
        assert re.findall("(?:src|href)=\"(?!/)", r.text) == []


def test_the_card_says_it_all_and_escapes_it(engine, browser):
    page = opened(browser)
    for text in ("checkout", "¥20.00", "CNY", "<b>Corner</b> \"Shop\" & 'Co'", "m-7", "apple", "a…1", "Code of your app",
                 "Refuse", "This was not me", "Confirm this payment?", "10:00 UTC"):
        assert page.says(text), text
    assert "<b>" not in page.answer.text


def test_cookie(engine, browser):
    r = browser.go("POST", "/c/tok")
    c, = r.headers.get_all("Set-Cookie")
    assert c.startswith("__Host-step-") and "=binding-1; Path=/; Secure; HttpOnly; SameSite=Lax" in c


def test_accessible(engine, browser):
    page = opened(browser)
    assert page.all("html", lang="en") and len(page.all("h1")) == 1
    assert page.all("main") and page.all("header") and page.all("footer") and page.all("nav")[0]["aria-label"]
    field, = page.all("input", id="code1")
    assert page.all("label", **{"for": "code1"}) and field["autocomplete"] == "one-time-code"
    assert "required" in field and "autofocus" in field
    # In the order of the focus: the field, yes, no, not me. Refusing asks for no code.
    buttons = page.all("button", name="do")
    assert [b["value"] for b in buttons] == ["answer", "refuse", "report", "open"]
    assert ["formnovalidate" in b for b in buttons[1:3]] == [True, True]
    page = Page(browser.submit(page, code1="000000", do="answer"))
    alert, = page.all("p", role="alert")
    assert page.all("input", id="code1")[0]["aria-describedby"] == alert["id"] == "problem"
    assert page.texts[0].startswith("Problem:")


def test_right_code(gateway, engine, browser):
    browser.go("GET", "/c/tok")
    r = browser.submit(opened(browser), code1="123 456", do="answer")
    page = Page(r)
    assert r.status == 200 and page.says("Confirmed.")
    assert page.all("a", href="https://shop.example/done?a=1&b=2")
    assert gateway.engine.asked(I + "PageRespond")[0]["parameters"] == {
        "token": "tok", "cookie": "binding-1", "answers": [{"step": "step-1", "value": "123456"}], "round": 7}


def test_wrong_codes_are_counted_until_it_locks(engine, browser):
    page = opened(browser)
    for left in (2, 1):
        page = Page(browser.submit(page, code1="000000", do="answer"))
        assert page.says("That was not right.") and page.says(f"Attempts left: {left}")
        assert page.says("¥20.00")
    page = Page(browser.submit(page, code1="000000", do="answer"))
    assert page.says("locked") and not page.all("input")


def test_right_code_with_another_step_to_come(engine, browser):
    engine["news"] = {}
    page = Page(browser.submit(opened(browser), code1="000000", do="answer"))
    assert page.says("One more step is needed.") and not page.all("p", role="alert")


def test_sent_twice(engine, browser):
    engine["news"] = {"stale": True}
    page = Page(browser.submit(opened(browser), code1="000000", do="answer"))
    assert page.says("sent already") and not page.all("p", role="alert") and not page.says("One more step")


def test_too_early(engine, browser):
    engine["news"] = {"reason": "factor_locked", "retry_after_ms": 1000}
    page = Page(browser.submit(opened(browser), code1="000000", do="answer"))
    assert page.says("wait a little") and len(page.all("p", role="alert")) == 1


@pytest.mark.parametrize("card,says,not_says", [
    ({"payee": None, "payee_id": "*"}, "anyone", "*"),
    ({"payee": "m-7"}, "m-7", "m-7 (m-7)"),
    ({"payee": None, "payee_id": None, "label": "totp: My phone", "what": "factor", "amount": None}, "My phone", "totp"),
    ({"label": "a passkey"}, "a passkey", "Passkey"),
    ({"provider_title": "Apple ID", "link": "ma***om"}, "Apple ID", "apple"),
])
def test_to_whom(gateway, engine, browser, card, says, not_says):
    shown = {**gateway.engine.answers[I + "PageOpen"]({}), "card": {**CARD, **card}}
    gateway.engine.answers[I + "PageOpen"] = lambda p: shown
    page = opened(browser)
    assert page.says(says) and not page.says(not_says)


def test_refuse(gateway, engine, browser):
    page = Page(browser.submit(opened(browser), do="refuse"))
    assert page.says("Refused.")
    assert gateway.engine.asked(I + "PageRefuse")[0]["parameters"]["report"] is False


def test_not_me(gateway, engine, browser):
    page = Page(browser.submit(opened(browser), do="report"))
    assert page.says("Refused and frozen.")
    assert gateway.engine.asked(I + "PageRefuse")[0]["parameters"]["report"] is True


@pytest.mark.parametrize("state,says", [("done", "Confirmed"), ("used", "used already"), ("expired", "expired"),
                                        ("locked", "locked"), ("refused", "Refused")])
def test_closed_challenges(engine, browser, state, says):
    engine["state"] = state
    page = opened(browser)
    assert page.says(says) and not page.all("input") and not page.says("20.00")


def test_second_browser_sees_nothing(gateway, ask, engine, browser):
    opened(browser)
    r = Browser(gateway, ask).go("POST", "/c/tok")
    assert r.status == 409 and "20.00" not in r.text


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"},
                                     {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}])
def test_forms_of_other_sites(gateway, engine, browser, headers):
    page = opened(browser)
    gateway.engine.calls.clear()
    hidden = {i["name"]: i["value"] for i in page.all("input", type="hidden")}
    assert browser.go("POST", "/c/tok", {**hidden, "code1": "123456", "do": "answer"}, **headers).status == 403
    assert browser.go("POST", "/c/tok", {"do": "open"}, **headers).status == 403
    assert gateway.engine.calls == []


def test_form_without_proof_or_cookie(gateway, ask, engine, browser):
    page = opened(browser)
    hidden = {i["name"]: i["value"] for i in page.all("input", type="hidden")}
    gateway.engine.calls.clear()
    answer = {**hidden, "code1": "123456", "do": "answer"}
    assert browser.go("POST", "/c/tok", {**answer, "proof": "0" * 64}).status == 403
    assert browser.go("POST", "/c/tok", {k: v for k, v in answer.items() if k != "proof"}).status == 403
    assert Browser(gateway, ask).go("POST", "/c/tok", answer).status == 403
    # The proof of one page does not open another.
    assert browser.go("POST", "/c/other", answer).status == 403
    assert gateway.engine.calls == []


def test_bad_forms(gateway, ask, engine, browser):
    page = opened(browser)
    proof = page.all("input", name="proof")[0]["value"]
    gateway.engine.calls.clear()
    assert browser.go("POST", "/c/tok", {"proof": proof, "do": "jump"}).status == 400
    for field in ("do=answer&do=refuse", "do=%zz", "do=%00", "=1", "&".join(f"a{n}=1" for n in range(40))):
        r = ask("POST", "/c/tok", f"proof={proof}&{field}", {"Content-Type": "application/x-www-form-urlencoded",
                "Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}, certificate=None)
        assert r.status == 400, field
    r = ask("POST", "/c/tok", "{}", {"Content-Type": "application/json"}, certificate=None)
    assert r.status == 400
    assert gateway.engine.calls == []


def test_chinese(gateway, ask, engine):
    browser = Browser(gateway, ask, "zh-CN,zh;q=0.9,en;q=0.8")
    first = Page(browser.go("GET", "/c/tok"))
    assert first.all("html", lang="zh-Hans") and first.says("查看请求内容")
    page = opened(browser)
    assert page.says("金额") and page.says("这不是我本人的操作") and page.says("¥20.00") and page.says("人民币")
    assert page.answer.headers["Content-Language"] == "zh-Hans"
    assert gateway.engine.asked(I + "PageOpen")[0]["parameters"]["language"] == "zh-Hans"


def test_language_switch(engine, browser):
    link, = Page(browser.go("GET", "/c/tok")).all("a")
    assert link["href"] == "/c/tok?lang=zh-Hans" and link["lang"] == link["hreflang"] == "zh-Hans"
    r = browser.go("GET", link["href"])
    assert Page(r).says("查看请求内容")
    assert r.headers["Set-Cookie"] == "__Host-lang=zh-Hans; Path=/; Secure; HttpOnly; SameSite=Lax"
    # From here on every page is, and the card can be turned back where it stands.
    page = opened(browser)
    assert page.says("金额")
    r = browser.go("POST", page.all("form")[-1]["action"], {"do": page.all("button")[-1]["value"]})
    assert Page(r).says("How much") and Page(browser.go("GET", "/c/tok")).all("html", lang="en")


@pytest.mark.parametrize("lang", ["fr", "zh\r\nX: y", "%0d%0aX:y", "'\"><b>", "en" * 500])
def test_languages_that_we_do_not_have(engine, browser, lang):
    r = browser.go("GET", "/c/tok?lang=" + urllib.parse.quote(lang))
    assert r.status == 200 and "Set-Cookie" not in r.headers and Page(r).all("html", lang="en")
    browser.cookies["__Host-lang"] = "fr"
    assert Page(browser.go("GET", "/c/tok")).all("html", lang="en")


@pytest.mark.parametrize("fields", [{}, {"code1": ""}, {"step1": "", "code1": "1"}, {"value1": "x" * 13000},
                                    {"step5": "s", "value5": "1"}, {"value1.4": "1"}])
def test_nothing_is_sent_where_nothing_was_entered(gateway, engine, browser, fields):
    r = browser.submit(opened(browser), do="answer", **fields)
    assert r.status == 200 and Page(r).says("Nothing was entered")
    assert gateway.engine.asked(I + "PageRespond") == []


def answers(gateway):
    return gateway.engine.asked(I + "PageRespond")[-1]["parameters"]["answers"]


def test_one_way_at_a_time(gateway, engine, browser):
    engine["steps"] = [STEP, {**STEP, "id": "step-2", "kind": "recovery", "label": "Paper"}]
    page = opened(browser)
    assert [i["value"] for i in page.all("input", name="step1")] == ["step-1"]
    other, = page.all("button", name="way")
    assert other["value"] == "step-2" and other["form"] == "other" and page.says("Use a recovery code")
    page = Page(browser.go("POST", "/c/tok", {"way": "step-2"}))
    assert page.says("One of your recovery codes") and page.says("Use your authenticator app")
    # A wrong answer shows the way that was tried.
    page = Page(browser.submit(page, code1="000000", do="answer"))
    assert answers(gateway) == [{"step": "step-2", "value": "000000"}]
    assert page.says("That was not right.") and [i["value"] for i in page.all("input", name="step1")] == ["step-2"]


def test_enter_confirms(engine, browser):
    """A browser presses a form's first button when Enter is hit in a field."""
    engine["steps"] = [STEP, {**STEP, "id": "step-2", "begin": True, "begun": True, "sends_left": 3, "resend_after_ms": 0}]
    page = Page(browser.go("POST", "/c/tok", {"way": "step-2"}))
    first = next(a for t, a in page.elements if t == "button" and "form" not in a)
    assert (first["name"], first["value"]) == ("do", "answer")


PASSKEY = {"id": "p-1", "factor": "p-1", "kind": "webauthn", "type": "passkey", "label": "Laptop", "rp_id": "pay.example",
           "challenge": "Y2hhbGxlbmdl", "credential": "Y3JlZC0x"}


def test_passkeys_are_one_way(gateway, engine, browser):
    engine["steps"] = [STEP, PASSKEY, {**PASSKEY, "id": "p-2", "credential": "Y3JlZC0y"}]
    page = opened(browser)
    box, = page.all("div", id="passkey")
    assert (box["data-rp-id"], box["data-challenge"]) == ("pay.example", "Y2hhbGxlbmdl")
    assert box["data-credentials"] == "p-1=Y3JlZC0x p-2=Y3JlZC0y" and "data-amount" not in box
    # Without a script the page says so, and offers the other way.
    assert page.says("needs JavaScript") and [b["value"] for b in page.all("button", name="way")] == ["step-1"]
    assert "hidden" in page.all("p", id="passkey-failed")[0] and "hidden" not in page.all("p", id="passkey-needs")[0]
    signed = '{"id":"Y3JlZC0y","response":{"a b":"c+d"}}'
    browser.submit(page, step1="p-2", value1=signed, do="answer")
    assert answers(gateway) == [{"step": "p-2", "value": signed}]


def test_a_payment_that_the_browser_shows_itself(engine, browser):
    engine["steps"] = [{**PASSKEY, "spc": True}]
    box, = opened(browser).all("div", id="passkey")
    assert (box["data-payee"], box["data-amount"], box["data-currency"]) == (CARD["payee"], "20.00", "CNY")


def test_a_code_is_sent_when_asked_for(gateway, engine, browser):
    otp = {"id": "o-1", "factor": "o-1", "kind": "otp", "type": "code", "label": "Mail", "begin": True, "sends_left": 4}
    engine["steps"] = [otp]
    page = opened(browser)
    assert not page.all("input", id="code1") and not page.all("button", value="answer")
    send, = page.all("button", name="begin")

    def begin(p):
        engine["steps"] = [{**otp, "begun": True, "destination": "m***@<b>", "resend_after_ms": 29500, "sends_left": 3,
                            "prompts": [{"type": "code", "label": "Code from the mail", "digits": 6}]}]
        return {"state": "open", "steps": engine["steps"]}
    gateway.engine.answers[I + "PageBegin"] = begin
    page = Page(browser.submit(page, begin=send["value"]))
    assert gateway.engine.asked(I + "PageBegin")[0]["parameters"] == {
        "token": "tok", "cookie": "binding-1", "step": "o-1", "language": "en"}
    assert page.says("m***@<b>") and page.says("Code from the mail") and page.says("The code is on its way.")
    again, = page.all("button", id="again")
    assert "hidden" in again and page.says("30")
    browser.submit(page, code1="12 34 56", do="answer")
    assert answers(gateway) == [{"step": "o-1", "value": "123456"}]


@pytest.mark.parametrize("said,text", [({"reason": "prompt_budget"}, "No more codes"),
                                       ({"reason": "prompt_budget", "retry_after_ms": 9}, "wait a little")])
def test_no_more_codes(gateway, engine, browser, said, text):
    engine["steps"] = [{**STEP, "begin": True, "sends_left": 1}]
    gateway.engine.answers[I + "PageBegin"] = lambda p: {"state": "open", "steps": [], **said}
    page = Page(browser.submit(opened(browser), begin="step-1"))
    assert page.says(text) and len(page.all("p", role="alert")) == 1


def test_a_conversation(gateway, engine, browser):
    engine["steps"] = [{**STEP, "kind": "pam", "begin": True, "begun": True, "type": "secret", "prompts": [
        {"type": "show", "text": "Badge <17>"}, {"type": "secret", "label": "Password"}, {"type": "text", "label": "Desk"},
        {"type": "choice", "label": "Door", "choices": ["<Front>", "Back"]}]}]
    page = opened(browser)
    assert page.says("Badge <17>") and page.all("input", type="password", id="value1.1")
    assert [r["value"] for r in page.all("input", type="radio", name="value1.3")] == ["<Front>", "Back"]
    assert page.says("Door") and page.all("fieldset")
    browser.submit(page, do="answer", **{"value1.1": "12 34", "value1.2": "d", "value1.3": "Back"})
    assert answers(gateway) == [{"step": "step-1", "value": "12 34", "prompt": 1}, {"step": "step-1", "value": "d", "prompt": 2},
                                {"step": "step-1", "value": "Back", "prompt": 3}]


def test_several_factors_in_one_form(gateway, engine, browser):
    engine.update(need=2, steps=[PASSKEY, STEP])
    page = opened(browser)
    assert page.all("div", id="passkey") and page.all("input", id="code2") and page.all("p", id="need")
    browser.submit(page, value1="{}", code2="123456", do="answer")
    assert answers(gateway) == [{"step": "p-1", "value": "{}"}, {"step": "step-1", "value": "123456"}]


def test_an_approval_is_waited_for(engine, browser):
    engine["steps"] = [{"id": "a", "factor": "a", "kind": "approve", "type": "approve", "label": "Tablet", "number": "47"}]
    page = opened(browser)
    assert page.says("47") and page.says("Tablet") and page.all("div", id="wait", role="status")
    assert page.all("meta", **{"http-equiv": "refresh"})[0]["content"] == "5;url=/c/tok"
    assert [b["value"] for b in page.all("button", name="do")] == ["refuse", "report", "open"]
    # A page with a field does not go away under the hands that type.
    engine["steps"] = [STEP, *engine["steps"]]
    assert not opened(browser).all("meta", **{"http-equiv": "refresh"})


def test_no_way_to_answer_still_lets_refuse(engine, browser):
    for steps in ([], [{**STEP, "type": "telepathy"}], [{"type": "code"}], ["code"]):
        engine["steps"] = steps
        page = opened(browser)
        assert page.all("p", role="alert") and not page.all("button", value="answer")
    assert Page(browser.submit(page, do="refuse")).says("Refused")


HOSTILE = "\"'><script>alert(1)</script>&lt;\u2028"


def test_X4_every_text_of_the_engine_is_text(gateway, engine, browser):
    prompts = [{"type": t, "label": HOSTILE, "choices": [HOSTILE], "text": HOSTILE} for t in ("show", "code", "choice", "secret")]
    steps = [{k: HOSTILE for k in ("id", "factor", "kind", "label", "challenge", "rp_id", "credential", "number", "prompt",
                                   "destination")} | {"type": t, "spc": True, "choices": [HOSTILE]}
             for t in ("code", "passkey", "approve", "text", "secret", "choice")]
    steps += [{**steps[0], "begin": True}, {**steps[0], "begin": True, "begun": True, "sends_left": 1, "prompts": prompts}]
    shown = {**gateway.engine.answers[I + "PageOpen"]({}), "card": {k: HOSTILE for k in (*CARD, "provider_title", "link", "label",
             "worst_case")}, "return_url": HOSTILE}
    for need in (1, 2):
        for each in [[s] for s in steps] + [steps]:
            gateway.engine.answers[I + "PageOpen"] = lambda p, each=each: {**shown, "steps": each, "need": need}
            r = browser.go("POST", "/c/tok")
            assert r.status == 200 and "<script>" not in r.text
            tags = {t for t, _ in Page(r).elements}
            assert tags <= {"html", "head", "meta", "title", "style", "script", "body", "header", "svg", "path", "main", "h1",
                            "dl", "div", "dt", "dd", "small", "p", "form", "input", "label", "button", "span", "strong",
                            "footer", "nav", "time", "fieldset", "legend", "ul", "li", "noscript"}, tags
            for _, attributes in Page(r).elements:
                assert not {k for k in attributes if k.startswith("on") or k == "style"}
    engine["state"] = "done"
    gateway.engine.answers[I + "PageOpen"] = lambda p: {**shown, "state": "done"}
    assert Page(browser.go("POST", "/c/tok")).all("a", id="back") == []


@pytest.mark.parametrize("name,status", [("NotFound", 404), ("Conflict", 409), ("TooMany", 429), ("Unavailable", 503)])
def test_errors_are_pages(gateway, engine, browser, name, status):
    def answer(p):
        raise Error("org.countersign." + name, what="page", retry_after_ms=1)
    gateway.engine.answers[I + "PageOpen"] = answer
    r = browser.go("POST", "/c/tok")
    assert r.status == status and r.headers["Content-Type"].startswith("text/html")
    assert len(Page(r).all("p", role="alert")) == 1


def test_script(browser, engine):
    name, = [s["src"] for s in opened(browser).all("script")]
    r = browser.go("GET", name)
    assert r.status == 200 and r.headers["Content-Type"] == "text/javascript; charset=utf-8"
    digest = base64.b64encode(hashlib.sha256(r.body).digest(), b"--").decode()
    assert name == "/countersign.js?v=" + digest[:12] and "immutable" in r.headers["Cache-Control"]
    assert r.headers["X-Content-Type-Options"] == "nosniff"


# Sign-ins

def test_start_and_callback_are_one_browser(gateway, ask, engine, browser):
    gateway.engine.answers[I + "BrowserStart"] = lambda p: {"location": "https://idp.example/a?x=1&y=2", "cookie": "c-1"}
    gateway.engine.answers[I + "BrowserCallback"] = lambda p: {"location": gateway.url + "/c/tok", "state": "step_up"}
    r = browser.go("GET", "/s/start-token")
    assert r.status == 303 and r.headers["Location"] == "https://idp.example/a?x=1&y=2"
    assert r.headers["Referrer-Policy"] == "no-referrer" and r.headers["Cache-Control"] == "no-store"
    assert r.headers["Set-Cookie"] == "__Host-start=c-1; Path=/; Secure; HttpOnly; SameSite=None"
    assert gateway.engine.calls[0]["parameters"] == {"token": "start-token", "ip": "127.0.0.1"}
    r = browser.go("GET", "/callback/apple?state=s&code=a%2Bb+c&iss=https%3A%2F%2Fidp")
    assert r.status == 303 and r.headers["Location"] == gateway.url + "/c/tok"
    assert gateway.engine.calls[1]["parameters"] == {
        "provider": "apple", "cookie": "c-1", "ip": "127.0.0.1",
        "parameters": {"state": "s", "code": "a+b c", "iss": "https://idp"}}
    # The step-up page of a link is given the cookie of the browser that began it.
    browser.go("POST", "/c/tok")
    assert gateway.engine.asked(I + "PageOpen")[0]["parameters"]["cookie"] == "c-1"


def test_callback_by_form_post_from_another_site(gateway, browser):
    gateway.engine.answers[I + "BrowserCallback"] = lambda p: {"state": "done"}
    browser.cookies["__Host-start"] = "c-1"
    r = browser.go("POST", "/callback/apple", {"state": "s", "id_token": "e.y.J"}, Origin="https://appleid.apple.com",
                   Sec_Fetch_Site="cross-site")
    assert r.status == 200 and Page(r).says("Done.")
    assert gateway.engine.calls[0]["parameters"]["parameters"] == {"state": "s", "id_token": "e.y.J"}


def test_callback_that_failed(gateway, browser):
    gateway.engine.answers[I + "BrowserCallback"] = lambda p: {"state": "failed"}
    r = browser.go("GET", "/callback/apple?error=access_denied")
    assert r.status == 400 and Page(r).all("p", role="alert")


@pytest.mark.parametrize("location", ["javascript:alert(1)", "//evil", "/c/x", "https://x/\r\nSet-Cookie: a=b", "https://x y"])
def test_places_that_no_browser_is_sent_to(gateway, browser, location):
    gateway.engine.answers[I + "BrowserStart"] = lambda p: {"location": location, "cookie": "c"}
    gateway.engine.answers[I + "BrowserCallback"] = lambda p: {"location": location, "state": "failed"}
    for path in ("/s/t", "/callback/p"):
        r = browser.go("GET", path)
        assert r.status in (400, 503) and "Location" not in r.headers and "Set-Cookie" not in r.headers


def test_head_starts_no_sign_in(gateway, ask):
    assert ask("HEAD", "/s/t", certificate=None).status == 405
    assert gateway.engine.calls == []


@pytest.mark.parametrize("query", ["state=a&state=b", "state=%zz", "=x"])
def test_ambiguous_callbacks(gateway, browser, query):
    assert browser.go("GET", "/callback/p?" + query).status == 400
    assert gateway.engine.calls == []
