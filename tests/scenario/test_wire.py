# SPDX-License-Identifier: Apache-2.0
"""The wire as a peer sees it: framing, order, limits, and peers that behave badly towards others."""
import fcntl
import json
import os
import resource
import select
import socket
import struct
import termios

import pytest

from harness import CALL_S, SOURCE

MESSAGE_MAX = 64 * 1024
CONNECTIONS_MAX = 1024
WHOAMI = {"method": "org.countersign.Whoami"}


@pytest.fixture
def raw(broker):
    """Connects a bare socket to the service's door."""
    opened = []

    def connect(name="service.sock"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(broker.path(name))  # waits where the door is crowded
        s.settimeout(CALL_S)
        opened.append(s)
        return s

    yield connect
    for s in opened:
        s.close()


def message(what, **more):
    return json.dumps({**what, **more}).encode() + b"\0"


def ask_for(account):
    return {"method": "org.countersign.Lookup.ByAccount", "parameters": {"account": account}}


def read_all(s):
    """Until the broker closes: the messages, as they are."""
    data = b""
    while True:
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            break  # closed with something of ours unread
        if not more:
            break
        data += more
    assert data == b"" or data.endswith(b"\0")
    return [json.loads(text) for text in data.split(b"\0")[:-1]]


def read_some(s, n):
    data = b""
    while data.count(b"\0") < n:
        more = s.recv(65536)
        assert more, "the broker closed the connection"
        data += more
    return [json.loads(text) for text in data.split(b"\0")[:-1]]


# --- org.varlink.service -------------------------------------------------------------------------------------------

def interfaces():
    directory = os.path.join(SOURCE, "include", "countersign")
    return sorted(n[:-len(".varlink")] for n in os.listdir(directory) if n.endswith(".varlink"))


def test_get_info(shop):
    info = shop.call("org.varlink.service.GetInfo")
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert "org.varlink.service" in info["interfaces"]
    between_processes = {"org.countersign." + name for name in ("Host", "Internal", "Plugin", "Worker")}
    assert set(interfaces()) <= set(info["interfaces"]) | between_processes
    assert shop.call("Whoami")["version"] == info["version"]


def test_descriptions_are_the_files(shop):
    for name in shop.call("org.varlink.service.GetInfo")["interfaces"]:
        if name == "org.varlink.service":
            continue
        with open(os.path.join(SOURCE, "include", "countersign", name + ".varlink"), encoding="utf-8") as f:
            assert shop.call("org.varlink.service.GetInterfaceDescription", interface=name)["description"] == f.read()


def test_unknown_interface_and_method(shop):
    error = shop.fails("org.varlink.service.GetInterfaceDescription", interface="org.countersign.Nothing")
    assert error.full_name == "org.varlink.service.InterfaceNotFound"
    error = shop.fails("org.countersign.Payments.Steal")
    assert (error.full_name, error.parameters) == ("org.varlink.service.MethodNotFound",
                                                   {"method": "org.countersign.Payments.Steal"})


# --- order and framing ---------------------------------------------------------------------------------------------

def test_64_calls_ahead_are_answered_in_order(raw):
    s = raw()
    s.sendall(b"".join(message(ask_for(f"nobody-{i}")) + message(WHOAMI) for i in range(32)))
    for i, answer in enumerate(read_some(s, 64)):
        assert ("error" in answer) == (i % 2 == 0)


def test_spends_and_reads_of_several_accounts_keep_their_order(broker, shop):
    people = [broker.person() for _ in range(2)]
    sessions = [p.session() for p in people]
    asked = []
    for i in range(16):
        person, session = people[i % 2], sessions[i % 2]
        payment = person.payment(f"{i + 1}.00")
        shop.send("Payments.Authorize", session=session, payment=payment)
        shop.send("Payments.Evaluate", session="sess_none", payment=payment)
        asked.append(payment)
    challenges = []
    for _ in asked:
        answer = shop.receive()
        assert answer["outcome"] in ("step_up", "deny")
        challenges.append(answer.get("challenge", {}).get("id"))
        with pytest.raises(Exception, match="NotFound"):
            shop.receive()
    for payment, challenge in zip(asked, challenges):
        if challenge is not None:
            assert shop.call("StepUp.Get", challenge=challenge)["card"]["amount"] == payment["amount"]


def test_byte_by_byte_and_two_in_one_write(raw):
    s = raw()
    for byte in message(WHOAMI):
        s.sendall(bytes([byte]))
    answer, = read_some(s, 1)
    assert answer["parameters"]["service"] == "checkout"
    s.sendall(message(WHOAMI) * 2)
    assert read_some(s, 2) == [answer, answer]


def test_a_message_and_a_half(raw):
    s = raw()
    text = message(WHOAMI)
    s.sendall(text + text[:10])
    read_some(s, 1)
    s.sendall(text[10:])
    read_some(s, 1)


def test_the_end_of_what_is_sent_is_not_the_end_of_answers(raw):
    s = raw()
    s.sendall(message(WHOAMI) * 3)
    s.shutdown(socket.SHUT_WR)
    assert len(read_all(s)) == 3


def test_half_a_message_and_the_end_closes(raw):
    s = raw()
    s.sendall(message(WHOAMI) + message(WHOAMI)[:-5])
    s.shutdown(socket.SHUT_WR)
    assert len(read_all(s)) == 1


def test_nothing_and_the_end_closes(raw):
    s = raw()
    s.shutdown(socket.SHUT_WR)
    assert read_all(s) == []


def test_oneway_has_no_answer_and_its_effect(broker, person, raw):
    session = person.session()
    s = raw()
    s.sendall(message({"method": "org.countersign.Sessions.Close", "parameters": {"session": session}}, oneway=True)
              + message({"method": "org.countersign.Nothing.There"}, oneway=True) + message(WHOAMI))
    s.shutdown(socket.SHUT_WR)
    answer, = read_all(s)
    assert answer["parameters"]["service"] == "checkout"
    assert person.authorize(session, person.payment())["reason"] == "session_invalid"


def test_more_where_there_is_one_answer(raw):
    s = raw()
    s.sendall(message(WHOAMI, more=True) + message(WHOAMI))
    first, second = read_some(s, 2)
    assert first == second and "continues" not in first


def test_a_watch_tells_each_state_and_ends(person, raw):
    session = person.session()
    challenge = person.authorize(session, person.payment())["challenge"]["id"]
    s = raw()
    s.sendall(message({"method": "org.countersign.StepUp.Watch", "parameters": {"challenge": challenge}}, more=True))
    first, = read_some(s, 1)
    assert first == {"parameters": {"state": "open"}, "continues": True}
    person.confirm(challenge)
    second, = read_some(s, 1)
    assert second["parameters"]["state"] == "done"


def test_upgrade_changes_nothing(raw):
    s = raw()
    s.sendall(message(WHOAMI, upgrade=True) + message(WHOAMI))
    assert len(read_some(s, 2)) == 2


# --- limits --------------------------------------------------------------------------------------------------------

def sized(n):
    """A call of exactly n bytes, without its NUL."""
    text = message({"method": "org.countersign.Whoami", "parameters": {"pad": ""}})[:-1]
    return text.replace(b'"pad": ""', b'"pad": "' + b"x" * (n - len(text)) + b'"')


def test_the_longest_message_is_read_and_one_byte_more_is_not(raw):
    s = raw()
    assert len(sized(MESSAGE_MAX)) == MESSAGE_MAX
    s.sendall(sized(MESSAGE_MAX) + b"\0" + message(WHOAMI))
    assert len(read_some(s, 2)) == 2
    s.sendall(sized(MESSAGE_MAX + 1) + b"\0")
    answer, = read_all(s)
    assert (answer["error"], answer["parameters"]) == (
        "org.countersign.InvalidParameter", {"field": "message", "reason": "is too long"})


def test_a_message_without_an_end_is_refused_as_soon_as_it_is_too_long(raw):
    s = raw()
    try:
        s.sendall(b" " * (MESSAGE_MAX * 4))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was sent
    answer, = read_all(s)
    assert answer["parameters"]["field"] == "message"


def test_what_came_before_a_bad_message_is_answered(raw):
    s = raw()
    s.sendall(message(WHOAMI) * 5 + b"nonsense\0" + message(WHOAMI))
    answers = read_all(s)
    assert len(answers) == 6
    assert answers[5]["error"] == "org.countersign.InvalidParameter"


def test_a_peer_that_does_not_read_holds_up_itself_only(raw, shop):
    s = raw()
    s.setblocking(False)
    call = message({"method": "org.varlink.service.GetInterfaceDescription",
                    "parameters": {"interface": "org.countersign.Payments"}})
    sent, waits = 0, 0
    # Until the broker takes no more: its buffers are bounded, whatever is sent.
    while waits < 50 and sent < 64 * 1024 * 1024:
        try:
            sent += s.send(call * 100)
            waits = 0
        except BlockingIOError:
            waits += 1
            assert shop.call("Whoami")["service"] == "checkout"
    assert sent < 16 * 1024 * 1024
    # And when it reads, every whole call is answered, in full.
    s.setblocking(True)
    s.settimeout(CALL_S)
    data, ended = b"", False
    s.shutdown(socket.SHUT_WR)
    answers = 0
    while not ended:
        more = s.recv(1 << 20)
        answers += more.count(b"\0")
        data, ended = more or data, not more
    assert data.endswith(b"\0") and answers == sent // len(call)


def test_a_peer_that_never_reads_is_closed(raw, broker):
    call = message({"method": "org.varlink.service.GetInterfaceDescription",
                    "parameters": {"interface": "org.countersign.Payments"}})
    s = raw()
    s.setblocking(False)
    sent = 0
    try:
        while sent < 64 * 1024 * 1024:
            sent += s.send(call * 100)
    except BlockingIOError:
        pass
    # A turn of the broker's loop that adds nothing to what lies unread: it cannot write any more.
    before, unread = -1, 0
    while unread != before or unread == 0:
        assert broker.service.call("Whoami")["service"] == "checkout"
        before, unread = unread, struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]
    broker.clock.advance(40_000)
    closed = select.poll()
    closed.register(s, 0)
    assert closed.poll(CALL_S * 1000)[0][1] & select.POLLHUP
    s.setblocking(True)
    # What had left the broker is read; then nothing comes.
    data, answers = b"x", 0
    while data:
        try:
            data = s.recv(1 << 20)
        except ConnectionResetError:
            break
        answers += data.count(b"\0")
    assert answers < sent // len(call)


