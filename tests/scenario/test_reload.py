# SPDX-License-Identifier: Apache-2.0
"""A new policy takes the place of the old one at once and whole, however many requests are on their way."""
import threading

LOOSE, TIGHT = "per-payment 1000 ", "per-payment 10 "
LINE = "spend required limit per-payment=10CNY\n"
RELOADS = 8


def policies(broker):
    """
    Two policies that deny 20.00 CNY, one by a limit of the configuration, one by a line of the stack. The stack of the
    first with the limits of the second would ask for a step-up.
    """
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        configuration = f.read()
    with open(broker.path("services/checkout"), encoding="utf-8") as f:
        stack = f.read()
    return [(configuration.replace(LOOSE, TIGHT), stack), (configuration, LINE + stack)]


def install(broker, policy):
    for name, text in zip(("countersign.conf", "services/checkout"), policy):
        with open(broker.path(name), "w", encoding="utf-8") as f:
            f.write(text)
    broker.admin.call("Admin.Reload")


def ask_until(broker, person, session, done, heard):
    client = broker.connect()
    while not done.is_set():
        for _ in range(16):
            client.send("Payments.Evaluate", session=session, payment=person.payment("20.00"))
        heard.extend(client.receive() for _ in range(16))


def test_no_request_sees_half_a_policy(broker, person):
    session = person.session()
    first, second = policies(broker)
    half = broker.service.call("Payments.Evaluate", session=session, payment=person.payment("20.00"))
    assert half["outcome"] == "step_up", "what a mixture of the two would answer"
    install(broker, first)
    heard, done = [[] for _ in range(3)], threading.Event()
    askers = [threading.Thread(target=ask_until, args=(broker, person, session, done, answers)) for answers in heard]
    for asker in askers:
        asker.start()
    try:
        for i in range(RELOADS):
            install(broker, first if i % 2 else second)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    answers = [answer for answers in heard for answer in answers]
    assert {(answer["outcome"], answer["reason"]) for answer in answers} == {("deny", "limit_payment")}
    assert all(heard)
