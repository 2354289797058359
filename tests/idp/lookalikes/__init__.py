# SPDX-License-Identifier: Apache-2.0
"""Sign in with Apple, WeChat and Alipay, as they answer: three hosts of loopback in one process.

    there = lookalikes.start(directory)
    there.wechat, there.alipay, there.apple     # each with .url, .requests, .misbehave() and people
    there.stop()

Paths, parameters, errors, types and signatures are the real ones, as their documentation and public captures have
them. What a person does there is a parameter of the authorization request that the real ones do not have: `as=alice`
approves, `as=` (empty) declines. A test holds the object itself, so there is no control API.
"""

import os

from openid_provider import tls
from . import keys  # noqa: F401
from .alipay import Alipay
from .apple import Apple
from .wechat import WeChat


class Lookalikes:
    def __init__(self, directory):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        certificate, key, self.ca = tls.ensure_certificates(directory, "lookalikes")
        self.hosts = [kind(tls.server_context(certificate, key)) for kind in (Apple, WeChat, Alipay)]
        self.apple, self.wechat, self.alipay = self.hosts

    def move_clock(self, offset_ms):
        for host in self.hosts:
            host.offset_s = offset_ms // 1000

    def calm(self):
        for host in self.hosts:
            host.misbehave()

    def stop(self):
        for host in self.hosts:
            host.stop()


def start(directory):
    return Lookalikes(directory)
