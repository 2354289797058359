# SPDX-License-Identifier: Apache-2.0
"""Shadow mode: a candidate beside the live policy is counted, and changes nothing."""
import json
import os
import shutil
import subprocess

import pytest

from harness import BUILD, Broker

LIMIT = "per-payment 1000"


def conf(broker, name="countersign.conf"):
    with open(broker.path(name), encoding="utf-8") as f:
        return f.read()


def write(broker, name, text):
    with open(broker.path(name), "w", encoding="utf-8") as f:
        f.write(text)


def shadowed(broker, change=lambda text: text.replace(LIMIT, "per-payment 500")):
    """Gives the live configuration a candidate, and reloads."""
    live = conf(broker)
    write(broker, "next.conf", change(live))
    write(broker, "countersign.conf", live + f'shadow-config "{broker.path("next.conf")}"\n')
    broker.admin.call("Admin.Reload")
    return live


def ctl(broker, *arguments):
    return subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), *arguments],
                          capture_output=True, text=True, timeout=60)


def totals(broker):
    return broker.admin.call("Admin.Status")["shadow"]


def differences(status):
    return {(d["operation"], d.get("live_reason"), d.get("candidate_reason")): d["count"] for d in status["differences"]}


def written(broker):
    """What the events say, by operation and reasons, when all that was counted is written."""
    found, after = {}, 0
    while True:
        page = broker.admin.call("Admin.Events", after=after, limit=50)
        for event in page["events"]:
            if event["type"] == "shadow_differs":
                assert event["key"] == "0" * 32 and len(event["json"]["candidate_policy"]) == 32
                at = event["json"]["op"], event["reason"], event["json"]["candidate_reason"]
                found[at] = found.get(at, 0) + event["json"]["count"]
        if not page["events"]:
            return found
        after = page["next"]


def until_written(broker, wanted):
    """Follows the log until it says so; a difference a second of the broker's clock is written."""
    found = {}
    for page in broker.connect("admin.sock").watch("Admin.Events", after=0, follow=True):
        for event in page["events"]:
            if event["type"] == "shadow_differs":
                at = event["json"]["op"], event["reason"], event["json"]["candidate_reason"]
                found[at] = found.get(at, 0) + event["json"]["count"]
                broker.clock.advance(1000)
        if found == wanted:
            return


@pytest.fixture
def broker():
    broker = Broker(https=False)
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log


def test_without_a_candidate_there_is_nothing_to_say(broker):
    assert "shadow" not in broker.admin.call("Admin.Status")
    done = ctl(broker, "shadow")
    assert done.returncode == 3 and "shadow-config" in done.stderr


def test_half_a_limit_is_counted_as_replay_counts_it(broker):
    person = broker.person()
    shadowed(broker)
    session = person.session()
    start = broker.admin.call("Admin.Status")["store"]["log_last"]
    for amount in ("600.00", "20.00", "700.00"):
        assert person.spend(session, amount)["reason"] == "countersigned"
    assert person.authorize(session, person.payment("1200.00"))["reason"] == "limit_payment"
    status = totals(broker)
    wanted = {("spend", "countersignature_required", "limit_payment"): 2, ("spend", "countersigned", "limit_payment"): 2}
    assert differences(status) == wanted and status["differ"] == 4
    assert status["config"] == broker.path("next.conf") and status["policy"] != broker.admin.call("Admin.Status")["policy"]
    # The prompt and the permit of three payments, and the denial.
    assert status["compared"] == 7
    until_written(broker, wanted)
    replayed = json.loads(ctl(broker, "--config", broker.path("next.conf"), "--json", "replay").stdout)
    assert {(r["operation"], r["recorded_reason"], r["candidate_reason"]): r["count"] for r in replayed["reasons"]} == wanted
    assert replayed["policy"] == status["policy"]
    shown = ctl(broker, "shadow")
    assert shown.returncode == 0 and "limit_payment" in shown.stdout and "next.conf" in shown.stdout
    assert start > 0


