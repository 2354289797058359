# SPDX-License-Identifier: Apache-2.0
"""Attacks through the browser: on what goes to the provider, on who comes back, and on the page that asks."""
import html
import itertools
import urllib.parse

import pytest

from harness import RETURN_URL, Browser

users = (f"user{n}" for n in itertools.count(1))


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def begin(shop, **rest):
    return shop.call("Sessions.Begin", provider="sandbox", return_url=RETURN_URL, **rest)


def linked(broker, person):
    """A user of the provider whose ID is linked to the person's account."""
    name = next(users)
    token = broker.provider.control("mint", user=name, aud="countersign-app", nonce="x")
    person.link(subject=token["claims"]["sub"])
    return name


def taken(shop, begun):
    """What became of the sign-in: the reason why it failed."""
    return shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters.get("reason")


# --- L5 ---

def test_L5_the_client_steers_nothing_that_goes_up(shop, broker):
    """No member of a call and no query of the start URL reaches the provider."""
    for extra in ("login_hint", "prompt", "acr_values", "scope", "redirect_uri", "state", "claims"):
        error = shop.fails("Sessions.Begin", provider="sandbox", return_url=RETURN_URL, **{extra: "x"})
        assert (error.name, error.parameters["field"]) == ("InvalidParameter", extra)
    begun = begin(shop)
    hints = ("?login_hint=victim%40sandbox.test&prompt=none&scope=openid+payments"
             "&redirect_uri=https%3A%2F%2Fevil.example")
    status, headers, _ = Browser(broker).get(begun["start_url"] + hints)
    assert status == 303
    sent = query(headers["Location"])
    assert set(sent) <= {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
                         "code_challenge_method", "response_mode"}
    assert "payments" not in sent["scope"] and sent["redirect_uri"] == broker.url + "/callback/sandbox"


# --- L6, L7 ---

def test_L6_the_victims_browser_does_not_finish_the_thiefs_sign_in(shop, broker, person, log):
    user = linked(broker, person)
    begun, thief = begin(shop), Browser(broker)
    home = broker.provider.sign_in(thief.leave(begun["start_url"]), user)
    status, headers, _ = Browser(broker).get(home)
    assert status == 400 and headers["Location"] is None
    assert taken(shop, begun) == "bad_state"
    log.strangers("checkout", "bad_state")
    assert log.events(person.account, "session_opened") == []


def test_L6_a_fixed_cookie_is_not_taken(shop, broker, person, log):
    """The thief plants a cookie of their choice before the start: the broker sets its own."""
    user = linked(broker, person)
    begun, victim = begin(shop), Browser(broker)
    probe = Browser(broker)
    probe.leave(begin(shop)["start_url"])
    name, planted = next(iter(probe.cookies.items()))
    victim.cookies[name] = planted
    home = broker.provider.sign_in(victim.leave(begun["start_url"]), user)
    assert victim.cookies[name] != planted or len(victim.cookies) > 1
    thief = Browser(broker)
    thief.cookies[name] = planted
    assert thief.get(home)[0] == 400
    assert taken(shop, begun) == "bad_state"
    log.strangers("checkout", "bad_state")


def test_L6_a_link_is_finished_for_the_account_that_began_it(shop, broker, person, log):
    """The thief's callback in the victim's browser, which has begun a link of its own."""
    thief = broker.person(linked=False)
    own = shop.call("Links.Begin", account=person.account, provider="sandbox", return_url=RETURN_URL)
    thiefs = shop.call("Links.Begin", account=thief.account, provider="sandbox", return_url=RETURN_URL)
    victims, browser = Browser(broker), Browser(broker)
    victims.leave(own["start_url"])
    home = broker.provider.sign_in(browser.leave(thiefs["start_url"]), next(users))
    assert victims.get(home)[0] == 400
    for account in (person.account, thief.account):
        assert log.events(account, "link_proposed") == []
    log.strangers("checkout", "bad_state")


@pytest.mark.parametrize("other", ["elsewhere", "totp", "sandbox%2F..", "SANDBOX"])
def test_L7_the_callback_of_another_provider(shop, broker, person, log, other):
    user = linked(broker, person)
    begun, browser = begin(shop), Browser(broker)
    home = broker.provider.sign_in(browser.leave(begun["start_url"]), user)
    status, headers, _ = browser.get(home.replace("/callback/sandbox", "/callback/" + other))
    assert (status, headers["Location"]) == (400, None)
    assert browser.get(home)[0] == 404
    assert taken(shop, begun) == "bad_state"
    assert log.events(person.account, "session_opened") == []
    log.strangers("checkout", "bad_state")


