# SPDX-License-Identifier: Apache-2.0
"""Attacks on providers that do it their own way: Apple's forms and addresses, WeChat's and Alipay's codes without tokens."""
import datetime
import itertools
import urllib.parse

import pytest

from abroad import AbroadBroker, begin, bring_home, link, sign_in, visit
from harness import Browser, VarlinkError

names = (f"away{n}" for n in itertools.count(1))
BY_CODE = pytest.mark.parametrize("provider", ["wechat", "alipay"])
ALL = pytest.mark.parametrize("provider", ["apple", "wechat", "alipay"])


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
def victim(broker):
    """An account with an ID at each of the three, whose owner is `name` there."""
    person = broker.person(linked=False)
    person.name = next(names)
    for provider in ("apple", "wechat", "alipay"):
        link(broker, person, provider, person.name)
    return person


def reason(shop, begun):
    """Why the sign-in failed."""
    return shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters.get("reason")


def with_parameters(url, **fields):
    """The callback's URL with other parameters; None drops one."""
    parts = urllib.parse.urlsplit(url)
    query = {**dict(urllib.parse.parse_qsl(parts.query)), **fields}
    return parts._replace(query=urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})).geturl()


# --- L7 ---

@pytest.mark.parametrize("provider, other", [("wechat", "alipay"), ("alipay", "wechat"), ("apple", "wechat"), ("wechat", "apple")])
def test_L7_one_providers_answer_is_none_at_anothers_redirect_uri(shop, broker, victim, log, provider, other):
    begun, browser = begin(shop, provider), Browser(broker)
    method, home, form = visit(broker, provider, browser.leave(begun["start_url"]), victim.name)
    elsewhere = home.replace("/callback/" + provider, "/callback/" + other)
    assert elsewhere != home
    asked = len(broker.host(provider).requests) + len(broker.host(other).requests)
    assert bring_home(browser, provider, method, elsewhere, form)[0] == 400
    # The code went nowhere, and the sign-in is over.
    assert len(broker.host(provider).requests) + len(broker.host(other).requests) == asked
    assert bring_home(browser, provider, method, home, form)[0] == 404
    assert reason(shop, begun) == "bad_state"
    log.strangers("checkout", "bad_state")
    assert log.events(victim.account, "session_opened") == []


@BY_CODE
def test_L7_who_sends_iss_is_not_this_provider(shop, broker, victim, log, provider):
    """A mix-up: an honest provider's answer, with its iss, in the sign-in of one that sends none."""
    begun, browser = begin(shop, provider), Browser(broker)
    _, home, _ = visit(broker, provider, browser.leave(begun["start_url"]), victim.name)
    browser.get(with_parameters(home, iss=broker.provider.issuer))
    assert reason(shop, begun) == "bad_issuer"
    log.strangers("checkout", "bad_issuer")


@pytest.mark.parametrize("provider, name, wrong", [("wechat", "code", "auth_code"), ("alipay", "auth_code", "code")])
def test_L7_a_code_under_another_name_is_none(shop, broker, victim, log, provider, name, wrong):
    begun, browser = begin(shop, provider), Browser(broker)
    _, home, _ = visit(broker, provider, browser.leave(begun["start_url"]), victim.name)
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(home).query))[name]
    browser.get(with_parameters(home, **{name: None, wrong: code}))
    assert reason(shop, begun) == "bad_code"
    log.strangers("checkout", "bad_code")


def test_L7_a_code_that_another_app_was_given_opens_nothing(shop, broker, victim, log):
    """COAT: the victim signed in to the thief's app; its code is brought to this one."""
    broker.there.wechat.app("wxthief", "secret-of-the-thief", None)
    begun = shop.call("Sessions.Begin", provider="wechat")
    code = broker.there.wechat.native_code(victim.name, "wxthief")
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], code=code, client_id="wxapp")
    assert error.parameters == {"field": "id_token", "reason": "bad_code"}
    begun = shop.call("Sessions.Begin", provider="wechat")
    error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], code=code, client_id="wxthief")
    assert error.parameters["field"] == "client_id"
    log.strangers("checkout", "bad_code")
    assert log.events(victim.account, "session_opened") == []


@ALL
def test_L7_the_victims_browser_finishes_nobodys_sign_in(shop, broker, victim, log, provider):
    """The thief has the victim's browser come home, across sites where that is usual, with the thief's state."""
    begun, thief = begin(shop, provider), Browser(broker)
    method, home, form = visit(broker, provider, thief.leave(begun["start_url"]), victim.name)
    status, headers, _ = bring_home(Browser(broker), provider, method, home, form)
    assert status == 400 and headers["Location"] is None
    assert reason(shop, begun) == "bad_state"
    log.strangers("checkout", "bad_state")
    assert log.events(victim.account, "session_opened") == []


# --- L12 ---

def opened(shop, broker, token):
    begun = shop.call("Sessions.Begin", provider="apple")
    return shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token(begun["nonce"]))


def apple_token(broker, person, **claims):
    return lambda nonce: broker.there.apple.id_token(person, "com.example.app", nonce, **claims)


@pytest.mark.parametrize("claims", [
    {"email_verified": True}, {"email_verified": "true"}, {"email_verified": "true", "is_private_email": "false"}])
