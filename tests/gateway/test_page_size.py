# SPDX-License-Identifier: Apache-2.0
"""What a page weighs: nothing of it has to be fetched before it can be read, and all of it is under 40 kB."""
import re

import pytest

from pages import Browser, Page
from test_enrol_page import I as _I, TOTP
from test_pages import CARD, PASSKEY, STEP

ALL_MAX = 40_000
# Ten segments of a TCP connection that begins (RFC 6928): what comes with the first round trip after TLS.
FIRST_MAX = 10 * 1400


@pytest.fixture
def browser(gateway, ask):
    card = {"cookie": "c-1", "card": CARD, "steps": [PASSKEY, STEP, {**STEP, "id": "r", "kind": "recovery"}], "state": "open",
            "attempts_left": 5, "round": 0, "need": 1}
    enrol = {"cookie": "c-1", "state": "open", "kind": "enrol", "factor": "totp", "account_hint": "a***b", "service": "checkout",
             "steps": TOTP}
    gateway.engine.answers.update({
        _I + "PageProbe": lambda p: {"state": "open", "kind": "step"}, _I + "PageOpen": lambda p: card,
        _I + "EnrolProbe": lambda p: {"state": "open", "kind": "enrol"}, _I + "EnrolOpen": lambda p: enrol})
    return Browser(gateway, ask)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("method,path,first", [("GET", "/c/t", True), ("POST", "/c/t", True), ("GET", "/e/t", True), ("POST", "/e/t", False)])
def test_weight(browser, method, path, first, language):
    browser.language = language
    r = browser.go(method, path)
    assert r.status == 200
    head = sum(len(k) + len(v) + 4 for k, v in r.headers.items())
    script = sum(len(browser.go("GET", s["src"]).body) for s in Page(r).all("script"))
    assert head + len(r.body) + script < ALL_MAX
    if first:
        assert head + len(r.body) < FIRST_MAX
    # The script is not waited for, and nothing else is fetched.
    assert all("defer" in s for s in Page(r).all("script"))
    assert re.findall("<link|<img|<iframe|@import|url\\(", r.text) == []
