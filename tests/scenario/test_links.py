# SPDX-License-Identifier: Apache-2.0
"""Links: an ID is bound to an account by its owner's countersignature, to one account at a time, and let go at once."""
import pytest

from harness import RETURN_URL, Person

HOUR = 3600_000


def test_linking_needs_a_countersignature(shop, nobody):
    nobody.enrol()
    proposed = nobody.propose()
    assert (proposed["outcome"], proposed["link"]["state"]) == ("step_up", "proposed")
    assert proposed["challenge"]["factors"] == ["totp"]
    assert shop.fails("Lookup.BySubject", provider="sandbox", subject=nobody.subject).name == "NotFound"
    nobody.confirm(proposed["challenge"]["id"])
    link = shop.call("Links.Get", link=proposed["link"]["id"])["link"]
    assert (link["state"], link["account"], link["provider"]) == ("active", nobody.account, "sandbox")
    found = shop.call("Lookup.BySubject", provider="sandbox", subject=nobody.subject)["entry"]
    assert (found["link"], found["account"]) == (link["id"], nobody.account)


def test_the_card_names_the_id_and_what_is_asked(shop, nobody):
    nobody.enrol()
    proposed = nobody.propose()
    card = shop.call("StepUp.Get", challenge=proposed["challenge"]["id"])["card"]
    assert (card["what"], card["provider"], card["service"]) == ("link", "sandbox", "checkout")
    assert nobody.account not in str(card)