def test_what_is_counted_is_written_when_the_broker_ends(broker):
    person = broker.person()
    shadowed(broker)
    person.spend(person.session(), "600.00")
    wanted = differences(totals(broker))
    assert sum(wanted.values()) == 2
    assert broker.halt() == 0
    broker.start()
    # A store that others could write shows its first second late.
    until_written(broker, wanted)
    assert written(broker) == wanted
    assert differences(totals(broker)) == {}, "counted from the start"


def test_a_candidate_that_is_the_same_differs_in_nothing(broker):
    person = broker.person()
    shadowed(broker, lambda text: text)
    person.spend(person.session(), "600.00")
    status = totals(broker)
    assert (status["differ"], status["differences"]) == (0, []) and status["compared"] == 2
    assert status["policy"] == broker.admin.call("Admin.Status")["policy"], "a candidate is no part of the policy"


def test_a_bad_candidate_refuses_the_reload_and_is_named(broker):
    live = conf(broker)
    directory = broker.path("next.services")
    shutil.copytree(broker.path("services"), directory)
    with open(os.path.join(directory, "checkout"), "w", encoding="utf-8") as f:
        f.write("spend required stepp\n")
    bad = {
        live.replace(LIMIT, "per-paymnt 1000"): "next.conf",
        live.replace('realm "test"', 'realm "other"'): "next.conf",
        live.replace(f'stacks "{broker.path("services")}"', f'stacks "{directory}"'): "next.services/checkout",
    }
    for text, named in bad.items():
        write(broker, "next.conf", text)
        write(broker, "countersign.conf", live + f'shadow-config "{broker.path("next.conf")}"\n')
        error = broker.admin.fails("Admin.Reload")
        assert error.name == "Conflict" and named in error.parameters["what"], error
        assert "shadow" not in broker.admin.call("Admin.Status")
        checked = ctl(broker, "--config", broker.path("countersign.conf"), "check")
        assert checked.returncode == 5 and named in checked.stdout
    write(broker, "countersign.conf", live)
    broker.admin.call("Admin.Reload")
    person = broker.person()
    assert person.spend(person.session(), "20.00")["outcome"] == "permit"


def test_a_reload_takes_the_candidate_away(broker):
    live = shadowed(broker)
    assert "shadow" in broker.admin.call("Admin.Status")
    write(broker, "countersign.conf", live)
    broker.admin.call("Admin.Reload")
    assert "shadow" not in broker.admin.call("Admin.Status")


def answers_of(broker, change):
    """What one and the same course of things is answered with."""
    if change is not None:
        shadowed(broker, change)
    said = []

    def note(answer):
        said.append((answer["outcome"], answer["reason"], answer.get("replayed", False)))
        return answer

    for _ in range(2):
        person = broker.person()
        session = person.session()
        for amount in ("600.00", "20.00", "1200.00", "999.00", "900.00", "800.00", "20.00"):
            payment = person.payment(amount)
            answer = note(person.authorize(session, payment))
            if answer["outcome"] == "step_up":
                person.confirm(answer["challenge"]["id"])
                note(person.authorize(session, payment))
            note(person.authorize(session, payment))
        broker.admin.call("Admin.Freeze", scope="account", target=person.account, reason="drill")
        note(person.authorize(session, person.payment("1.00")))
    return said


def test_live_answers_are_the_same_with_and_without():
    said = []
    for change in (None, lambda text: text.replace(LIMIT, "per-payment 1")):
        broker = Broker(https=False)
        try:
            said.append(answers_of(broker, change))
        finally:
            assert broker.stop() == 0
    assert said[0] == said[1]


def test_a_kill_loses_nothing_that_was_answered(broker):
    person = broker.person()
    shadowed(broker)
    session = person.session()
    payments = [person.payment("600.00") for _ in range(4)]
    for payment in payments:
        person.confirm(person.authorize(session, payment)["challenge"]["id"])
        assert person.authorize(session, payment)["outcome"] == "permit"
    broker.kill()
    broker.start()
    for payment in payments:
        got = broker.service.call("Payments.Get", account=person.account, payment=payment["id"])
        assert got["hold"]["state"] == "open", got
    report = json.loads(ctl(broker, "--config", broker.path("countersign.conf"), "--json", "replay").stdout)
    assert (report["differ"], report["reasons_differ"]) == (0, 0)
    assert "shadow" in broker.admin.call("Admin.Status")
