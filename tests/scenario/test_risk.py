# SPDX-License-Identifier: Apache-2.0
"""Risk plugins: what they are told, what follows from their scores, and that nothing good follows from their silence."""
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness import BUILD, CALL_S, VarlinkError, _children

# The plugin misbehave: the score is the amount in whole units, and a payee "!hang" makes it hang.
BROKER = {
    "extra": '''risk "scores" { plugin "misbehave" servers 2 deadline 60s queue 8 }
risk "calm" { plugin "misbehave" servers 1 }
''',
    "stack": """link    requisite   risk        calm max=90 deadline=5s
link    required    stepup      factors=1
factor  required    stepup      factors=1
thaw    required    stepup      factors=1
view    required    stepup      factors=1
limit   required    stepup      factors=1
grant   requisite   risk        calm max=90
grant   required    stepup      factors=1
spend   requisite   risk        scores max=50 deadline=5s
spend   sufficient  allowance
spend   required    stepup      any=totp
""",
}


def answered(ask):
    """Asks until the plugin is there again: processes that die again and again are started later and later."""
    end = time.monotonic() + CALL_S
    while (answer := ask())["reason"] == "risk_unavailable":
        assert time.monotonic() < end, answer
        select.select([], [], [], 0.05)
    return answer


def test_a_low_score_goes_on_and_permits_nothing_alone(broker, person):
    answer = person.authorize(person.session(), person.payment("50.00"))
    assert (answer["outcome"], answer["reason"]) == ("step_up", "countersignature_required")


