# SPDX-License-Identifier: Apache-2.0
"""Signing in and linking by Apple, WeChat and Alipay, through the whole broker: in a browser, and by an app's code."""
import datetime
import itertools
import os

import pytest

from abroad import APP_SECRET, WEB_SECRET, AbroadBroker, begin, link, sign_in, visit
from harness import RETURN_URL, Browser

ALL = pytest.mark.parametrize("provider", ["apple", "wechat", "alipay"])
APPS = {"apple": "com.example.app", "wechat": "wxapp", "alipay": "2021alipay"}
names = (f"abroad{n}" for n in itertools.count(1))


@pytest.fixture(scope="module")
def running():
    broker = AbroadBroker()
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture(autouse=True)
def calm(running):
    yield
    running.there.calm()


@pytest.fixture
def browser(broker):
    return Browser(broker)


@pytest.fixture
def owner(broker):
    person = broker.person(linked=False)
    return person


@ALL
def test_a_browser_signs_in(shop, broker, browser, owner, provider):
    name = next(names)
    made = link(broker, owner, provider, name)
    assert made["state"] == "active" and made["provider"] == provider
    begun = begin(shop, provider)
    status, headers, text = sign_in(broker, browser, provider, begun, name)
    assert (status, headers["Location"]) == (303, RETURN_URL), text
    taken = shop.call("Sessions.Take", sign_in=begun["sign_in"])
    assert (taken["outcome"], taken["account"], taken["link"]) == ("permit", owner.account, made["id"])
    assert owner.spend(taken["session"])["outcome"] == "permit"


@ALL
def test_a_browser_links(shop, broker, browser, owner, provider):
    begun = shop.call("Links.Begin", account=owner.account, provider=provider, return_url=RETURN_URL)
    status, headers, _ = sign_in(broker, browser, provider, begun, next(names))
    assert status == 303 and headers["Location"].startswith(broker.url + "/c/")
    made, = shop.call("Links.List", account=owner.account)["links"]
    assert (made["state"], made["provider"]) == ("proposed", provider)
    assert browser.get(headers["Location"])[0] == 200


@ALL
def test_an_app_signs_in_by_its_code(shop, broker, owner, provider):
    name = next(names)
    link(broker, owner, provider, name)
    begun = shop.call("Sessions.Begin", provider=provider)
    code = broker.native_code(provider, name, begun["nonce"])
    opened = shop.call("Sessions.Open", sign_in=begun["sign_in"], code=code, client_id=APPS[provider])
    assert (opened["outcome"], opened["account"]) == ("permit", owner.account)
    again = shop.call("Sessions.Begin", provider=provider)
    error = shop.fails("Sessions.Open", sign_in=again["sign_in"], code=code, client_id=APPS[provider])
    assert error.parameters == {"field": "id_token", "reason": "bad_code"}


@ALL
def test_the_link_is_found_by_its_issuer_and_subject(shop, broker, owner, provider):
    name = next(names)
    made = link(broker, owner, provider, name)
    issuer, subject = broker.subject(provider, name)
    found = shop.call("Lookup.BySubject", provider=provider, issuer=issuer, subject=subject)
    assert made["id"] in str(found) and owner.account in str(found)


@ALL
def test_an_id_that_nobody_linked(shop, broker, browser, provider):
    begun = begin(shop, provider)
    sign_in(broker, browser, provider, begun, next(names))
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters == {"what": "link"}


@ALL
def test_whoever_declines_is_sent_home_without_a_session(shop, broker, browser, provider):
    begun = begin(shop, provider)
    status, headers, _ = sign_in(broker, browser, provider, begun, "")
    assert (status, headers["Location"]) == (303, RETURN_URL)
    reason = shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters["reason"]
    assert reason == ("provider_error" if provider == "apple" else "bad_code")


def test_the_client_of_a_code_is_the_services_own(shop, broker):
    begun = shop.call("Sessions.Begin", provider="wechat")
    code = broker.native_code("wechat", next(names), begun["nonce"])
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], code=code, client_id="com.example.app")
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "client_id")
    token = broker.there.apple.id_token(next(names), "com.example.app", "n")
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token, client_id="wxapp")
    assert error.parameters["field"] == "client_id"
    # Neither used the sign-in up.
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], code=code, client_id="wxapp").parameters == {"what": "link"}


def test_the_clients_secret_of_apple_never_runs_out(shop, broker, owner):
    """Apple's secrets last six months at most; this broker has been running for seven."""
    name = next(names)
    link(broker, owner, "apple", name)
    broker.clock.advance(7 * 30 * 86400 * 1000)
    begun = shop.call("Sessions.Begin", provider="apple")
    code = broker.native_code("apple", name, begun["nonce"])
    assert shop.call("Sessions.Open", sign_in=begun["sign_in"], code=code, client_id="com.example.app")["outcome"] == "permit"


@pytest.mark.parametrize("provider, switches, reason", [
    ("apple", {"wrong_nonce": True}, "bad_nonce"), ("apple", {"garbage": True}, "provider_error"),
    ("wechat", {"errcode": 40029}, "bad_code"), ("wechat", {"duplicate_openid": True}, "provider_error"),
    ("alipay", {"tampered": True}, "bad_signature"), ("alipay", {"sub_code": "isv.code-invalid"}, "bad_code")])
def test_what_the_provider_spoils_fails_with_its_reason(shop, broker, browser, provider, switches, reason):
    broker.host(provider).misbehave(**switches)
    begun = begin(shop, provider)
    status, headers, _ = sign_in(broker, browser, provider, begun, next(names))
    assert (status, headers["Location"]) == (303, RETURN_URL)
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters["reason"] == reason


