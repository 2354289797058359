# SPDX-License-Identifier: Apache-2.0
"""Attacks on linking: what a stolen or borrowed ID, or somebody who was there first, must not get."""
import pytest

HOUR = 3600_000


# --- L1: pre-hijacking ---

def test_L1_a_common_mail_address_merges_nothing(broker, shop, person, log):
    """Classic-federated merge: another subject with the owner's address is nobody."""
    begun = shop.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token("thief-" + person.subject, begun["nonce"],
                                  overrides={"email": "owner@sandbox.test", "email_verified": True})
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "link"}
    log.strangers("checkout", "link")


def test_L1_sessions_from_before_a_link_end_with_it(person, log):
    """Unexpired session: whoever was signed in before the owner linked is out."""
    session = person.session()
    person.link(subject="owners-" + person.subject)
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_invalid")
    log.denied(person.account, "session_invalid")


def test_L1_challenges_from_before_a_link_end_with_it(shop, person, log):
    """Unexpired change: what was asked before the owner linked is not answered after it."""
    session = person.session()
    asked = person.authorize(session, person.payment())
    person.link(subject="owners-" + person.subject)
    challenge = asked["challenge"]["id"]
    answer = shop.call("StepUp.Respond", challenge=challenge,
                       answers=[{"step": person.totp.id, "value": person.totp.code()}])
    assert answer["state"] == "expired" and answer["reason"] == "challenge_expired"
    log.denied(person.account, "challenge_expired")
    assert log.last(person.account, "challenge_answered")["json"]["op"] == "link"


def test_L1_a_proposal_is_no_foot_in_the_door(broker, shop, person, log):
    """Trojan identifier: an ID that was proposed, and never countersigned, opens nothing, however long it waits."""
    proposed = person.propose(subject="trojan-" + person.subject)
    assert proposed["outcome"] == "step_up"
    broker.clock.advance(HOUR)
    begun = shop.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token("trojan-" + person.subject, begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "link"}
    assert shop.call("Links.Get", link=proposed["link"]["id"])["link"]["state"] in ("proposed", "revoked")
    log.strangers("checkout", "link")


def test_X4_who_calls_themselves_oddly_locks_nobody_out(broker, shop, person):
    """A subject that people choose, with marks that turn a line round: refused as what it is, whatever the number of tries."""
    for _ in range(7):
        begun = shop.call("Sessions.Begin", provider="sandbox")
        token = broker.provider.token("a\u202eb", begun["nonce"])
        error = shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token)
        assert (error.name, error.parameters["reason"]) == ("InvalidParameter", "bad_token")
    assert person.open()["outcome"] == "permit"


# --- L2: nOAuth ---

def test_L2_the_mail_address_of_a_token_finds_nobody(broker, shop, person, log):
    """The token of an attacker's tenant names the owner's subject as its address, in every claim it may choose."""
    begun = shop.call("Sessions.Begin", provider="sandbox")
    claims = {"email": person.subject, "preferred_username": person.subject, "name": person.subject,
              "upn": person.subject, "email_verified": True}
    token = broker.provider.token("attacker", begun["nonce"], overrides=claims)
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "link"}
    log.strangers("checkout", "link")


def test_L2_a_changed_mail_address_changes_nobody(broker, shop, person):
    for address in ("a@sandbox.test", "b@elsewhere.test"):
        begun = shop.call("Sessions.Begin", provider="sandbox")
        token = broker.provider.token(person.subject, begun["nonce"], overrides={"email": address})
        assert shop.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["account"] == person.account


# --- L3: a link proof for another ---

def test_L3_link_proof_is_used_once(broker, shop, nobody, log):
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    first = broker.provider.token(nobody.subject, begun["nonce"])
    second = broker.provider.token("second-" + nobody.subject, begun["nonce"])
    assert shop.call("Links.Complete", sign_in=begun["sign_in"], id_token=first)["outcome"] == "step_up"
    assert shop.fails("Links.Complete", sign_in=begun["sign_in"], id_token=second).parameters == {"what": "sign_in"}
    assert len(log.events(nobody.account, "link_proposed")) == 1
    log.strangers("checkout", "sign_in")


def test_L3_link_proof_of_another_account(broker, shop, nobody, log):
    """A token that was made for the thief's link is no proof in the owner's, though the ID is the same."""
    nobody.enrol()
    thief = broker.person(linked=False)
    own = shop.call("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    other = shop.call("Links.Begin", account=thief.account, provider="sandbox", native=True)
    token = broker.provider.token(nobody.subject, own["nonce"])
    error = shop.fails("Links.Complete", sign_in=other["sign_in"], id_token=token)
    assert error.parameters == {"field": "id_token", "reason": "bad_nonce"}
    assert log.events(thief.account, "link_proposed") == []
    log.strangers("checkout", "bad_nonce")


def test_L3_countersignature_of_one_subject_links_no_other(shop, nobody, log):
    nobody.enrol()
    first, second = nobody.propose(), nobody.propose(subject="second-" + nobody.subject)
    nobody.confirm(first["challenge"]["id"])
    assert shop.call("Links.Get", link=second["link"]["id"])["link"]["state"] != "active"
    begun = shop.call("Sessions.Begin", provider="sandbox")
    token = nobody.broker.provider.token("second-" + nobody.subject, begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "link"}
    log.strangers("checkout", "link")


def test_L3_link_proof_of_another_service(broker, market, shop, nobody, log):
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    token = broker.provider.token(nobody.subject, begun["nonce"])
    assert market.fails("Links.Complete", sign_in=begun["sign_in"], id_token=token).name == "NotFound"
    log.strangers("market", "sign_in")


# --- L4 ---

def test_L4_profile_members_of_a_call_are_refused(shop, nobody, log):
    """There is no place where a mail address could be given along with a link."""
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    token = nobody.broker.provider.token(nobody.subject, begun["nonce"])
    error = shop.fails("Links.Complete", sign_in=begun["sign_in"], id_token=token, email="owner@sandbox.test")
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "email")
    assert log.events(nobody.account, "link_proposed") == []