@pytest.mark.parametrize("switch, reason", [
    ("authorize_wrong_iss", "bad_issuer"), ("authorize_omit_iss", "bad_issuer"),
    ("authorize_error", "provider_error"), ("authorize_omit_code", "bad_code"), ("authorize_wrong_code", "bad_code"),
    ("wrong_at_hash", "bad_token"), ("wrong_nonce", "bad_nonce"), ("wrong_aud", "bad_audience"),
    ("token_missing_id_token", "provider_error"), ("token_redirect", "provider_error"), ("token_garbage", "provider_error"), ("token_huge", "provider_error")])
def test_L7_L8_what_comes_back_wrong_opens_nothing(shop, broker, person, log, switch, reason):
    user = linked(broker, person)
    broker.provider.control("misbehave", **{switch: True})
    begun = begin(shop)
    status, headers, _ = Browser(broker).sign_in(begun["start_url"], user)
    assert (status, headers["Location"]) == (303, RETURN_URL)
    error = shop.fails("Sessions.Take", sign_in=begun["sign_in"])
    assert error.parameters == {"field": "sign_in", "reason": reason}
    assert log.events(person.account, "session_opened") == []
    log.strangers("checkout", reason)


def test_L7_an_unknown_state_is_nobodys(broker, log):
    status, _, _ = Browser(broker).get("/callback/sandbox?code=c&state=" + "x" * 43)
    assert status in (400, 404)


def test_L8_a_stolen_code_is_worth_nothing_in_another_sign_in(shop, broker, person, log):
    """Code injection: the victim's code with the thief's state and cookie; PKCE makes it worthless."""
    user = linked(broker, person)
    victims, begun = begin(shop), begin(shop)
    stolen = query(broker.provider.sign_in(Browser(broker).leave(victims["start_url"]), user))["code"]
    thief = Browser(broker)
    own = query(broker.provider.sign_in(thief.leave(begun["start_url"]), next(users)))
    own["code"] = stolen
    status, _, _ = thief.get("/callback/sandbox?" + urllib.parse.urlencode(own))
    assert status == 303
    assert taken(shop, begun) == "bad_code"
    log.strangers("checkout", "bad_code")
    assert log.events(person.account, "session_opened") == []


def test_L8_a_code_is_used_once(shop, broker, person, log):
    user = linked(broker, person)
    begun, browser = begin(shop), Browser(broker)
    home = broker.provider.sign_in(browser.leave(begun["start_url"]), user)
    assert browser.get(home)[0] == 303
    assert browser.get(home)[0] == 404
    assert len(log.events(person.account, "session_opened")) == 1


def test_L8_pkce_is_not_given_up(shop, broker):
    """A provider that does not say that it knows PKCE is asked with it all the same."""
    broker.provider.control("misbehave", discovery_no_pkce=True)
    sent = query(Browser(broker).leave(begin(shop)["start_url"]))
    assert sent["code_challenge_method"] == "S256" and len(sent["code_challenge"]) == 43


# --- S8, S17, X4: the page ---

@pytest.fixture
def page(broker, person):
    """A payment that waits on its page: (path, challenge, session)."""
    session = person.session()
    payment = person.payment("42.50", name="Corner Shop", payee="m-9")
    asked = person.authorize(session, payment)["challenge"]
    return asked["url"][len(broker.url):], asked["id"], session


