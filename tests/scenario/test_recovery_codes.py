# SPDX-License-Identifier: Apache-2.0
"""Printed codes: shown once, proved without using one up, each good once, and a typing error that is told as one."""
import pytest

from harness import Person, Totp

STACK = """link     required  stepup  factors=1
factor   required  stepup  factors=1
recover  required  stepup  factors=1
spend    required  stepup  factors=1
"""
BROKER = {"https": False, "stack": STACK,
          "extra": 'factor "recovery" { plugin "recovery" servers 1 deadline 20s cooling-off 0 }\n'}


class Keeper(Person):
    """Keeps printed codes."""

    def print_codes(self, language="en"):
        begin = {"account": self.account, "kind": "recovery", "label": "paper", "language": language}
        challenge = self.service.call("Factors.Begin", **begin)["challenge"]["id"]
        self.confirm(challenge)
        begun = self.service.call("Factors.Begin", challenge=challenge, **begin)
        show = next(step for step in begun["steps"] if step["type"] == "show")
        ask = next(step for step in begun["steps"] if step["type"] == "text")
        self.says, *self.codes = show["text"].split("\n")
        done = self.service.call("Factors.Finish", enrolment=begun["enrolment"],
                                 answers=[{"step": ask["id"], "value": self.codes[0].lower()}])
        assert done["outcome"] == "permit", done
        self.paper = done["factor"]["id"]

    def recover(self):
        begun = self.service.call("Factors.Begin", account=self.account, kind="totp", recover=True)
        assert begun["outcome"] == "step_up", begun
        return begun["challenge"]["id"]

    def redeem(self, challenge):
        begun = self.service.call("Factors.Begin", account=self.account, kind="totp", recover=True, challenge=challenge)
        if begun["outcome"] == "permit":
            uri = next(step["uri"] for step in begun["steps"] if step["type"] == "show")
            step = next(step for step in begun["steps"] if step["type"] == "code")
            begun = self.service.call("Factors.Finish", enrolment=begun["enrolment"],
                                      answers=[{"step": step["id"], "value": Totp(self.broker.clock, uri).code()}])
        return begun

    def answer(self, challenge, value):
        return self.service.call("StepUp.Respond", challenge=challenge, answers=[{"step": self.paper, "value": value}])


@pytest.fixture
def keeper(broker):
    person = Keeper(broker)
    person.enrol()
    person.link()
    person.print_codes()
    return person


def typo(code):
    return ("A" if code[0] != "A" else "B") + code[1:]


@pytest.mark.parametrize("language, word", [("en", "Write these codes down"), ("zh", "恢复码")])
def test_codes_are_shown_once(broker, language, word):
    person = Keeper(broker)
    person.enrol()
    person.print_codes(language)
    assert word in person.says and len(set(person.codes)) == 10


def test_the_code_that_proved_the_paper_is_still_good(keeper):
    challenge = keeper.recover()
    assert keeper.answer(challenge, keeper.codes[0])["state"] == "done"


def test_a_recovery_ends_in_another_app(keeper):
    challenge = keeper.recover()
    assert keeper.answer(challenge, keeper.codes[6].replace("-", " "))["state"] == "done"
    done = keeper.redeem(challenge)
    assert (done["outcome"], done["factor"]["state"]) == ("permit", "cooling_off")


def test_a_used_code_is_wrong(keeper):
    challenge = keeper.recover()
    assert keeper.answer(challenge, keeper.codes[3])["state"] == "done"
    assert keeper.redeem(challenge)["outcome"] == "permit"
    challenge = keeper.recover()
    answer = keeper.answer(challenge, keeper.codes[3])
    assert (answer["state"], answer["reason"]) == ("open", "factor_rejected")
    assert keeper.answer(challenge, keeper.codes[4])["state"] == "done"


def test_a_typing_error_is_told_once_and_not_counted(keeper):
    challenge = keeper.recover()
    left = keeper.service.call("StepUp.Get", challenge=challenge)["attempts_left"]
    told = keeper.answer(challenge, typo(keeper.codes[2]))
    assert (told["state"], "reason" in told, told["attempts_left"]) == ("open", False, left)
    prompts = told["steps"][0]["prompts"]
    assert [prompt["type"] for prompt in prompts] == ["show", "text"] and "typing error" in prompts[0]["text"]
    wrong = keeper.answer(challenge, typo(keeper.codes[2]))
    assert (wrong["reason"], wrong["attempts_left"]) == ("factor_rejected", left - 1)
    assert keeper.answer(challenge, keeper.codes[2])["state"] == "done"


def test_guesses_lock_the_paper_too(keeper):
    challenge = keeper.recover()
    for _ in range(5):
        answer = keeper.answer(challenge, "0000-0000-0000-0000")
    assert answer["state"] == "locked"
    assert keeper.answer(challenge, keeper.codes[5])["state"] == "locked"


def test_a_code_pays_nothing(keeper):
    challenge = keeper.authorize(keeper.session(), keeper.payment())["challenge"]["id"]
    assert keeper.paper not in [step["id"] for step in keeper.service.call("StepUp.Get", challenge=challenge)["steps"]]
    assert keeper.answer(challenge, keeper.codes[1])["state"] == "open"
