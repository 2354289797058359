# SPDX-License-Identifier: Apache-2.0
"""On the real broker: a code that is mailed, and typed on a terminal."""
import pytest

from correspondent import Correspondent, Post
from terminal import Terminal, plain


@pytest.fixture(scope="module")
def post():
    post = Post("mail")
    yield post
    log = post.broker.log()
    assert post.stop() == 0, log


def test_a_code_that_is_mailed(post):
    person = Correspondent(post, "owner@example.com")
    session, payment = person.session(), person.payment("20.00")
    challenge = person.authorize(session, payment)["challenge"]["id"]
    t = Terminal("--socket", post.broker.path("service.sock"), challenge)
    try:
        asked = plain(t.expect("> "))
        way = next(line.split()[0] for line in asked.splitlines() if line.strip().endswith("otp"))
        t.type(way)
        assert "o***@example.com" in t.expect("> ")
        t.type(post.code("owner@example.com"))
        status, text = t.end()
        assert status == 0 and "Confirmed." in text
    finally:
        t.close()
    assert person.authorize(session, payment)["reason"] == "countersigned"