def test_L12_the_victims_address_in_another_ids_token_finds_nobody(shop, broker, victim, log, claims):
    address = f"{victim.name}@example.com"
    begun = shop.call("Sessions.Begin", provider="apple")
    token = apple_token(broker, next(names), email=address, **claims)(begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "link"}
    assert log.events(victim.account, "session_opened") == []


@pytest.mark.parametrize("claims", [
    {"email_verified": "false"}, {"email_verified": False}, {"email_verified": 1}, {"email_verified": {"a": []}},
    {"email_verified": None}, {"is_private_email": "true"}, {"is_private_email": [True]},
    {"email": "0123456789@privaterelay.appleid.com", "is_private_email": "true"}, {"email": None}, {"email": 7}])
def test_L12_no_address_and_no_odd_boolean_decides_who_it_is(shop, broker, victim, log, claims):
    """Who it is says the sub alone, whatever stands beside it."""
    answer = opened(shop, broker, apple_token(broker, victim.name, **claims))
    assert (answer["outcome"], answer["account"]) == ("permit", victim.account)
    assert len(log.events(victim.account, "session_opened")) == 1


@pytest.mark.parametrize("claims", [
    {"email_verified": "false"}, {"email_verified": 1}, {"is_private_email": "true"},
    {"email": "x@PrivateRelay.appleid.com", "is_private_email": "false"}, {"email": "a@b.example\nphone 0 +8613800000000"}])
def test_L12_what_proves_nothing_is_no_evidence(shop, broker, claims):
    owner = broker.person(linked=False)
    begun = shop.call("Links.Begin", account=owner.account, provider="apple", native=True)
    token = apple_token(broker, next(names), **claims)(begun["nonce"])
    proposed = shop.call("Links.Complete", sign_in=begun["sign_in"], id_token=token)
    owner.confirm(proposed["challenge"]["id"])
    assert shop.call("Links.Get", link=proposed["link"]["id"])["link"].get("evidence", []) == []


def test_L12_the_form_beside_the_code_says_nothing(shop, broker, victim, log):
    """`user` is not signed: a thief's browser sends the victim's name and address with the thief's own code."""
    begun, browser = begin(shop, "apple"), Browser(broker)
    thief = next(names)
    method, home, form = visit(broker, "apple", browser.leave(begun["start_url"]), thief)
    form["user"] = '{"name":{"firstName":"V","lastName":"W"},"email":"%s@example.com","sub":"%s"}' % (
        victim.name, broker.there.apple.sub(victim.name, "TEAM000001"))
    form["id_token"] = broker.there.apple.id_token(victim.name, "com.example.web", begun["nonce"])
    bring_home(browser, "apple", method, home, form)
    assert shop.fails("Sessions.Take", sign_in=begun["sign_in"]).parameters == {"what": "link"}
    assert log.events(victim.account, "session_opened") == []


def test_the_honest_owner_comes_in(shop, broker, victim):
    """What the attacks above must not have spoilt."""
    for provider in ("apple", "wechat", "alipay"):
        begun = begin(shop, provider)
        assert sign_in(broker, Browser(broker), provider, begun, victim.name)[0] == 303
        assert shop.call("Sessions.Take", sign_in=begun["sign_in"])["account"] == victim.account


# --- L11 ---

CLIENT = {"wechat": "wxapp", "alipay": "2021alipay"}


def before_the_change(broker, provider):
    """WeChat's app has no platform account yet, Alipay's is told user_ids alone; gives what brings the new names."""
    if provider == "wechat":
        broker.there.wechat.bind("wxapp", False)
        return lambda: broker.there.wechat.bind("wxapp", True)
    host, key = urllib.parse.urlsplit(broker.url).netloc, broker._alipay_app.public_key()
    broker.there.alipay.app("2021alipay", key, host, ids="user_id")
    return lambda: broker.there.alipay.app("2021alipay", key, host, ids="both")


@BY_CODE
def test_L11_a_new_name_moves_a_link_in_a_window_alone(shop, broker, log, provider):
    """openid and unionid, user_id and open_id: the same answer must name both, and an admin must have said when."""
    person, name = broker.person(linked=False), next(names)
    change = before_the_change(broker, provider)

    def open_session(who):
        begun = shop.call("Sessions.Begin", provider=provider)
        return shop.call("Sessions.Open", sign_in=begun["sign_in"], client_id=CLIENT[provider],
                         code=broker.native_code(provider, who, begun["nonce"]))
    try:
        linked = link(broker, person, provider, name)
    finally:
        change()
    answer = open_session(name)
    assert (answer["outcome"], answer["reason"]) == ("deny", "rekey_closed")
    log.denied(person.account, "rekey_closed")
    until = datetime.datetime.fromtimestamp(broker.clock.now_ms() / 1000 + 3600, datetime.timezone.utc)
    broker.admin.call("Admin.RekeyLinks", provider=provider, reason="the app was bound",
                      until=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    # A thief's new name says nothing of the owner's.
    with pytest.raises(VarlinkError, match="NotFound"):
        open_session(next(names))
    answer = open_session(name)
    assert (answer["outcome"], answer["link"]) == ("permit", linked["id"])
    broker.admin.call("Admin.RekeyLinks", provider=provider, reason="done")
    shown = broker.admin.call("Admin.Link", link=linked["id"])["link"]
    assert (shown["issuer"], shown["subject"]) == broker.subject(provider, name)
    assert shown["was_subject"] not in (shown["subject"], "")
    assert open_session(name)["outcome"] == "permit"
