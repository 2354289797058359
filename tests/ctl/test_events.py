# SPDX-License-Identifier: Apache-2.0
"""events: pages, following, what a line holds."""
import json
import re
import subprocess

import pytest

from fake_broker import Endless, FakeBroker

EVENTS = "org.countersign.Admin.Events"


def event(seq, **more):
    return {"seq": seq, "id": f"evt_{seq}", "time": "2026-11-22T02:03:04.567Z", "type": "payment.permit", "key": "k",
            "revision": 7, "outcome": "permit", "reason": "countersigned", "service": "checkout",
            "json": {"account": "alice", "amount": "20.00", "currency": "CNY", "provider": "sandbox",
                     "payee": {"id": "m-7", "name": "Corner Shop"}, "factors": ["totp"], "note": "two words",
                     "counters": {"day": "20.00"}}, **more}


def pages(count, size):
    def answer(parameters):
        after = parameters.get("after", 0)
        assert parameters["limit"] <= 100
        chosen = [event(i) for i in range(after + 1, min(count, after + min(size, parameters["limit"])) + 1)]
        return {"events": chosen, "next": chosen[-1]["seq"] if chosen else after}
    return answer


def words(done):
    return done.stdout.split()


def test_the_first_line_says_what_happened(ask):
    done = ask({EVENTS: pages(2, 10)}, "events")
    heads = [line for line in done.stdout.splitlines() if not line.startswith("    ")]
    assert done.returncode == 0 and len(heads) == 2
    assert re.split(r" +", heads[0]) == ["2026-11-22", "10:03:04.567", "payment.permit", "permit", "countersigned",
                                         "checkout", "alice"]


REAL = {"account": "alice", "payment": "order-1", "payee": "m-7", "payee_name": "Corner Shop", "provider": "sandbox",
        "link_no": 2, "link": "link_" + "q" * 44 + "3ijce5aa", "currency": "CNY", "amount": "20.00", "day": 20779,
        "basis": "countersignature", "factors": [{"no": 1, "kind": "totp", "id": "fact_" + "q" * 44 + "rf5yp72p"}],
        "seen_day": "0.00", "seen_month": "5.00", "seen_count": 0, "policy": "e78cf15ded1114f708236d028c05ef6e",
        "expires_at": "2026-11-29T11:46:02.089Z", "content_digest": "ab" * 32, "prev": "cd" * 32, "flags": [],
        "new_thing": {"x": 1}}


def test_a_permit_shows_its_evidence(ask):
    done = ask({EVENTS: {"events": [event(1, json=REAL)], "next": 0}}, "events", "--after", "0")
    body = " ".join(line.strip() for line in done.stdout.splitlines()[1:])
    assert body.startswith('20.00 CNY to m-7 "Corner Shop" via sandbox basis=countersignature '
                           "factors=totp:fact_..rf5yp72p seen_day=0.00 seen_month=5.00 seen_count=0 policy=e78cf15d ")
    assert "link=link_..3ijce5aa" in body and "expires_at=2026-11-29T19:46:02 " in body and "seq=1" in body
    # What a newer daemon says is shown; what is for machines, and what is empty, is not.
    assert "new_thing={x=1}" in body
    for hidden in ("digest", "prev", "link_no", "flags", "key=", "revision"):
        assert hidden not in body


def test_no_line_is_wider_than_a_terminal(ask):
    many = dict(REAL, **{f"name{i}": "v" * i for i in range(40)})
    done = ask({EVENTS: {"events": [event(1, json=many)], "next": 0}}, "events", "--after", "0")
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert all(f"name{i}={'v' * i}" in words(done) for i in range(1, 40))


def test_json_is_one_event_a_line(ask):
    done = ask({EVENTS: pages(3, 2)}, "events", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [event(1), event(2), event(3)]


def test_all_pages_are_fetched(ask):
    done = ask({EVENTS: pages(250, 90)}, "events", "--json")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == list(range(1, 251))


def test_after_and_limit(ask):
    done = ask({EVENTS: pages(250, 90)}, "events", "--json", "--after", "20", "--limit", "150", "--account", "alice")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == list(range(21, 171))
    assert all(call[1]["account"] == "alice" for call in done.calls)


def test_a_daemon_that_does_not_get_on_ends_it(ask):
    done = ask({EVENTS: {"events": [event(5)], "next": 5}}, "events", "--after", "5")
    assert done.returncode == 0 and done.stdout.count("payment.permit") == 1


def test_follow_prints_events_as_they_come(ask):
    done = ask({EVENTS: [{"events": [event(1)], "next": 1}, {"events": [], "next": 1},
                         {"events": [event(2), event(3)], "next": 3}, {"events": [event(4)], "next": 4}]},
               "events", "--follow", "--limit", "3", "--json")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2, 3]
    assert done.calls == [(EVENTS, {"follow": True}, True)]


def test_follow_goes_on_where_a_stream_broke(ask):
    streams = iter([Endless([{"events": [event(1)], "next": 1}]),
                    [{"events": [event(2)], "next": 2}, {"events": [event(3)], "next": 3}]])
    done = ask({EVENTS: lambda _: next(streams)}, "events", "--follow", "--limit", "3", "--json")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2, 3]
    assert [call[1].get("after") for call in done.calls] == [None, 1]
    assert "going on" in done.stderr or "go on from event 1" in done.stderr


def test_a_hostile_event_forges_no_other(ask):
    bad = event(1, type="a\nb", json={"account": "x\x1b[31m\n2026 permit", "a b": "c\td", "deep": [{"x": ["\r"]}]})
    done = ask({EVENTS: {"events": [bad], "next": 0}}, "events", "--after", "0")
    lines = done.stdout.splitlines()
    assert all(line.startswith("    ") for line in lines[1:]) and "\x1b" not in done.stdout and "\r" not in done.stdout
    assert "a\\nb" in done.stdout


@pytest.mark.parametrize("bad", [{"events": {}, "next": 1}, {"next": 1}, {"events": [1, None, []], "next": "x"}])
def test_odd_pages(ask, bad):
    assert ask({EVENTS: bad}, "events", "--after", "1").returncode == 0


def test_colours_on_a_terminal_only(ask, build):
    assert "\x1b" not in ask({EVENTS: pages(1, 1)}, "events").stdout
    with FakeBroker({EVENTS: pages(1, 1)}) as broker:
        command = f"{build}/countersignctl --socket {broker.path} events"
        env = {"TERM": "xterm", "PATH": "/usr/bin:/bin"}
        text = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, text=True, env=env).stdout
        assert "\x1b[32mpermit\x1b[0m" in text
        text = subprocess.run(["script", "-qec", command + " --no-color", "/dev/null"], capture_output=True, text=True,
                              env=env).stdout
        assert "permit" in text and "\x1b" not in text