PREFETCHERS = [{}, {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"},
               {"User-Agent": "facebookexternalhit/1.1"}]


def test_S17_looking_at_the_url_reveals_and_consumes_nothing(broker, shop, person, page, log):
    path, challenge, _ = page
    for headers in PREFETCHERS:
        for method in ("GET", "HEAD"):
            status, got, body = broker.web(method, path, certificate=None, headers=headers)
            assert status in (200, 405), (method, status)
            text = body.decode()
            assert "Set-Cookie" not in got
            for secret in ("Corner Shop", "42.50", person.account, person.subject, challenge):
                assert secret not in text
    assert shop.call("StepUp.Get", challenge=challenge)["state"] == "open"
    assert log.events(person.account, "challenge_refused") == []


def test_S17_whoever_holds_the_url_second_finds_nothing(broker, page, log):
    path, _, _ = page
    first, second = Browser(broker), Browser(broker)
    assert "Corner Shop" in first.post(path)[2]
    status, _, text = second.post(path)
    assert status == 403 and "Corner Shop" not in text
    status, _, text = second.post(path, action="refuse")
    assert status == 403
    status, _, text = second.get(path)
    assert status == 403 and "Corner Shop" not in text and "42.50" not in text
    assert "Corner Shop" in first.post(path)[2] and "Corner Shop" in first.get(path)[2]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_S17_another_sites_form_posts_nothing(broker, shop, page, origin):
    path, challenge, _ = page
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
    status, _, body = broker.web("POST", path, "refuse=1", None, headers)
    assert status in (400, 403) and b"Corner Shop" not in body
    assert shop.call("StepUp.Get", challenge=challenge)["state"] == "open"


def test_S8_the_page_names_service_payee_and_amount(broker, page):
    path, _, _ = page
    text = Browser(broker).post(path)[2]
    for named in ("checkout", "Corner Shop", "m-9", "42.50", "CNY", "sandbox"):
        assert named in text, named


@pytest.fixture
def enrolment(broker, nobody):
    """A first factor that is being enrolled: (person, path of its page, the secret that the page shows)."""
    begun = nobody.service.call("Factors.Begin", account=nobody.account, kind="totp", label="phone", proof="passport")
    uri = next(s["uri"] for s in begun["steps"] if s["type"] == "show")
    return nobody, begun["url"][len(broker.url):], urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)["secret"][0]


def test_S17_whoever_holds_an_enrolments_url_second_finds_no_secret(broker, enrolment):
    _, path, secret = enrolment
    first, second = Browser(broker), Browser(broker)
    for _ in range(3):
        assert secret not in second.get(path)[2], "a preview"
    assert secret in first.post(path)[2]
    for status, _, text in (second.get(path), second.post(path), second.post(path, do="answer", step1="2", code1="000000")):
        assert status == 403 and secret not in text and "phone" not in text
    assert secret in first.get(path)[2]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_S17_another_site_neither_opens_nor_ends_an_enrolment(broker, enrolment, origin):
    _, path, secret = enrolment
    own = Browser(broker)
    assert secret in own.post(path)[2]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin,
               "Cookie": "; ".join(f"{k}={v}" for k, v in own.cookies.items())}
    for form in ("do=open", "do=refuse", "do=answer&step1=2&code1=000000"):
        status, _, body = broker.web("POST", path, form, None, headers)
        assert status == 403 and secret.encode() not in body
    # Nor does a form of this browser without the page's own proof.
    assert own.post(path, do="refuse")[0] == 403
    assert secret in own.get(path)[2], "it is open still"


def test_X4_an_enrolments_label_is_text_on_the_page(broker, nobody):
    begun = nobody.service.call("Factors.Begin", account=nobody.account, kind="totp", label="<script>alert(1)</script>", proof="x")
    text = Browser(broker).post(begun["url"][len(broker.url):])[2]
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text


HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)", "&lt;b&gt;",
           "</title><svg/onload=alert(1)>", "{{7*7}}${7*7}", "javascript:alert(1)", "%0d%0aSet-Cookie: a=b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_X4_a_payees_name_is_text_on_the_page(broker, person, name):
    asked = person.authorize(person.session(), person.payment(name=name))["challenge"]
    status, headers, text = Browser(broker).post(asked["url"][len(broker.url):])
    assert status == 200
    assert html.escape(name).replace("&#x27;", "&#39;") in text
    for raw in ("<script>", "<img", "<svg/", "onerror=alert(1)>", "' onmouseover='"):
        assert raw not in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\x1b[31mred", "a\x00b", "a\x7fb", "\u202eknab", "\x9b31m"],
                         ids=lambda name: name.encode("unicode_escape").decode())
def test_X4_names_hold_no_control_characters(broker, person, name):
    error = broker.connect().fails("Payments.Authorize", session=person.session(), payment=person.payment(name=name))
    assert error.name == "InvalidParameter" and error.parameters["field"] in ("payment.payee.name", "message"), error
