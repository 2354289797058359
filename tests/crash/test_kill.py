# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of a burst: what was acknowledged is there, once; no limit is overspent; what is used is used."""
import os
import random
import signal
import threading
import time

from burst import Crowd, Spender, log_is_whole
from harness import VarlinkError

ROUNDS = 10
BUDGET_S = 35          # no further round begins after this
TIGHT_PERMITS = 20
SEED = int(os.environ.get("CS_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


def kill_and_start(broker):
    engine = next(p["pid"] for p in broker.connect("admin.sock").call("Admin.Status")["processes"] if p["role"] == "engine")

    def now():
        os.kill(engine, signal.SIGKILL)

    def again():
        broker.kill()
        broker.start()

    return now, again


class Owner:
    """A person who uses codes and takes power away while the engine dies; and what they were told."""

    def __init__(self, broker, rng):
        self.broker, self.rng = broker, rng
        self.spender = Spender(broker)
        self.person = self.spender.person
        self.acknowledged = []   # (what, how to see that it still is so)

    def run(self, service):
        person, spender = self.person, self.spender
        steps = [self._code, self._revoke, self._close, self._suspend]
        self.rng.shuffle(steps)
        if steps[-1] != self._suspend:
            steps.remove(self._suspend)
            steps.append(self._suspend)
        try:
            for step in steps:
                step(service, person, spender)
        except (OSError, EOFError, ValueError):
            pass
        except VarlinkError as error:
            # What one step took away, another may miss.
            assert error.name in ("NotFound", "Unavailable", "Conflict"), error

    def _code(self, service, person, spender):
        payment = person.payment("999.99", payee="m-code")
        asked = service.call("Payments.Authorize", session=person.session(service=service), payment=payment)
        if asked["outcome"] != "step_up":
            return
        challenge = asked["challenge"]["id"]
        step = service.call("StepUp.Get", challenge=challenge)["steps"][0]["id"]
        code, at = person.totp.at(person.totp.step()), person.totp.step()
        if at <= person.totp.used:
            return
        person.totp.used = at
        answer = service.call("StepUp.Respond", challenge=challenge, answers=[{"step": step, "value": code}])
        if answer["state"] == "done":
            self.acknowledged.append(("code", code))

    def _revoke(self, service, person, spender):
        assert service.call("Allowances.Revoke", allowance=spender.allowance)["allowance"]["state"] == "revoked"
        self.acknowledged.append(("revoke", spender.allowance))

    def _close(self, service, person, spender):
        service.call("Sessions.Close", session=spender.session)
        self.acknowledged.append(("close", spender.session))

    def _suspend(self, service, person, spender):
        assert service.call("Links.Suspend", link=person.link_id)["link"]["state"] == "suspended"
        self.acknowledged.append(("suspend", person.link_id))

    def check(self):
        service, person = self.broker.service, self.person
        done = dict(self.acknowledged)
        # What was not acknowledged may have been done all the same.
        suspended = service.call("Links.Get", link=person.link_id)["link"]["state"] == "suspended"
        assert suspended or "suspend" not in done
        if "revoke" in done:
            listed = service.call("Allowances.List", account=person.account)["allowances"]
            assert [a["state"] for a in listed] == ["revoked"]
        if "close" in done:
            assert service.fails("Sessions.Close", session=self.spender.session).name == "NotFound"
        if "code" in done and not suspended:
            answer = service.call("Payments.Authorize", session=person.session(service=service),
                                  payment=person.payment("999.98", payee="m-code"))
            challenge = answer["challenge"]["id"]
            step = service.call("StepUp.Get", challenge=challenge)["steps"][0]["id"]
            again = service.call("StepUp.Respond", challenge=challenge, answers=[{"step": step, "value": done["code"]}])
            assert again["state"] == "open", "a used code was taken again"
        return set(done)


def finish(tight):
    """Spends what is left of a limit, one by one; to the last permit, and none beyond."""
    for n in range(10_000, 10_000 + TIGHT_PERMITS + 5):
        answer = tight.broker.service.call("Payments.Authorize", **tight.call_for(f"p-{n}", capture=True))
        if answer["outcome"] == "permit":
            tight.permits[f"p-{n}"] = answer["hold"]["id"]


def one_round(broker, loose, rng):
    tight = Spender(broker, per_day=f"{TIGHT_PERMITS}.00")
    tight.numbers = iter(range(1, 1_000_000, 3))   # 1, 4, 7: captured at once, nothing is given back
    owner = Owner(broker, rng)
    broker.clock.advance(30_000)                   # so that the owner has a code that was not used yet
    kill, again = kill_and_start(broker)
    owners = broker.connect()
    crowd = Crowd(broker, [loose, loose, loose, tight])
    thread = threading.Thread(target=owner.run, args=(owners,))
    thread.start()
    told = rng.randrange(600)                      # the moment: after so many answers
    crowd.until(lambda: crowd.answers >= told, f"{told} answers")
    kill()
    crowd.end()
    thread.join(30)
    again()
    finish(tight)
    permits, cents = tight.check()
    assert (permits, cents) == (TIGHT_PERMITS, 100 * TIGHT_PERMITS)
    return owner.check()


def test_kill_at_random_moments_of_a_burst(broker):
    print(f"CS_CRASH_SEED={SEED}")
    rng = random.Random(SEED)
    loose = Spender(broker)
    begun = time.monotonic()
    rounds, seen = 0, set()
    while rounds < ROUNDS and time.monotonic() - begun < BUDGET_S:
        seen |= one_round(broker, loose, rng)
        rounds += 1
    loose.check()
    log_is_whole(broker)
    assert loose.permits and not loose.errors, loose.errors
    print(f"rounds={rounds} permits={len(loose.permits)} captured={len(loose.captured)} "
          f"refunded={len(loose.refunded)} seen={sorted(seen)}")
