# SPDX-License-Identifier: Apache-2.0
"""Signing in with a browser: off to the provider with state, nonce and PKCE, back to this browser and no other, once."""
import itertools
import urllib.parse

import pytest

from harness import RETURN_URL, Browser

users = (f"user{n}" for n in itertools.count(1))


@pytest.fixture
def browser(broker):
    return Browser(broker)


@pytest.fixture
def user(broker, person):
    """A user of the provider whose ID is linked to the account of `person`."""
    name = next(users)
    token = broker.provider.control("mint", user=name, aud="countersign-app", nonce="x")
    person.link(subject=token["claims"]["sub"])
    return name


def begin(shop, **rest):
    return shop.call("Sessions.Begin", provider="sandbox", return_url=RETURN_URL, **rest)


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def test_a_browser_brings_a_session_home(shop, browser, person, user):
    begun = begin(shop)
    status, headers, _ = browser.sign_in(begun["start_url"], user)
    assert (status, headers["Location"]) == (303, RETURN_URL)
    taken = shop.call("Sessions.Take", sign_in=begun["sign_in"])
    assert (taken["outcome"], taken["account"], taken["link"]) == ("permit", person.account, person.link_id)
    assert person.authorize(taken["session"], person.payment())["outcome"] == "step_up"
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).name == "NotFound"


def test_only_the_service_that_began_takes_it(shop, market, browser, user):
    begun = begin(shop)
    browser.sign_in(begun["start_url"], user)
    assert market.fails("Sessions.Take", sign_in=begun["sign_in"]).name == "NotFound"
    assert shop.call("Sessions.Take", sign_in=begun["sign_in"])["outcome"] == "permit"


def test_what_goes_to_the_provider(shop, browser, broker):
    begun = begin(shop)
    asked = query(browser.leave(begun["start_url"]))
    assert asked["nonce"] == begun["nonce"] and asked["client_id"] == "countersign-web"
    assert asked["redirect_uri"] == broker.url + "/callback/sandbox"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert asked["state"] not in (begun["nonce"], begun["sign_in"])
    (name, value), = browser.cookies.items()
    assert name.startswith("__Host-") and value not in str(asked)


def test_a_start_url_works_once(shop, browser, broker):
    begun = begin(shop)
    browser.leave(begun["start_url"])
    assert Browser(broker).get(begun["start_url"])[0] == 404
    assert browser.get(begun["start_url"])[0] == 404


def test_a_callback_works_once(shop, browser, broker, user):
    begun = begin(shop)
    home = broker.provider.sign_in(browser.leave(begun["start_url"]), user)
    assert browser.get(home)[0] == 303
    assert browser.get(home)[0] == 404
    assert shop.call("Sessions.Take", sign_in=begun["sign_in"])["outcome"] == "permit"


def test_another_browser_cannot_finish_a_sign_in(shop, browser, broker, user):
    """Attack L6: the victim is sent to the callback with the attacker's code and state."""
    begun = begin(shop)
    home = broker.provider.sign_in(browser.leave(begun["start_url"]), user)
    status, headers, _ = Browser(broker).get(home)
    assert status == 400 and headers["Location"] is None
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters["reason"] == "bad_state"


def test_a_cookie_of_another_sign_in_does_not_fit(shop, browser, broker, user):
    first, second = begin(shop), begin(shop)
    home = broker.provider.sign_in(browser.leave(first["start_url"]), user)
    browser.leave(second["start_url"])
    assert browser.get(home)[0] == 400


def test_another_providers_callback_is_refused(shop, browser, broker, user):
    """Attack L7: the state names its provider."""
    begun = begin(shop)
    home = broker.provider.sign_in(browser.leave(begun["start_url"]), user)
    reply = broker.gateway().call("Internal.BrowserCallback", provider="elsewhere", parameters=query(home),
                                  cookie=next(iter(browser.cookies.values())))
    assert reply == {"state": "failed"}
    assert browser.get(home)[0] == 404


@pytest.mark.parametrize("switch, reason", [
    ("authorize_wrong_iss", "bad_issuer"), ("authorize_omit_iss", "bad_issuer"), ("authorize_error", "provider_error"),
    ("authorize_wrong_code", "bad_code"), ("authorize_omit_code", "bad_code"), ("wrong_nonce", "bad_nonce"),
    ("alg_none", "bad_algorithm"), ("wrong_aud", "bad_audience")])
def test_what_the_provider_spoils_fails_with_its_reason(shop, broker, browser, user, switch, reason):
    broker.provider.control("misbehave", **{switch: True})
    begun = begin(shop)
    status, headers, _ = browser.sign_in(begun["start_url"], user)
    assert (status, headers["Location"]) == (303, RETURN_URL)
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters == {"field": "sign_in", "reason": reason}


def test_unknown_states_are_not_found(broker):
    for state in ("", "x" * 43, "%00", "x" * 5000):
        assert Browser(broker).get("/callback/sandbox?code=c&state=" + state)[0] in (400, 404, 414)


def test_an_id_that_nobody_linked(shop, browser):
    begun = begin(shop)
    browser.sign_in(begun["start_url"], next(users))
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters == {"what": "link"}


def test_a_suspended_link_is_a_denial(shop, browser, person, user):
    shop.call("Links.Suspend", link=person.link_id)
    begun = begin(shop)
    browser.sign_in(begun["start_url"], user)
    taken = shop.call("Sessions.Take", sign_in=begun["sign_in"])
    assert (taken["outcome"], taken["reason"]) == ("deny", "link_suspended")


def test_linking_goes_on_to_the_step_up_page(shop, broker, browser, nobody):
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", return_url=RETURN_URL)
    status, headers, _ = browser.sign_in(begun["start_url"], next(users))
    assert status == 303 and headers["Location"].startswith(broker.url + "/c/")
    link, = shop.call("Links.List", account=nobody.account)["links"]
    assert link["state"] == "proposed"
    # The page belongs to this browser from the start, and is shown to it at once.
    status, _, text = browser.get(headers["Location"])
    assert status == 200 and nobody.account[:2] in text and "Link this ID" in text
    assert Browser(broker).get(headers["Location"])[0] == 403


def test_a_native_sign_in_has_no_start_url(shop, nobody):
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    assert "start_url" not in begun and len(begun["nonce"]) == 43
