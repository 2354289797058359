# SPDX-License-Identifier: Apache-2.0
"""A passkey of a real browser, through the API alone: made on a page of ours, and asked to sign a payment."""
from harness import Person
from people import BROKER as PEOPLE
from people import CREATE, SIGN

BROKER = PEOPLE


def test_passkey_made_by_chromium_countersigns_a_payment(broker, open_page):
    person, page = Person(broker), open_page()
    page.goto(broker.url + "/style.css")  # any page of the origin
    page.authenticator()
    begun = broker.service.call("Factors.Begin", account=person.account, kind="webauthn", label="laptop", proof="passport")
    step, = begun["steps"]
    made = page.evaluate(CREATE, step["options"])
    done = broker.service.call("Factors.Finish", enrolment=begun["enrolment"],
                               answers=[{"step": step["id"], "value": made}])
    assert done["outcome"] == "permit", done
    assert len(page.credentials()) == 1

    def confirm(challenge, **_):
        shown = broker.service.call("StepUp.Get", challenge=challenge)
        step = next(s for s in shown["steps"] if s["type"] == "passkey")
        answer = broker.service.call("StepUp.Respond", challenge=challenge,
                                     answers=[{"step": step["id"], "value": page.evaluate(SIGN, step)}])
        assert answer["state"] == "done", answer

    person.confirm = confirm
    person.link()
    assert person.spend(person.session(), "20.00")["reason"] == "countersigned"