def test_an_account_without_a_factor_cannot_link(shop, nobody):
    error = shop.fails("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    assert (error.name, error.parameters) == ("NotFound", {"what": "account"})


def test_a_proposal_signs_nobody_in(shop, nobody):
    nobody.enrol()
    nobody.propose()
    begun = shop.call("Sessions.Begin", provider="sandbox")
    token = nobody.broker.provider.token(nobody.subject, begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).parameters == {"what": "link"}


def test_an_id_of_another_account_is_taken(broker, person):
    other = broker.person(linked=False)
    proposed = other.propose(subject=person.subject)
    assert (proposed["outcome"], proposed["reason"]) == ("deny", "link_taken")
    assert "challenge" not in proposed and "link" not in proposed


def test_the_same_id_twice_is_taken(person):
    proposed = person.propose()
    assert (proposed["outcome"], proposed["reason"]) == ("deny", "link_taken")


def test_a_proposal_does_not_block_the_rightful_owner(broker, shop):
    thief, owner = broker.person(linked=False), broker.person(linked=False)
    stolen = thief.propose(subject=owner.subject)
    assert stolen["outcome"] == "step_up"
    link = owner.link()
    # The thief's countersignature comes too late: nobody holds an ID twice.
    step = shop.call("StepUp.Get", challenge=stolen["challenge"]["id"])["steps"][0]
    answer = shop.call("StepUp.Respond", challenge=stolen["challenge"]["id"],
                       answers=[{"step": step["id"], "value": thief.totp.code()}])
    assert (answer["state"], answer["reason"]) == ("open", "link_taken")
    assert shop.call("Links.Get", link=stolen["link"]["id"])["link"]["state"] == "proposed"
    found = shop.call("Lookup.BySubject", provider="sandbox", subject=owner.subject)["entry"]
    assert (found["account"], found["link"]) == (owner.account, link["id"])
    assert thief.propose(subject=owner.subject)["reason"] == "link_taken"


def test_a_sign_in_of_a_session_proves_no_link(shop, broker, nobody):
    nobody.enrol()
    begun = shop.call("Sessions.Begin", provider="sandbox")
    token = broker.provider.token(nobody.subject, begun["nonce"])
    assert shop.fails("Links.Complete", sign_in=begun["sign_in"], id_token=token).name == "NotFound"
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", native=True)
    token = broker.provider.token(nobody.subject, begun["nonce"])
    assert shop.fails("Sessions.Open", sign_in=begun["sign_in"], id_token=token).name == "NotFound"


def test_a_browsers_sign_in_is_not_completed_by_hand(shop, broker, nobody):
    nobody.enrol()
    begun = shop.call("Links.Begin", account=nobody.account, provider="sandbox", return_url=RETURN_URL)
    assert "nonce" not in begun and begun["start_url"].startswith(broker.url + "/s/")
    assert shop.fails("Links.Complete", sign_in=begun["sign_in"], code="x").name == "NotFound"


def test_linking_ends_sessions_that_were_open_before(broker, person):
    session = person.session()
    person.link(subject="second-" + person.subject)
    answer = person.authorize(session, person.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "session_invalid")


def test_suspending_is_at_once_and_resuming_needs_the_owner(shop, market, person):
    session = person.session()
    link = market.call("Links.Suspend", link=person.link_id, reason="lost my phone")["link"]
    assert link["state"] == "suspended"
    assert person.authorize(session, person.payment())["outcome"] == "deny"
    asked = shop.call("Links.Resume", link=person.link_id)
    assert (asked["outcome"], asked["link"]["state"]) == ("step_up", "suspended")
    person.confirm(asked["challenge"]["id"])
    done = shop.call("Links.Resume", link=person.link_id)
    assert (done["outcome"], done["link"]["state"]) == ("permit", "active")
    assert person.open()["outcome"] == "permit"


def test_one_countersignature_resumes_once(shop, person):
    shop.call("Links.Suspend", link=person.link_id)
    person.confirm(shop.call("Links.Resume", link=person.link_id)["challenge"]["id"])
    assert shop.call("Links.Resume", link=person.link_id)["outcome"] == "permit"
    shop.call("Links.Suspend", link=person.link_id)
    assert shop.call("Links.Resume", link=person.link_id)["outcome"] == "step_up"


def test_another_services_countersignature_resumes_nothing(shop, market, person):
    shop.call("Links.Suspend", link=person.link_id)
    person.confirm(shop.call("Links.Resume", link=person.link_id)["challenge"]["id"])
    assert market.call("Links.Resume", link=person.link_id)["outcome"] == "step_up"


def test_removing_frees_the_id_for_another_account(broker, shop, person):
    assert shop.call("Links.Remove", link=person.link_id)["link"]["state"] == "revoked"
    assert shop.fails("Lookup.BySubject", provider="sandbox", subject=person.subject).name == "NotFound"
    assert shop.fails("Links.Resume", link=person.link_id).name == "Conflict"
    other = broker.person(linked=False)
    other.link(subject=person.subject)
    found = shop.call("Lookup.BySubject", provider="sandbox", subject=person.subject)["entry"]
    assert found["account"] == other.account


def test_an_id_that_was_removed_can_be_linked_again(shop, person):
    shop.call("Links.Remove", link=person.link_id)
    old = person.link_id
    assert person.link()["id"] != old
    assert person.open()["link"] == person.link_id


def test_removing_a_proposal_ends_its_challenge(shop, nobody):
    nobody.enrol()
    proposed = nobody.propose()
    shop.call("Links.Remove", link=proposed["link"]["id"])
    assert shop.call("StepUp.Get", challenge=proposed["challenge"]["id"])["state"] != "open"


def test_many_removals_in_one_turn(broker, shop, nobody):
    nobody.enrol()
    links = [nobody.link(subject=f"{nobody.subject}-{i}")["id"] for i in range(6)]
    for link in links:
        shop.send("Links.Remove", link=link)
    assert [shop.receive()["link"]["state"] for _ in links] == ["revoked"] * len(links)


def test_links_are_listed(market, person):
    links = market.call("Links.List", account=person.account)["links"]
    assert [(link["id"], link["state"]) for link in links] == [(person.link_id, "active")]
    assert market.fails("Links.List", account="nobody").parameters == {"what": "account"}


@pytest.mark.parametrize("method", ["Links.Get", "Links.Suspend", "Links.Resume", "Links.Remove"])
def test_unknown_links_are_not_found(shop, person, method):
    for link in ("link_x", person.totp.id, person.link_id[:-1]):
        assert shop.fails(method, link=link).name == "NotFound"


def test_links_outlive_a_restart(broker, shop, person):
    broker.halt()
    broker.start()
    assert broker.service.call("Links.Get", link=person.link_id)["link"]["state"] == "active"
    again = Person(broker)
    again.enrol()
    assert again.propose(subject=person.subject)["reason"] == "link_taken"
