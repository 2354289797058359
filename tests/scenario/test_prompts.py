# SPDX-License-Identifier: Apache-2.0
"""Factors that must be begun: a code is sent, or a conversation opened, and it goes on until its plugin has heard enough.
And what their owner is told through them."""
import os
import re
import select
import shutil
import time

import pytest

from harness import BUILD, CALL_S, Broker, Person

STACK = """link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   required    stepup      {spend}
"""
FACTORS = """factor "pam" {{
    plugin "{directory}/misbehave.so" servers 1 deadline 5s cooling-off 0
    set prompts asks
}}
factor "otp" {{
    plugin "{directory}/misbehave.so" servers 1 deadline 5s cooling-off 0
    set prompts sends
}}
trusted-factor-limit CNY 5000
"""


def broker_with(directory, spend):
    path = os.path.join(directory, "misbehave.so")
    shutil.copyfile(os.path.join(BUILD, "plugins", ".libs", "misbehave.so"), path)
    os.chmod(path, 0o644)
    return Broker(https=False, stack=STACK.format(spend=spend), extra=FACTORS.format(directory=directory))


class Talker(Person):
    """Who has a factor of either sort, beside an app."""

    def add(self, kind, answer="right"):
        begin = {"account": self.account, "kind": kind, "label": kind, "address": "wang@mail.example", "language": "zh"}
        challenge = self.service.call("Factors.Begin", **begin)["challenge"]["id"]
        self.confirm(challenge)
        begun = self.service.call("Factors.Begin", challenge=challenge, **begin)
        done = self.service.call("Factors.Finish", enrolment=begun["enrolment"],
                                 answers=[{"step": begun["steps"][0]["id"], "value": answer}])
        assert done["outcome"] == "permit", done
        return done["factor"]["id"]

    def prompt(self, name="Corner Shop"):
        self.asked = self.session(), self.payment("20.00", name=name)
        return self.authorize(*self.asked)["challenge"]["id"]

    def begin(self, challenge, step, **rest):
        return self.service.call("StepUp.Begin", challenge=challenge, step=step, **rest)

    def give(self, challenge, *answers, **rest):
        return self.service.call("StepUp.Respond", challenge=challenge,
                                 answers=[{"step": step, "value": value} for step, value in answers], **rest)

    def outcome(self):
        return self.authorize(*self.asked)["outcome"]


def step_of(answer, factor):
    return next(step for step in answer["steps"] if step["id"] == factor)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    broker = broker_with(tmp_path_factory.mktemp("plugins"), "factors=1")
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    broker = broker_with(tmp_path_factory.mktemp("plugins"), "factors=2")
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log


@pytest.fixture
def talker(broker):
    person = Talker(broker)
    person.enrol()
    person.link()
    # Where a code goes must be known, or nobody can tell whether the provider reads it too.
    person.pam, person.otp = person.add("pam"), person.add("otp", "!lie_rests")
    return person


@pytest.fixture
def careful(strict):
    person = Talker(strict)
    person.enrol()
    person.link()
    person.pam = person.add("pam")
    return person


def test_a_step_says_that_it_must_be_begun(talker):
    challenge = talker.prompt()
    shown = talker.service.call("StepUp.Get", challenge=challenge)
    step = step_of(shown, talker.otp)
    assert (step["type"], step["begin"], step["begun"]) == ("code", True, False)
    assert "begin" not in step_of(shown, talker.totp.id)


def test_a_code_is_sent_and_answered(talker):
    challenge = talker.prompt()
    begun = step_of(talker.begin(challenge, talker.otp, language="zh-CN"), talker.otp)
    assert (begun["begun"], begun["destination"], begun["sends_left"]) == (True, "+86 138****5678", 3)
    assert begun["prompts"] == [{"type": "code", "label": "The code that nobody sent"}]
    assert 0 < begun["resend_after_ms"] <= 30_000
    assert talker.give(challenge, (talker.otp, "right"))["state"] == "done"
    assert talker.outcome() == "permit"


def test_what_was_not_begun_is_not_counted(talker):
    challenge = talker.prompt()
    answer = talker.give(challenge, (talker.otp, "wrong"))
    assert (answer["state"], "reason" in answer, answer["attempts_left"]) == ("open", False, 5)
    assert step_of(answer, talker.otp)["begun"] is False