# --- L5, L6: what goes up, and who comes back: test_browser.py ---

# --- L10 ---

def test_L10_a_recycled_subject_inherits_nothing(broker, shop, person, log):
    """The ID was removed and has a new owner: neither the old account, nor its sessions, nor its permissions."""
    session = person.session()
    shop.call("Links.Remove", link=person.link_id)
    heir = broker.person(linked=False)
    heir.link(subject=person.subject)
    opened = heir.open(subject=person.subject)
    assert opened["account"] == heir.account
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_invalid")
    log.denied(person.account, "session_invalid")
    asked = heir.authorize(opened["session"], heir.payment())
    assert asked["outcome"] == "step_up"
    step = {"step": person.totp.id, "value": person.totp.code()}
    assert shop.fails("StepUp.Respond", challenge=asked["challenge"]["id"], answers=[step]).name == "NotFound"


# --- L16 ---

@pytest.fixture
def things(person, shop):
    """One of everything that belongs to checkout."""
    session = person.session()
    permit = person.spend(session, "10.00")
    asked = person.authorize(session, person.payment("11.00"))
    return {"session": session, "hold": permit["hold"]["id"], "challenge": asked["challenge"]["id"],
            "sign_in": shop.call("Sessions.Begin", provider="sandbox")["sign_in"]}


@pytest.mark.parametrize("method, what, rest", [
    ("Sessions.Close", "session", {}), ("Sessions.Take", "sign_in", {}),
    ("Sessions.Open", "sign_in", {"id_token": "x"}), ("Links.Complete", "sign_in", {"id_token": "x"}),
    ("Payments.Capture", "hold", {"capture_id": "c"}), ("Payments.Release", "hold", {}),
    ("StepUp.Get", "challenge", {}), ("StepUp.Refuse", "challenge", {}), ("StepUp.Watch", "challenge", {}),
    ("StepUp.Respond", "challenge", {"answers": [{"step": "fac_x", "value": "1"}]}),
    ("Payments.Authorize", "session", {"payment": {"id": "p", "amount": "1", "currency": "CNY", "payee": {"id": "m"}}}),
    ("Payments.Evaluate", "session", {"payment": {"id": "p", "amount": "1", "currency": "CNY", "payee": {"id": "m"}}}),
])
def test_L16_what_is_another_services_does_not_exist(market, things, log, method, what, rest):
    error = market.fails(method, **{what: things[what]}, **rest)
    assert (error.name, error.parameters) == ("NotFound", {"what": what})
    log.strangers("market", what)


def test_L16_not_another_services_and_not_there_are_the_same(market, things):
    for what, method in (("session", "Sessions.Close"), ("hold", "Payments.Release"), ("challenge", "StepUp.Get")):
        there = things[what]
        absent = there[:-1] + ("a" if there[-1] != "a" else "b")
        answers = [market.fails(method, **{what: id}) for id in (there, absent)]
        assert answers[0].name == answers[1].name == "NotFound"
        assert answers[0].parameters == answers[1].parameters


def test_L16_payment_of_another_service_is_not_read(market, person):
    permit = person.spend(person.session(), "10.00")
    assert permit["outcome"] == "permit"
    for method, rest in (("Payments.Get", {}), ("Payments.Refund", {"refund_id": "r", "amount": "1"})):
        error = market.fails(method, account=person.account, payment="order-1", **rest)
        assert error.name == "NotFound"


def test_L16_the_same_payment_id_of_another_service_is_another_payment(broker, market, person):
    person.spend(person.session(), "10.00")
    begun = market.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token(person.subject, begun["nonce"], aud="another-app")
    session = market.call("Sessions.Open", sign_in=begun["sign_in"], id_token=token)["session"]
    answer = person.authorize(session, person.payment("12.00", id="order-1"), service=market)
    assert (answer["outcome"], "hold" in answer) == ("step_up", False)


# --- L14 ---

def test_L14_relinking_gives_no_limit_back(shop, person, log):
    """The day's 3000 are the account's: a new link of the same or of another ID finds them spent."""
    session = person.session()
    for _ in range(3):
        person.spend(session, "1000.00")
    for subject in (person.subject, "second-" + person.subject):
        shop.call("Links.Remove", link=person.link_id)
        person.link(subject=subject)
        answer = person.authorize(person.session(subject=subject), person.payment("1.00"))
        assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
        log.denied(person.account, "limit_day")