def test_a_high_score_is_denied(broker, person):
    session = person.session()
    assert person.authorize(session, person.payment("50.99"))["outcome"] == "step_up"
    answer = person.authorize(session, person.payment("51.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "risk_high")


def test_evaluate_asks_too(broker, person):
    session = person.session()
    call = broker.service.call
    assert call("Payments.Evaluate", session=session, payment=person.payment("51.00"))["reason"] == "risk_high"
    assert call("Payments.Evaluate", session=session, payment=person.payment("50.00"))["outcome"] == "step_up"


def test_the_redeemed_payment_is_asked_about_anew_and_the_permitted_one_no_more(broker, person):
    session, payment = person.session(), person.payment("20.00")
    before = assessed(broker)
    answer = person.authorize(session, payment)
    person.confirm(answer["challenge"]["id"])
    assert assessed(broker) == before + 1
    answer = person.authorize(session, payment)
    assert answer["outcome"] == "permit" and assessed(broker) == before + 2
    assert person.authorize(session, payment)["replayed"] is True
    broker.service.call("Payments.Capture", hold=answer["hold"]["id"], capture_id="c-1")
    assert assessed(broker) == before + 2


def assessed(broker):
    """How many times risk was assessed."""
    return broker.log().count('msg="risk was assessed"')


@pytest.mark.parametrize("how", ["crash", "exit", "hang", "garbage", "overflow", "nonsense", "refuse", "fail",
                                 "lie_request", "lie_score", "lie_low"])
def test_no_answer_is_unavailable(broker, person, how):
    session = person.session()
    # Its processes have lived for a while: who dies again and again is started again later and later.
    broker.clock.advance(11_000)
    answer = person.authorize(session, person.payment("20.00", payee="!" + how))
    assert (answer["outcome"], answer["reason"]) == ("deny", "risk_unavailable")
    # Its server was replaced: the next payment is scored again.
    assert answered(lambda: person.authorize(session, person.payment("20.00")))["outcome"] == "step_up"


def test_a_hanging_plugin_delays_its_own_payment_alone(broker, person):
    session, other = person.session(), broker.connect()
    broker.service.send("Payments.Authorize", session=session, payment=person.payment("20.00", payee="!hang"))
    assert other.call("Whoami")["service"] == "checkout"
    assert select.select([broker.service.socket], [], [], 0)[0] == []
    # After the line's deadline: the plugin's is longer than this client waits.
    assert broker.service.receive()["reason"] == "risk_unavailable"


def test_over_https_others_do_not_wait_behind_it(broker, person):
    """The gateway has few connections for quick calls: what waits for a plugin takes none of them."""
    session = person.session()
    answered(lambda: person.authorize(session, person.payment("20.00")))

    def ask():
        payment = person.payment("20.00", payee="!hang")
        broker.web("POST", "/access/v1/evaluation", {
            "subject": {"type": "account", "id": person.account, "properties": {"session": session}},
            "action": {"name": "can_spend"},
            "resource": {"type": "payment", "id": payment.pop("id"), "properties": payment}})
    waiting = [threading.Thread(target=ask) for _ in range(4)]
    for thread in waiting:
        thread.start()
    scores, = [p for p in broker.admin.call("Admin.Status")["plugins"] if p["name"] == "scores"]
    end = time.monotonic() + CALL_S
    while scores["busy"] == 0:
        assert time.monotonic() < end
        scores, = [p for p in broker.admin.call("Admin.Status")["plugins"] if p["name"] == "scores"]
    for _ in range(4):
        assert broker.web("GET", "/healthz", certificate=None)[0] == 200
    assert all(thread.is_alive() for thread in waiting)
    for thread in waiting:
        thread.join()


def test_who_hung_up_meanwhile_leaves_nothing_behind(broker, person):
    client = broker.connect()
    client.send("Payments.Authorize", session=person.session(), payment=person.payment("20.00", payee="!hang"))
    client.close()
    session = person.session()
    assert answered(lambda: person.authorize(session, person.payment("20.00")))["outcome"] == "step_up"


def test_another_operation(broker, person):
    session = person.session()
    grant = dict(session=session, kind="allowance", payee="*", currency="CNY", per_payment="10", per_day="50",
                 expires_at=in_a_week(broker))
    answer = broker.service.call("Allowances.Grant", total="90", **grant)
    assert answer["outcome"] == "step_up", answer
    answer = broker.service.call("Allowances.Grant", total="91", **grant)
    assert (answer["outcome"], answer["reason"]) == ("deny", "risk_high")


def test_what_an_answer_carries_out_is_asked_about_again(broker, person):
    """The last answer opens the allowance by the same stack: without a score of its own it never could."""
    grant = dict(session=person.session(), kind="allowance", payee="*", currency="CNY", per_payment="10", per_day="50",
                 total="90", expires_at=in_a_week(broker))
    before = assessed(broker)
    answer = broker.service.call("Allowances.Grant", **grant)
    person.confirm(answer["challenge"]["id"])
    assert assessed(broker) == before + 2
    allowances = broker.service.call("Allowances.List", account=person.account)["allowances"]
    assert [a["state"] for a in allowances if a["id"] == answer["allowance"]] == ["open"]


def in_a_week(broker):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(broker.clock.now_ms() / 1000 + 7 * 86400))


def test_status_and_explain_know_it(broker, person):
    plugins = {p["name"]: p for p in broker.admin.call("Admin.Status")["plugins"]}
    assert plugins["scores"]["kind"] == "risk" and plugins["scores"]["servers"] == 2
    person.session()
    explained = answered(lambda: broker.admin.call("Admin.Explain", account=person.account, service="checkout",
                                                   payment=person.payment("51.00")))
    assert explained["reason"] == "risk_high"
    step = next(s for s in explained["steps"] if s["rule"].split()[1] == "risk")
    assert (step["result"], step["used"], step["limit"]) == ("denied", "51", "50")


def test_a_plugin_that_cannot_say_is_unavailable_and_stays(person):
    session = person.session()
    answer = person.authorize(session, person.payment("9.00", payee="!fail"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "risk_unavailable")
    assert answered(lambda: person.authorize(session, person.payment("1.00")))["outcome"] == "step_up"


def test_the_event_keeps_the_score(broker, person):
    session = person.session()
    answered(lambda: person.authorize(session, person.payment("77.00")))
    event = broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"][-1]
    assert (event["type"], event["reason"]) == ("denied", "risk_high")
    assert (event["json"]["risk"], event["json"]["risk_score"]) == ("scores", 77)


def test_a_replay_knows_the_scores_that_were_given(broker, person):
    session = person.session()
    for amount in ("20.00", "51.00", "70.00"):
        person.authorize(session, person.payment(amount))

    def replay(config):
        done = subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), "--config",
                               config, "--json", "replay"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    report = replay(broker.path("countersign.conf"))
    assert report["decisions"] > 3 and (report["differ"], report["reasons"]) == (0, [])
    # The same scores under a wider bound.
    shutil.copytree(broker.path("services"), broker.path("services.wide"))
    with open(broker.path("services/checkout"), encoding="utf-8") as f:
        stack = f.read()
    with open(broker.path("services.wide/checkout"), "w", encoding="utf-8") as f:
        f.write(stack.replace("max=50", "max=100"))
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        text = f.read()
    with open(broker.path("wide.conf"), "w", encoding="utf-8") as f:
        f.write(text.replace(f'"{broker.path("services")}"', f'"{broker.path("services.wide")}"'))
    report = replay(broker.path("wide.conf"))
    reasons = {(r["recorded_reason"], r["candidate"]): r["count"] for r in report["reasons"]}
    assert reasons[("risk_high", "step_up")] >= 2 and all(then == "risk_high" for then, _ in reasons), reasons


def test_the_clock_jumps_while_a_plugin_is_asked_about_a_link(broker, person):
    """The sign-in would be over by then; who looks into it still finds it, and the link is denied."""
    begun = person.service.call("Links.Begin", account=person.account, provider="sandbox", native=True)
    token = broker.provider.token("someone-else", begun["nonce"])
    worker, = [p["pid"] for p in broker.admin.call("Admin.Status")["processes"] if p["role"] == "worker:calm"]
    client, pids = broker.connect(), [worker, *_children(worker)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        client.send("Links.Complete", sign_in=begun["sign_in"], id_token=token)
        end = time.monotonic() + CALL_S
        while [p["busy"] for p in broker.admin.call("Admin.Status")["plugins"] if p["name"] == "calm"] != [1]:
            assert time.monotonic() < end
        broker.clock.advance(3 * 3600 * 1000)
        # A connection that was silent for so long may be closed.
        with contextlib.suppress(EOFError):
            client.receive()
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    event = broker.connect("admin.sock").call("Admin.Events", account=person.account, limit=1000)["events"][-1]
    assert (event["type"], event["reason"]) == ("denied", "risk_unavailable")


def test_a_service_that_is_removed_meanwhile_is_denied(broker, person):
    """
    The configuration is read anew while a payment, and an admin's question about it, wait for the plugin. The last test:
    what it leaves in the log, no other policy would decide alike.
    """
    asking, admin = broker.connect(), broker.connect("admin.sock")
    asking.send("Payments.Authorize", session=person.session(), payment=person.payment("20.00", payee="!hang"),
                explain=True)
    admin.send("Admin.Explain", account=person.account, service="checkout",
               payment=person.payment("20.00", payee="!hang"))
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        text = f.read()
    try:
        write(broker, text.replace('service "checkout"', 'service "till"'))
        answer = asking.receive()
        assert (answer["outcome"], answer["reason"]) == ("deny", "service_right")
        with pytest.raises(VarlinkError) as refused:
            admin.receive()
        assert refused.value.name == "NotFound"
    finally:
        write(broker, text)
    assert answered(lambda: person.authorize(person.session(), person.payment("20.00")))["outcome"] == "step_up"


def write(broker, text):
    with open(broker.path("countersign.conf"), "w", encoding="utf-8") as f:
        f.write(text)
    broker.admin.call("Admin.Reload")