def test_a_code_of_one_challenge_is_none_of_another(talker):
    first, second = talker.prompt(), talker.prompt()
    talker.begin(first, talker.otp)
    assert step_of(talker.service.call("StepUp.Get", challenge=second), talker.otp)["begun"] is False
    assert "reason" not in talker.give(second, (talker.otp, "right"))
    assert talker.outcome() == "step_up"


def test_codes_are_sent_with_growing_waits_and_then_no_more(talker):
    challenge = talker.prompt()
    for wait_ms in (30_000, 60_000, 120_000):
        assert "reason" not in talker.begin(challenge, talker.otp)
        refused = talker.begin(challenge, talker.otp)
        assert refused["reason"] == "prompt_budget" and 0 < refused["retry_after_ms"] <= wait_ms
        assert refused["retry_after_ms"] > wait_ms - 10_000
        talker.broker.clock.advance(wait_ms)
    assert step_of(talker.begin(challenge, talker.otp), talker.otp)["sends_left"] == 0
    talker.broker.clock.advance(60_000)
    refused = talker.begin(challenge, talker.otp)
    assert (refused["reason"], "retry_after_ms" in refused) == ("prompt_budget", False)


def test_an_account_is_sent_so_much_on_one_day(talker):
    # On one day, however late it is now.
    talker.broker.clock.advance(86_400_000 - talker.broker.clock.now_ms() % 86_400_000)
    challenges = []
    for n in range(12):
        if n % 3 == 0:
            challenges.append(talker.prompt())
        assert "reason" not in talker.begin(challenges[-1], talker.otp), n
        talker.broker.clock.advance(61_000)
    refused = talker.begin(talker.prompt(), talker.otp)
    assert (refused["reason"], "retry_after_ms" in refused) == ("prompt_budget", False)


def test_a_conversation_goes_on_until_it_is_over(talker):
    challenge = talker.prompt()
    begun = step_of(talker.begin(challenge, talker.pam), talker.pam)
    assert (begun["type"], "destination" in begun) == ("code", True)
    more = talker.give(challenge, (talker.pam, "!more"))
    step = step_of(more, talker.pam)
    assert (more["state"], "reason" in more, step["type"]) == ("open", False, "secret")
    assert step["prompts"] == [{"type": "secret", "label": "And now?"}]
    assert talker.give(challenge, (talker.pam, "right"))["state"] == "done"
    assert talker.outcome() == "permit"


def test_a_wrong_conversation_begins_anew_without_waiting(talker):
    challenge = talker.prompt()
    talker.begin(challenge, talker.pam)
    wrong = talker.give(challenge, (talker.pam, "wrong"))
    assert (wrong["reason"], step_of(wrong, talker.pam)["begun"]) == ("factor_rejected", False)
    assert step_of(talker.begin(challenge, talker.pam), talker.pam)["begun"] is True
    assert talker.give(challenge, (talker.pam, "right"))["state"] == "done"


def test_a_conversation_without_an_end_ends(talker):
    challenge = talker.prompt()
    talker.begin(challenge, talker.pam)
    for _ in range(8):
        assert "reason" not in talker.give(challenge, (talker.pam, "!more"))
    error = talker.service.fails("StepUp.Respond", challenge=challenge,
                                 answers=[{"step": talker.pam, "value": "!more"}])
    assert (error.name, error.parameters["what"]) == ("Unavailable", "factor")
    assert step_of(talker.service.call("StepUp.Get", challenge=challenge), talker.pam)["begun"] is False


@pytest.mark.parametrize("how", ["crash", "garbage", "lie_more", "lie_state", "fail"])
def test_a_plugin_that_cannot_begin_is_unavailable(talker, how):
    """Told by the payee's name, which the card carries to the plugin."""
    challenge = talker.prompt("!" + how)
    error = talker.service.fails("StepUp.Begin", challenge=challenge, step=talker.otp)
    assert (error.name, error.parameters["what"]) == ("Unavailable", "factor")
    again = talker.begin(challenge, talker.otp)
    assert again["reason"] == "prompt_budget" and again["retry_after_ms"] <= 5_000


def test_a_factor_may_say_what_it_rests_on_at_its_enrolment_alone(talker):
    challenge = talker.prompt()
    talker.begin(challenge, talker.pam)
    answer = talker.give(challenge, (talker.pam, "!lie_rests"))
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")


