# SPDX-License-Identifier: Apache-2.0
"""Risk and notify plugins that hang, crash and lie: silence and nonsense permit nothing, whatever the stack says of them."""
import contextlib
import os
import select
import signal
import time

import pytest

from harness import CALL_S, Broker, _children

BAD = ["crash", "exit", "hang", "garbage", "overflow", "nonsense", "fail", "lie_request", "lie_score", "lie_low"]

EXTRA = """risk "scores" { plugin "misbehave" servers 4 deadline 5s queue 16 }
notify "told" { plugin "misbehave" deadline 1s queue 4 }
"""

STACK = """link    required    stepup      factors=1
factor  required    stepup      factors=1
spend   optional    notify      told
{lines}
"""

STACKS = {
    "requisite": "spend requisite risk scores max=50 deadline=1s\nspend required stepup any=totp",
    "required": "spend required risk scores max=50 deadline=1s\nspend required stepup any=totp",
    # Who forgot to ask for a factor is asked for one by rule 10 all the same.
    "sufficient": "spend sufficient risk scores max=50 deadline=1s\nspend requisite deny",
    "alone": "spend required risk scores max=50 deadline=1s",
    "brackets": "spend [success=ok default=die] risk scores max=50 deadline=1s\nspend required stepup any=totp",
    "missing": "-spend requisite risk no-such-plugin\nspend required stepup any=totp",
}


@pytest.fixture(scope="module", params=sorted(STACKS))
def running(request):
    broker = Broker(stack=STACK.format(lines=STACKS[request.param]), extra=EXTRA)
    broker.kind = request.param
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log


@contextlib.contextmanager
def stopped(broker, name):
    """No process of this plugin runs meanwhile."""
    worker, = [p["pid"] for p in broker.admin.call("Admin.Status")["processes"] if p["role"] == "worker:" + name]
    pids = [worker, *_children(worker)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            # Who was silent beyond its deadline has been ended meanwhile, as it should be.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def events(log, person, kind):
    return log.events(person.account, kind)


# After failures in a row a plugin is not asked for as long as this.
REST_MS = 61_000


@pytest.mark.parametrize("how", BAD)
def test_S11_a_risk_plugin_that_fails_permits_nothing(broker, person, log, how):
    session = person.session()
    # Its processes have lived for a while, and are started again at once.
    broker.clock.advance(11_000)
    answer = person.authorize(session, person.payment("20.00", payee="!" + how))
    assert answer["outcome"] == "deny"
    assert answer["reason"] in ("risk_unavailable", "stack")
    assert events(log, person, "payment_permitted") == events(log, person, "challenge_opened") == []
    log.denied(person.account, answer["reason"])


def test_S11_a_score_is_no_countersignature(broker, person, log):
    """The best score there is, and a stack that would be content with it: the owner is asked all the same."""
    broker.clock.advance(REST_MS)
    answer = person.authorize(person.session(), person.payment("0.01"))
    assert answer["outcome"] == ("deny" if broker.kind == "missing" else "step_up")
    assert events(log, person, "payment_permitted") == []


def test_S11_a_plugin_that_dies_before_the_payment_is_redeemed(broker, person, log):
    """The score of the prompt does not serve for the payment: both are decisions."""
    broker.clock.advance(REST_MS)
    session, payment = person.session(), person.payment("20.00")
    answer = person.authorize(session, payment)
    if broker.kind == "missing":
        # There is no plugin that could die, and so nobody to prompt for.
        assert answer["outcome"] == "deny" and answer["reason"] in ("risk_unavailable", "stack")
        return
    person.confirm(answer["challenge"]["id"])
    with stopped(broker, "scores"):
        answer = person.authorize(session, payment)
        assert answer["outcome"] == "deny" and answer["reason"] in ("risk_unavailable", "stack")
        assert events(log, person, "payment_permitted") == []
    # It answers again, and the countersignature still stands.
    end = time.monotonic() + CALL_S
    while person.authorize(session, payment)["outcome"] != "permit":
        assert time.monotonic() < end
        select.select([], [], [], 0.05)


@pytest.mark.parametrize("how", ["flood", "garbage"])
def test_X9_a_risk_plugin_cannot_forge_the_log(broker, person, how):
    person.authorize(person.session(), person.payment("20.00", payee="!" + how))
    log = broker.log()
    assert "forged=yes \x1b" not in log and "\nlevel=error forged=yes" not in log and "\033[2J" not in log


def test_X9_a_notify_plugin_changes_no_answer(broker, person, log):
    """It hangs with all that it was given: payments go on, and are told to nobody."""
    session = person.session()
    with stopped(broker, "told"):
        if broker.kind == "missing":
            assert person.authorize(session, person.payment("1.00"))["outcome"] == "deny"
            return
        for _ in range(3):
            person.spend(session, "1.00")
    assert len(events(log, person, "payment_permitted")) == 3
