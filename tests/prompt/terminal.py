# SPDX-License-Identifier: Apache-2.0
"""countersign-prompt on a terminal of its own, or with its input and output as lines; brokers that are scripts."""
import codecs
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

HERE = pathlib.Path(__file__).parent

from fake_broker import FakeBroker  # noqa: E402

BUILD = pathlib.Path(os.environ.get("CS_BUILDDIR", "."))
PROGRAM = str(BUILD / "countersign-prompt")
WAIT_S = 20
STEPUP = "org.countersign.StepUp."

CARD = {"service": "checkout", "account_hint": "ali…ce", "what": "payment", "provider": "apple",
        "provider_title": "Apple ID", "payee": "Corner Shop", "payee_id": "m-7", "amount": "1234.50", "currency": "CNY",
        "expires_at": "2099-11-22T14:32:00Z"}
CODE = {"id": "fact_1", "factor": "fact_1", "kind": "totp", "type": "code", "label": "phone", "digits": 6}


class Challenge:
    """A challenge as a broker has it: answers Get, Begin, Respond, Refuse. `right` are the values that it takes."""

    def __init__(self, *steps, right=("123456",), card=None, **more):
        self.steps, self.right, self.card = [dict(s) for s in steps or (CODE,)], set(right), {**CARD, **(card or {})}
        self.state, self.left, self.more, self.given, self.refusals, self.begun = "open", 5, more, [], [], []

    def get(self, _):
        return {"card": self.card, "steps": self.steps, "state": self.state, "attempts_left": self.left, **self.more}

    def respond(self, call):
        self.given.append(call["answers"])
        if all(answer["value"] in self.right for answer in call["answers"]):
            self.state = "done"
            return {"state": "done", "reason": "countersigned"}
        self.left -= 1
        self.state = "locked" if self.left == 0 else "open"
        return {"state": self.state, "reason": "factor_rejected", "attempts_left": self.left}

    def begin(self, call):
        step = next(s for s in self.steps if s["id"] == call["step"])
        self.begun.append(call)
        step.update(begun=True, destination="+86 138****5678", sends_left=4 - len(self.begun), resend_after_ms=0)
        return {"state": "open", "steps": self.steps}

    def refuse(self, call):
        self.refusals.append(call.get("report", False))
        self.state = "refused"
        return {"state": "refused"}

    def answers(self):
        return {STEPUP + "Get": self.get, STEPUP + "Respond": self.respond, STEPUP + "Begin": self.begin,
                STEPUP + "Refuse": self.refuse}


class Terminal:
    """The program on a terminal. Not its controlling process: this is, so that a signal's effect can be seen."""

    def __init__(self, *args, **environment):
        env = {"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "xterm", **environment}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # As a user's shell starts it, though this may run where keys of a terminal are ignored: in the background.
            for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
                signal.signal(sig, signal.SIG_DFL)
            os.execve(PROGRAM, [PROGRAM, *args], env)
        self.text, self._decoder = "", codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def _read(self, until_s):
        ready, _, _ = select.select([self.fd], [], [], max(0, until_s - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came: {self.text!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.text += self._decoder.decode(data)
        return data != b""

    def expect(self, text):
        """Until this was printed; gives what came up to it, and forgets that."""
        until_s = time.monotonic() + WAIT_S
        while text not in self.text:
            if not self._read(until_s) and text not in self.text:
                raise AssertionError(f"ended without {text!r}: {self.text!r}")
        before, found, self.text = self.text.partition(text)
        return before + found

    def type(self, line):
        os.write(self.fd, (line + "\n").encode())

    def key(self, data):
        os.write(self.fd, data)

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """(exit status, what was printed after what was expected); a negative status is a signal."""
        until_s = time.monotonic() + WAIT_S
        while self._read(until_s):
            pass
        return self.wait(), self.text

    def wait(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = None
        return status

    def close(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal():
    """terminal(challenge or answers, arguments..., ENVIRONMENT=...)"""
    open_ones = []

    def start(answers, *args, **environment):
        broker = FakeBroker(answers.answers() if isinstance(answers, Challenge) else answers)
        one = Terminal("--socket", broker.path, *(args or ("chal_1",)), **environment)
        one.broker = broker
        open_ones.append((one, broker))
        return one
    yield start
    for one, broker in open_ones:
        one.close()
        broker.__exit__()


@pytest.fixture
def lines():
    """lines(challenge or answers, [answer, ...], arguments...): (exit status, events). An answer is a dict, or a line."""
    def run(answers, given, *args, **environment):
        text = "".join((json.dumps(one) if isinstance(one, dict) else one) + "\n" for one in given)
        with FakeBroker(answers.answers() if isinstance(answers, Challenge) else answers) as broker:
            done = subprocess.run([PROGRAM, "--socket", broker.path, "--json", *(args or ("chal_1",))], input=text, text=True,
                                  capture_output=True, timeout=WAIT_S,
                                  env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment})
        assert done.stderr == "", done.stderr
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]
    return run


def plain(text):
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