# --- subjects that change ---

@pytest.fixture
def window(broker):
    """Within it sign-ins at WeChat and Alipay may move links."""
    until = datetime.datetime.fromtimestamp(broker.clock.now_ms() / 1000 + 86400, datetime.timezone.utc)
    for provider in ("wechat", "alipay"):
        broker.admin.call("Admin.RekeyLinks", provider=provider, reason="a test", until=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    yield
    for provider in ("wechat", "alipay"):
        broker.admin.call("Admin.RekeyLinks", provider=provider, reason="done")


def open_by_code(shop, broker, provider, name):
    begun = shop.call("Sessions.Begin", provider=provider)
    return shop.call("Sessions.Open", sign_in=begun["sign_in"], code=broker.native_code(provider, name, begun["nonce"]),
                     client_id=APPS[provider])


@pytest.fixture
def before(broker):
    """How it was: WeChat's app not bound, Alipay's told user_ids."""
    broker.there.wechat.bind("wxapp", False)
    broker.there.alipay.apps["2021alipay"]["ids"] = "user_id"

    def later():
        broker.there.wechat.bind("wxapp", True)
        broker.there.alipay.apps["2021alipay"]["ids"] = "both"
    yield later
    later()
    broker.there.alipay.apps["2021alipay"]["ids"] = "open_id"


BY_CODE = pytest.mark.parametrize("provider", ["wechat", "alipay"])


@BY_CODE
def test_a_link_follows_to_the_new_id_within_a_window(shop, broker, owner, before, window, provider):
    name = next(names)
    made = link(broker, owner, provider, name)
    was = broker.admin.call("Admin.Link", link=made["id"])["link"]["subject"]
    before()
    opened = open_by_code(shop, broker, provider, name)
    assert (opened["outcome"], opened["account"], opened["link"]) == ("permit", owner.account, made["id"])
    issuer, subject = broker.subject(provider, name)
    shown = broker.admin.call("Admin.Link", link=made["id"])["link"]
    assert (shown["issuer"], shown["subject"], shown["was_subject"]) == (issuer, subject, was) and was != subject


@BY_CODE
def test_no_link_follows_to_the_new_id_without_a_window(shop, broker, owner, before, provider):
    name = next(names)
    link(broker, owner, provider, name)
    before()
    opened = open_by_code(shop, broker, provider, name)
    assert (opened["outcome"], opened["reason"]) == ("deny", "rekey_closed")


def test_a_link_follows_an_app_to_another_team(shop, broker, owner):
    """Apple translates the sub for an admin; both halves are Apple's own word."""
    apple, name = broker.there.apple, next(names)
    apple.client("com.example.web", "TEAM000000", broker.url + "/callback/apple")
    begun = shop.call("Links.Begin", account=owner.account, provider="apple", native=True)
    proposed = shop.call("Links.Complete", sign_in=begun["sign_in"],
                         id_token=apple.id_token(name, "com.example.web", begun["nonce"]))
    owner.confirm(proposed["challenge"]["id"])
    made = proposed["link"]["id"]
    apple.transfer("com.example.web", "TEAM000001")
    try:
        other = apple.transfer_sub(next(names), "TEAM000000", "TEAM000001")
        assert broker.admin.fails("Admin.RekeyLink", link=made, reason="moved", proof=other).name != "NotFound"
        shown = broker.admin.call("Admin.Link", link=made)["link"]
        assert shown["subject"] == apple.sub(name, "TEAM000000")
        broker.admin.call("Admin.RekeyLink", link=made, reason="moved")
        shown = broker.admin.call("Admin.Link", link=made)["link"]
        assert (shown["subject"], shown["was_subject"]) == (apple.sub(name, "TEAM000001"), apple.sub(name, "TEAM000000"))
        begun = shop.call("Sessions.Begin", provider="apple")
        token = apple.id_token(name, "com.example.web", begun["nonce"])
        assert shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["account"] == owner.account
    finally:
        apple.transferred.clear()


@pytest.mark.parametrize("hides", [False, True])
def test_an_address_of_the_persons_own_is_evidence(shop, broker, owner, hides):
    name = next(names)
    if hides:
        broker.there.apple.hide(name)
    made = link(broker, owner, "apple", name)
    evidence = shop.call("Links.Get", link=made["id"])["link"].get("evidence", [])
    assert [e["kind"] for e in evidence] == ([] if hides else ["email"])


def test_no_secret_is_in_any_log(shop, broker, browser):
    """After all that the tests above did, right and wrong, and an answer that repeats the secret."""
    broker.there.wechat.misbehave(errcode=40125, echo_secret=True)
    begun = begin(shop, "wechat")
    _, home, _ = visit(broker, "wechat", browser.leave(begun["start_url"]), next(names))
    browser.get(home)
    there = broker.there
    secrets = [WEB_SECRET, APP_SECRET, *there.wechat.codes, *there.wechat.tokens, *there.alipay.codes, *there.alipay.tokens,
               *there.apple.codes, *(f["client_secret"] for f in there.apple.asked("/auth/token"))]
    secrets += broker.apple_p8.splitlines()[1:-1] + broker.alipay_pem.splitlines()[1:-1]
    assert len(secrets) > 20
    # What the processes said, and what is written in the event log.
    said = broker.log() + str(broker.admin.call("Admin.Events", after=0, limit=1000))
    assert "40125" in said
    for path in ("state/countersign.db", "state/countersign.db-wal"):
        if os.path.exists(broker.path(path)):
            with open(broker.path(path), "rb") as f:
                said += f.read().decode("latin-1")
    for secret in secrets:
        assert secret not in said
