# SPDX-License-Identifier: Apache-2.0
"""The pack of PBOC 2015 No. 43 in the real daemon: who bears a loss stands in the record of each payment (Art. 24(3))."""
import os

from harness import SOURCE, STACK
from test_allowances import granted
from test_events import of_type, rows

with open(os.path.join(SOURCE, "packaging/policy/pboc-2015-43/services/pboc-2015-43"), encoding="utf-8") as file:
    PACK = file.read()

OTHERS = "".join(line + "\n" for line in STACK.splitlines() if not line.startswith("spend"))
BROKER = {"stack": OTHERS + PACK}


def recorded(broker, person):
    return of_type(rows(broker, account=person.account), "payment_permitted")[-1]["json"]


def test_without_an_element_the_institution_bears_the_loss(broker, person):
    session = person.session()
    granted(person, session)
    answer = person.authorize(session, person.payment("20.00"))
    assert (answer["outcome"], answer["reason"]) == ("permit", "allowance")
    record = recorded(broker, person)
    assert (record["basis"], record["notes"]) == ("allowance", ["liability-institution"])


def test_with_one_element_too(broker, person):
    person.spend(person.session(), "20.00")
    record = recorded(broker, person)
    assert (record["basis"], record["notes"]) == ("countersignature", ["liability-institution"])


def test_one_element_is_not_enough_beyond_a_thousand_a_day(broker, person):
    session = person.session()
    person.spend(session, "1000.00")
    answer = person.authorize(session, person.payment("0.01"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "no_independent_factor")
