# SPDX-License-Identifier: Apache-2.0
"""Attacks that wait out, or try to shorten, the cooling-off time of links and factors."""
HOUR = 3600_000

BROKER = {"link_cooling_off": "24h", "factor_cooling_off": "1h"}


def ready(broker):
    """An account whose factor and link have cooled off."""
    person = broker.person(linked=False)
    broker.clock.advance(2 * HOUR)
    person.link()
    broker.clock.advance(25 * HOUR)
    return person


def test_L14_a_new_link_of_an_old_subject_cools_off_again(broker, shop, log):
    person = ready(broker)
    person.spend(person.session(), "1.00")
    shop.call("Links.Remove", link=person.link_id)
    person.link()
    answer = person.authorize(person.session(), person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "link_cooling_off")
    log.denied(person.account, "link_cooling_off")


def test_S5_a_new_factor_answers_nothing_yet(broker, shop, log):
    """A second factor, even when rightly enrolled, does not countersign within its hour."""
    person = ready(broker)
    first = person.totp
    challenge = shop.call("Factors.Begin", account=person.account, kind="totp", label="b")["challenge"]["id"]
    person.confirm(challenge)
    second = person.enrol(challenge=challenge)
    payment, session = person.payment("1.00"), person.session()
    challenge = person.authorize(session, payment)["challenge"]["id"]
    answer = shop.call("StepUp.Respond", challenge=challenge, answers=[{"step": second.id, "value": second.code()}])
    assert (answer["state"], answer["reason"]) == ("open", "factor_cooling_off")
    log.denied(person.account, "factor_cooling_off")
    person.totp = first
    person.confirm(challenge)
    assert person.authorize(session, payment)["outcome"] == "permit"


def test_M9_a_clock_set_forward_ends_no_cooling_off(broker, shop, log):
    person = ready(broker)
    shop.call("Links.Remove", link=person.link_id)
    person.link()
    session = person.session()
    wall, boot = broker.clock._offsets()
    broker.clock.set(wall + 25 * HOUR, boot)
    try:
        answer = person.authorize(session, person.payment("1.00"))
        assert (answer["outcome"], answer["reason"]) == ("deny", "clock")
    finally:
        broker.clock.set(wall, boot)
    log.denied(person.account, "clock")
    answer = person.authorize(session, person.payment("1.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "link_cooling_off")
