# SPDX-License-Identifier: Apache-2.0
"""Codes of an authenticator app with other settings than most: plugin and engine compute the same, and drift ends where it is written."""
import pytest

BROKER = {"https": False, "totp_extra": "set algorithm SHA512 set digits 8 set period 20 set drift 2"}


def answer(person, challenge, code):
    return person.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": person.totp.id, "value": code}])


def prompt(person):
    person.asked = person.session(), person.payment()
    return person.authorize(*person.asked)["challenge"]["id"]


def test_what_is_configured_is_what_is_shown(person):
    assert (person.totp.algorithm, person.totp.digits, person.totp.period) == ("sha512", 8, 20)
    step = person.service.call("StepUp.Get", challenge=prompt(person))["steps"][0]
    assert step["digits"] == 8
    person.spend(person.session())


@pytest.mark.parametrize("away", [-2, -1, 1, 2])
def test_a_clock_that_is_off_by_so_much(person, away):
    person.broker.clock.advance(10 * 20_000)
    challenge = prompt(person)
    # In the middle of a step, so that none ends while it is asked.
    person.broker.clock.advance(30_000 - person.broker.clock.now_ms() % 20_000)
    assert answer(person, challenge, person.totp.at(person.totp.step() + away))["state"] == "done"
    assert person.authorize(*person.asked)["outcome"] == "permit"


@pytest.mark.parametrize("away", [-4, -3, 3, 4])
def test_a_clock_that_is_off_by_more(person, away):
    person.broker.clock.advance(10 * 20_000)
    challenge = prompt(person)
    person.broker.clock.advance(30_000 - person.broker.clock.now_ms() % 20_000)
    assert answer(person, challenge, person.totp.at(person.totp.step() + away))["reason"] == "factor_rejected"


def test_a_later_code_uses_up_the_ones_before(person):
    person.broker.clock.advance(10 * 20_000)
    challenge = prompt(person)
    person.broker.clock.advance(30_000 - person.broker.clock.now_ms() % 20_000)
    step = person.totp.step()
    assert answer(person, challenge, person.totp.at(step + 1))["state"] == "done"
    challenge = prompt(person)
    for used in (step - 1, step, step + 1):
        assert answer(person, challenge, person.totp.at(used))["reason"] == "factor_rejected"
    assert answer(person, challenge, person.totp.at(step + 2))["state"] == "done"
