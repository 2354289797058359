# SPDX-License-Identifier: Apache-2.0
"""
A plugin that breaks out of its role meets its cage: it ends, or is refused, the log names what it tried, and what rests
on it is unavailable, never permitted.
"""
import pytest

CROOKED = '''provider "{name}" {{
    plugin "misbehave"
    servers 1 deadline 5s queue 16
    cooling-off 0
    set issuer "https://misbehave.test"
    {cage}
}}
'''

BROKER = {
    "clients": ["pure", "online", "runner", "broken"],
    "extra": CROOKED.format(name="pure", cage="")
             + CROOKED.format(name="online", cage="cage { network hosts }")
             + CROOKED.format(name="runner", cage="cage { processes yes }")
             + CROOKED.format(name="broken", cage=""),
}

EACCES, EPERM, ENOMEM = 13, 1, 12

# What a plugin does, and the system call that the log names.
FORBIDDEN = [
    ("pure", "fork", "clone"), ("pure", "exec", "execve"), ("pure", "write", "open"), ("pure", "unlink", "unlink"),
    ("pure", "connect", "socket"), ("pure", "listen", "socket"), ("pure", "local", "socket"), ("pure", "ptrace", "ptrace"),
    ("pure", "datagram", "socketpair"), ("online", "datagram", "socketpair"),
    ("pure", "signal", "kill"), ("pure", "code", "mprotect"), ("pure", "memfd", "memfd_create"), ("pure", "mount", "mount"),
    ("pure", "bpf", "bpf"), ("pure", "unshare", "unshare"), ("pure", "keys", "keyctl"), ("online", "listen", "listen"),
    ("online", "fork", "clone"), ("online", "write", "open"), ("runner", "connect", "socket"), ("runner", "ptrace", "ptrace"),
    ("runner", "mount", "mount"), ("runner", "bpf", "bpf"), ("runner", "unshare", "unshare"),
]
# What is refused without an end: the part of the status that says whether this kernel can, and the error.
REFUSED = [
    ("pure", "read", "system_calls", EACCES), ("online", "read", "files", EACCES), ("online", "connect", "ports", EACCES),
    ("online", "local", "system_calls", EACCES), ("pure", "memory", "memory", ENOMEM), ("runner", "signal", "signals", EPERM),
    ("runner", "write", "files", EACCES),
]
# The sanitizers need these themselves.
SANITIZERS = ["fork", "write", "ptrace", "signal", "read"]


@pytest.fixture(scope="module")
def cage(running):
    return running.admin.call("Admin.Status")["cage"]


def open_with(shop, provider, token):
    begun = shop.call("Sessions.Begin", provider=provider)["sign_in"]
    return shop.fails("Sessions.Open", sign_in=begun, id_token=token)


def still_works(shop, provider):
    """The broker is up, and so is the plugin, in a new process: who is not linked is not let in."""
    assert open_with(shop, provider, "nobody").parameters == {"what": "link"}


def only_where(there, act, cage):
    if not there:
        pytest.skip("this kernel or build has not that part of the cage; see countersignctl status")
    if act in SANITIZERS and not cage["memory"]:
        pytest.skip("a build with sanitizers needs that call itself")


@pytest.mark.parametrize("provider, act, call", FORBIDDEN, ids=lambda v: v)
def test_X9_what_is_forbidden_ends_the_plugin_and_is_named(shop, broker, cage, provider, act, call):
    only_where(cage["system_calls"] and cage["call_names"], act, cage)
    # Its process has lived for a while, so that the next one is started at once.
    broker.clock.advance(11_000)
    error = open_with(shop, provider, "!act_" + act)
    assert (error.name, error.parameters["what"]) == ("Unavailable", provider)
    said = [line for line in broker.log().splitlines() if f"worker:{provider} cage " in line]
    assert said and f"call={call}" in said[-1], said
    assert f"act_{act}: " not in broker.log() or (provider, act) == ("runner", "connect"), "it did not come back"
    still_works(shop, provider)


@pytest.mark.parametrize("provider, act, part, error", REFUSED)
def test_X9_what_is_refused_is_not_done(shop, broker, cage, provider, act, part, error):
    only_where(cage[part], act, cage)
    answer = open_with(shop, provider, "!act_" + act)
    assert (answer.name, answer.parameters["what"]) == ("Unavailable", provider)
    assert f"act_{act}: errno {error}" in broker.log()
    still_works(shop, provider)


def test_a_plugin_that_may_start_processes_does(shop, broker):
    assert open_with(shop, "runner", "!act_fork").name != "Unavailable"
    assert "act_fork: done" in broker.log()


def test_X9_others_do_not_notice(shop, broker, person):
    broker.clock.advance(11_000)
    waiting = broker.connect()
    waiting.send("Sessions.Open", sign_in=shop.call("Sessions.Begin", provider="pure")["sign_in"], id_token="!act_bpf")
    assert person.open()["outcome"] == "permit"
    with pytest.raises(Exception, match="Unavailable"):
        waiting.receive()
    still_works(shop, "pure")


def state(broker, name):
    return next(p for p in broker.admin.call("Admin.Status")["providers"] if p["name"] == name)


def test_X9_a_plugin_that_goes_on_failing_is_not_asked_for_a_while(shop, broker):
    """Five failures in a row: then who needs it hears at once that it is unavailable, and one call tries it after the rest."""
    for _ in range(5):
        assert open_with(shop, "broken", "!fail").name == "Unavailable"
    assert 0 < state(broker, "broken")["rest_ms"] <= 1000
    failures = state(broker, "broken")["failures"]
    assert open_with(shop, "broken", "nobody").name == "Unavailable", "it would have been right, and is not asked"
    assert state(broker, "broken")["failures"] == failures
    broker.clock.advance(1001)
    assert open_with(shop, "broken", "!fail").name == "Unavailable"
    assert 1000 < state(broker, "broken")["rest_ms"] <= 2000, "the one call that tried it failed: a longer rest"
    broker.clock.advance(2001)
    still_works(shop, "broken")
    assert "rest_ms" not in state(broker, "broken")


def test_X9_who_asks_nonsense_shuts_a_plugin_for_nobody(shop, broker):
    """A plugin that will not look at what it is asked is well: a thief who sends that again and again locks nobody out."""
    for _ in range(7):
        assert open_with(shop, "broken", "!what_nobody_understands").name == "Unavailable"
    still_works(shop, "broken")
    assert "rest_ms" not in state(broker, "broken")


def test_the_status_says_what_the_kernel_lacks(cage):
    """Every part is there or is told of, in a sentence."""
    parts = [cage[part] for part in cage if part != "missing"]
    assert len(parts) == 7 and all(isinstance(part, bool) for part in parts)
    assert len(cage["missing"]) == parts.count(False)