def test_a_conversation_comes_first_and_its_end_is_kept_for_the_round(careful):
    """Right or wrong, nothing is said of it before the other factor has answered."""
    told = []
    for last in ("right", "wrong"):
        challenge = careful.prompt()
        careful.begin(challenge, careful.pam)
        careful.give(challenge, (careful.pam, "!more"))
        kept = careful.give(challenge, (careful.pam, last))
        step = step_of(kept, careful.pam)
        told.append((kept["state"], kept.get("reason"), kept["attempts_left"], kept["round"], step["answered"],
                     step["begun"]))
        done = careful.give(challenge, (careful.totp.id, careful.totp.code()))
        assert (done["state"], done.get("reason")) == \
            (("done", None) if last == "right" else ("open", "factor_rejected"))
    assert told[0] == told[1] and told[0][:2] == ("open", None)


def test_a_right_code_does_not_save_a_wrong_conversation(careful):
    challenge = careful.prompt()
    careful.begin(challenge, careful.pam)
    answer = careful.give(challenge, (careful.pam, "wrong"), (careful.totp.id, careful.totp.code()))
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    careful.begin(challenge, careful.pam)
    assert careful.give(challenge, (careful.totp.id, careful.totp.code()), (careful.pam, "right"))["state"] == "done"
    assert careful.outcome() == "permit"


def told(person, times):
    """What the owner was told, by (worker, what, detail), once it was told so often: nobody waits for it but this test."""
    hint = re.escape(f"{person.account[:2]}***{person.account[-2:]}")
    line = re.compile(r'worker:(\w+) .*"what.":."(\w+).".*account_hint.":."' + hint + r'."(?:,."detail.":."(\w+).")?')
    end = time.monotonic() + CALL_S
    while True:
        found = [m.groups() for m in map(line.search, person.broker.log().splitlines()) if m]
        if len(found) >= times:
            return found
        assert time.monotonic() < end, found
        select.select([], [], [], 0.02)


def test_the_owner_is_told_of_every_change_through_the_other_factors(talker):
    """Whoever is changed is not told of it by itself; and what cannot tell, such as an app, is passed over."""
    assert told(talker, 1) == [("pam", "factor_enrolled", "otp")], "pam was there when otp came"
    asked = talker.service.call("Factors.Remove", factor=talker.pam)["challenge"]["id"]
    talker.confirm(asked)
    assert talker.service.call("Factors.Remove", factor=talker.pam, challenge=asked)["outcome"] == "permit"
    assert told(talker, 2)[1:] == [("otp", "factor_removed", "pam")]


def test_a_restart_asks_for_another_beginning(tmp_path):
    broker = broker_with(str(tmp_path), "factors=1")
    try:
        person = Talker(broker)
        person.enrol()
        person.link()
        person.otp = person.add("otp", "!lie_rests")
        challenge = person.prompt()
        person.begin(challenge, person.otp)
        broker.halt()
        broker.start()
        person.service = broker.service
        answer = person.give(challenge, (person.otp, "right"))
        assert (answer["state"], "reason" in answer) == ("open", False)
        assert step_of(answer, person.otp)["begun"] is False
        person.begin(challenge, person.otp)
        assert person.give(challenge, (person.otp, "right"))["state"] == "done"
    finally:
        broker.stop()


def test_a_wrong_conversation_is_counted_before_it_is_begun_again(careful):
    """Where a conversation shows how far it came, each guess at it costs a round."""
    challenge = careful.prompt()
    careful.begin(challenge, careful.pam)
    careful.give(challenge, (careful.pam, "wrong"))
    again = careful.begin(challenge, careful.pam, language="en")
    step = step_of(again, careful.pam)
    assert (step["answered"], step["begun"], again["attempts_left"]) == (True, False, 3)
    done = careful.give(challenge, (careful.totp.id, careful.totp.code()))
    assert (done["reason"], done["attempts_left"]) == ("factor_rejected", 2)
    assert step_of(careful.begin(challenge, careful.pam), careful.pam)["begun"] is True


def test_one_factor_is_not_two_answers(careful):
    challenge = careful.prompt()
    error = careful.service.fails("StepUp.Respond", challenge=challenge, answers=[
        {"step": careful.totp.id, "value": careful.totp.code(), "prompt": n} for n in (0, 1)])
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "answers")