def test_large_answers_that_were_asked_for_ahead_all_come(raw):
    """Answers many times the size of the buffer between, to a peer that reads as fast as it can."""
    calls = 2000
    call = message({"method": "org.varlink.service.GetInterfaceDescription",
                    "parameters": {"interface": "org.countersign.Payments"}})
    s = raw()
    s.setblocking(False)
    out, seen = call * calls, 0
    while seen < calls:
        if out:
            try:
                out = out[s.send(out):]
            except BlockingIOError:
                pass
        s.settimeout(CALL_S if not out else 0.01)
        try:
            seen += s.recv(1 << 20).count(b"\0")
        except (BlockingIOError, TimeoutError):
            assert out, f"{seen} of {calls} answers"
        s.setblocking(False)


def test_a_crowd_is_served_and_one_too_many_is_closed(raw, broker, shop):
    def served(s):
        try:
            s.sendall(message(WHOAMI))
            return s.recv(65536) != b""
        except (BrokenPipeError, ConnectionResetError):
            return False

    assert shop.call("Whoami")["service"] == "checkout"  # has its place before the crowd comes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * CONNECTIONS_MAX:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * CONNECTIONS_MAX, hard), hard))
    crowd = [raw() for _ in range(CONNECTIONS_MAX + 50)]
    assert sum(served(s) for s in crowd) >= CONNECTIONS_MAX - 32
    assert not served(crowd[-1])
    assert shop.call("Whoami")["service"] == "checkout"
    for s in crowd:
        s.close()
    for _ in range(200):
        assert shop.call("Whoami")["service"] == "checkout"
    assert served(raw())


def test_watchers_who_leave_give_their_place_back(raw, broker, shop):
    for _ in range(3):
        crowd = [raw() for _ in range(400)]
        for s in crowd:
            s.sendall(message({"method": "org.countersign.Events.Watch", "parameters": {"after": 1 << 40}}, more=True)
                      + message(WHOAMI))
        for s in crowd:
            s.close()
        broker.clock.advance(6_000)
        assert shop.call("Whoami")["service"] == "checkout"
    s = raw()
    s.sendall(message(WHOAMI))
    assert len(read_some(s, 1)) == 1


def test_an_idle_connection_is_closed_after_ten_minutes(broker, raw):
    s = raw()
    s.sendall(message(WHOAMI))
    read_some(s, 1)
    broker.clock.advance(11 * 60_000)
    assert read_all(s) == []
