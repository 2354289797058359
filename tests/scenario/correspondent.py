# SPDX-License-Identifier: Apache-2.0
"""People who are reached: by mail at a mail server, by text message at a gateway, or by PAM, on a broker of their own.

    post = Post("mail")                          # or "sms": a broker, and where its messages arrive
    alice = Correspondent(post, "alice@mail.example")
    challenge = alice.prompt()
    alice.begin(challenge)                       # StepUp.Begin of her factor `otp`
    alice.answer(challenge, alice.code())        # the newest code that arrived for her
    post.stop()
"""
import hmac
import json
import os
import re
import shutil
import struct
import sys
import tempfile

from harness import BUILD, SOURCE, Broker, Person

sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))

from sinks import MailSink, SmsGateway, certificates  # noqa: E402

STACK = """link    required    stepup      factors=1
factor  required    stepup      factors=1
view    required    stepup      factors=1
grant   required    stepup      factors=1
spend   required    stepup      factors=1
"""
MAIL = """factor "otp" {{
    plugin "otp" servers 4 deadline 5s cooling-off {cooling_off}
    set channel mail set smtp "{url}" set from "codes@shop.example" set ca-file "{ca}"
}}
"""
SMS = """factor "otp" {{
    plugin "otp" servers 4 deadline 5s cooling-off {cooling_off}
    set channel sms set gateway "{url}" set ca-file "{ca}" set country "86"
}}
"""
PAM = """factor "pam" {{
    plugin "pam" servers 2 deadline 10s cooling-off 0
    set service "pay" set directory "{directory}"
    cage {{ processes yes write "{directory}" read "{build}" }}
}}
"""
WAIT_S = 20
OATH_KEY = b"12345678901234567890"


class Post:
    """service: the text of a PAM service file, in which {directory} is where files of its modules may be."""

    def __init__(self, channel, cooling_off="0", service=None, limit=5000, **rest):
        self.directory = tempfile.mkdtemp(prefix="cs-post.")
        keys = certificates(self.directory)
        self.sink = (MailSink if channel == "mail" else SmsGateway)(keys.good)
        extra = (MAIL if channel == "mail" else SMS).format(url=self.sink.url, ca=keys.ca, cooling_off=cooling_off)
        if service is not None:
            self.write("pay", service.format(directory=self.directory))
            extra += PAM.format(directory=self.directory, build=BUILD)
        try:
            self.broker = Broker(https=False, stack=STACK, extra=extra + f"trusted-factor-limit CNY {limit}\n", **rest)
        except BaseException:
            self.sink.close()
            raise

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.write(text)

    def to(self, address):
        """The messages that arrived for this address, oldest first."""
        with self.sink.lock:
            messages = list(self.sink.messages)
        found = []
        for message in messages:
            to, text = ((message.recipients, message.text) if hasattr(message, "recipients") else
                        ([json.loads(message.body)["to"]], json.loads(message.body)["text"]))
            found += [text] if address in to else []
        return found

    def code(self, address):
        """The newest; notices, which hold none, may have come after it."""
        return [code_of(text) for text in self.to(address) if CODE.search(text)][-1]

    def wait_for(self, address, words):
        """The first message to this address that has these words: nobody waits for it to be sent, so this does."""
        def found():
            return [text for text in self.to(address) if words in text]
        with self.sink.lock:
            assert self.sink.lock.wait_for(found, WAIT_S), f"{words!r} never came: {self.to(address)}"
            return found()[0]

    def stop(self):
        status = self.broker.stop()
        self.sink.close()
        shutil.rmtree(self.directory)
        return status


CODE = re.compile(r"(?<![\d+])\d{6}(?!\d)")


def code_of(text):
    return CODE.search(text).group()


def hotp(counter, key=OATH_KEY):
    """RFC 4226: what pam_oath wants next."""
    mac = hmac.new(key, struct.pack(">Q", counter), "sha1").digest()
    at = mac[-1] & 15
    return str((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 10 ** 6).zfill(6)


class Correspondent(Person):
    """Has an app and a linked ID; and, with an address, the factor `otp` there."""

    def __init__(self, post, address=None, **rest):
        super().__init__(post.broker, **rest)
        self.post, self.address, self.otp = post, address, None
        self.enrol()
        self.link()
        if address is not None:
            self.otp = self.add("otp", address)

    def start(self, kind, address, **rest):
        """Factors.Begin with its countersignature: the reply that permits."""
        begin = {"account": self.account, "kind": kind, "label": kind, "address": address, "language": "en", **rest}
        challenge = self.service.call("Factors.Begin", **begin)["challenge"]["id"]
        self.confirm(challenge)
        return self.service.call("Factors.Begin", challenge=challenge, **begin)

    def finish(self, begun, value):
        """One answer to what asks for one."""
        step = next(step for step in begun["steps"] if step["type"] != "show")
        return self.service.call("Factors.Finish", enrolment=begun["enrolment"], answers=[{"step": step["id"], "value": value}])

    def add(self, kind, address, value=None):
        begun = self.start(kind, address)
        done = self.finish(begun, value or self.post.code(address))
        assert done["outcome"] == "permit", done
        return done["factor"]["id"]

    def prompt(self, amount="20.00", name="Corner Shop"):
        self.asked = self.session(), self.payment(amount, name=name)
        answer = self.authorize(*self.asked)
        assert answer["outcome"] == "step_up", answer
        return answer["challenge"]["id"]

    def begin(self, challenge, factor=None, **rest):
        return self.service.call("StepUp.Begin", challenge=challenge, step=factor or self.otp, **rest)

    def step(self, challenge, factor=None):
        steps = self.service.call("StepUp.Get", challenge=challenge)["steps"]
        return next(step for step in steps if step["id"] == (factor or self.otp))

    def answer(self, challenge, value, factor=None, service=None):
        return (service or self.service).call("StepUp.Respond", challenge=challenge,
                                              answers=[{"step": factor or self.otp, "value": value}])

    def code(self):
        return self.post.code(self.address)

    def outcome(self):
        return self.authorize(*self.asked)["outcome"]
