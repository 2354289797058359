# SPDX-License-Identifier: Apache-2.0
"""examples/spend.c, as a service would run it: the library's calls are held against the interfaces."""
import subprocess
import threading

import pytest

from fake_broker import Error, FakeBroker

PAYMENTS = "org.countersign.Payments."
HOLD = {"id": "hold_1", "state": "open", "expires_at": "2026-11-29T00:00:00Z", "amount": "20.00", "currency": "CNY"}
PERMIT = {"outcome": "permit", "reason": "countersigned", "hold": HOLD}
STEP_UP = {"outcome": "step_up", "reason": "countersignature_required", "challenge": {
    "id": "chal_1", "url": "https://127.0.0.1/c/x", "expires_at": "2026-11-22T00:05:00Z", "factors": ["totp"]}}
DENY = {"outcome": "deny", "reason": "limit_day", "detail": {"limit": "1000.00 CNY", "used": "990.00 CNY"}}
WATCH = "org.countersign.StepUp.Watch"


@pytest.fixture
def spend(build):
    def call(answers):
        with FakeBroker(answers) as broker:
            done = subprocess.run([build / "examples/spend", broker.path, "sess_1", "order-1"], capture_output=True,
                                  text=True, timeout=20)
            done.methods = [method.rpartition(".")[2] for method, _, _ in broker.calls]
        return done
    return call


def test_a_permit_is_captured(spend):
    done = spend({PAYMENTS + "Authorize": PERMIT, PAYMENTS + "Capture": dict(PERMIT, reason="countersigned")})
    assert (done.returncode, done.stdout) == (0, "spent (countersigned)\n")
    assert done.methods == ["Authorize", "Capture"]


def test_the_owner_countersigns(build):
    """The watch has a connection of its own, beside that of the handle; then the same payment is asked again."""
    answers = iter([STEP_UP, PERMIT])

    class Parallel(FakeBroker):
        def converse(self, connection):
            threading.Thread(target=self.converse_and_close, args=(connection.dup(),)).start()

        def converse_and_close(self, connection):
            with connection:
                super().converse(connection)

    with Parallel({PAYMENTS + "Authorize": lambda _: next(answers), PAYMENTS + "Capture": PERMIT,
                   WATCH: [{"state": "open"}, {"state": "done"}]}) as broker:
        done = subprocess.run([build / "examples/spend", broker.path, "sess_1", "order-1"], capture_output=True,
                              text=True, timeout=20)
        assert done.stdout == "please confirm at https://127.0.0.1/c/x\nspent (countersigned)\n"
        first, watch, again, _ = broker.calls
        assert first == again and watch[2]


def test_a_denial_takes_nothing(spend):
    done = spend({PAYMENTS + "Authorize": DENY})
    assert (done.returncode, done.stdout, done.methods) == (1, "not spent (limit_day)\n", ["Authorize"])


def test_an_error_takes_nothing(spend):
    done = spend({PAYMENTS + "Authorize": Error("NotFound", what="session")})
    assert (done.returncode, done.stdout, done.methods) == (1, "", ["Authorize"])
    assert "no such session" in done.stderr


def test_a_capture_that_fails_is_not_spent(spend):
    done = spend({PAYMENTS + "Authorize": PERMIT, PAYMENTS + "Capture": Error("Unavailable", what="store")})
    assert (done.returncode, done.stdout) == (1, "")
    done = spend({PAYMENTS + "Authorize": PERMIT, PAYMENTS + "Capture": dict(DENY, reason="account_frozen")})
    assert (done.returncode, done.stdout) == (1, "not spent (account_frozen)\n")
