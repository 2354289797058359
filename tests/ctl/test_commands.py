# SPDX-License-Identifier: Apache-2.0
"""What each command asks the daemon, and how it prints what came back, as text and as JSON."""
import json

import pytest

from fake_broker import Error

ADMIN = "org.countersign.Admin."

STATUS = {
    "version": "0.1.0", "realm": "example", "generation": 3, "policy": "9f86d0", "uptime_s": 11520,
    "store": {"kind": "sqlite", "events": 12}, "uid_separation": False, "frozen": None, "gateway": "ready",
    "cage": {"system_calls": True, "call_names": True, "files": True, "ports": True, "signals": False, "memory": True,
             "no_new_privs": True, "missing": ["signals"]},
    "counters": {"permits": 7, "denials": 2},
    "processes": [{"role": "engine", "pid": 41, "generation": 3, "state": "ready", "restarts": 0},
                  {"role": "worker:sandbox", "pid": 4242, "generation": 3, "state": "backoff", "restarts": 12}],
    "providers": [{"name": "sandbox", "plugin": "oidc", "state": "enabled", "servers": 2, "busy": 0, "queued": 0,
                   "failures": 0}],
    "plugins": [{"name": "hook", "kind": "notify", "plugin": "webhook", "servers": 1, "busy": 0, "queued": 0,
                 "failures": 4, "last_error": "too late"}],
    "signals": [{"provider": "sandbox", "state": "silent", "by": "push", "heard_at": "2026-11-15T02:00:00Z", "taken": 3,
                 "duplicates": 1, "unknown": 0, "refused": 2, "failed": 0}],
}

ACCOUNT = {
    "account": "alice", "state": "open", "frozen": [], "since": "2026-11-22T02:00:00Z",
    "links": [{"id": "link_1", "provider": "sandbox", "state": "active", "since": "2026-11-22T02:00:00Z"},
              {"id": "link_22", "provider": "apple", "state": "cooling_off", "since": "2026-11-22T03:00:00Z"}],
    "factors": [{"id": "fact_1", "kind": "totp", "label": "phone", "state": "active"}],
}


def test_status_shows_everything(ask):
    done = ask({ADMIN + "Status": STATUS}, "status")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[0] == "running, up 3 h 12 min"
    for word in ("example", "uid separation  no", "sqlite", "permits  7", "worker:sandbox  4242", "backoff", "oidc", "hook", "too late"):
        assert word in done.stdout


def test_status_fits_a_terminal(ask):
    said = dict(STATUS, gateway=" ".join(["A captured gateway could call as checkout."] * 6),
                store={"kind": "sqlite", "cache_bytes": 18197, "wal_bytes": 512, "db_bytes": 1 << 32, "detail": None})
    done = ask({ADMIN + "Status": said}, "status")
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert done.stdout.replace("\n" + " " * 16, " ").count(said["gateway"]) == 1
    for line in ("  cache  17.7 KiB", "  wal    512 B", "  db     4 GiB"):
        assert f"{line}\n" in done.stdout
    assert "detail" not in done.stdout and "uptime s" not in done.stdout and "frozen" not in done.stdout


def test_status_says_first_that_all_is_frozen(ask):
    done = ask({ADMIN + "Status": dict(STATUS, frozen="breach")}, "status")
    assert done.stdout.startswith("FROZEN: everything is denied")


def test_status_as_json_is_what_the_daemon_said(ask):
    done = ask({ADMIN + "Status": STATUS}, "--json", "status")
    assert json.loads(done.stdout) == STATUS


def test_tables_are_aligned(ask):
    done = ask({ADMIN + "Providers": {"providers": [dict(STATUS["providers"][0]),
                                                    dict(STATUS["providers"][0], name="苹果", state="frozen",
                                                         since="2026-11-22T02:00:00Z", extra=[1, 2])]}},
               "provider", "list")
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["NAME", "PLUGIN", "STATE", "SINCE", "SERVERS", "BUSY", "QUEUED", "FAILURES", "EXTRA"]
    # Wide characters take two columns each.
    assert first.index("oidc") == head.index("PLUGIN") == second.index("oidc") + 2
    assert "2026-11-22 10:00:00+0800" in second and second.endswith("1,2")


def test_no_providers_says_what_to_do(ask):
    done = ask({ADMIN + "Providers": {"providers": []}}, "provider", "list")
    assert "add a `provider` block" in done.stdout


@pytest.mark.parametrize("scope, target", [("provider", "apple"), ("account", "alice"), ("link", "link_1")])
@pytest.mark.parametrize("verb, method, word", [("freeze", "Freeze", "frozen"), ("thaw", "Thaw", "thawed")])
def test_freeze_and_thaw(ask, scope, target, verb, method, word):
    done = ask({ADMIN + method: {"frozen": verb == "freeze"}}, scope, verb, target, "stolen IDs")
    assert done.returncode == 0
    assert done.calls == [(ADMIN + method, {"scope": scope, "target": target, "reason": "stolen IDs"}, False)]
    assert done.stdout == f"{scope} {target} {word}\n"


def test_freeze_needs_no_reason_and_broker_no_target(ask):
    done = ask({ADMIN + "Freeze": {"frozen": True}}, "broker", "freeze")
    assert done.calls == [(ADMIN + "Freeze", {"scope": "broker", "reason": "none given"}, False)]
    assert done.stdout == "broker frozen\n"


def test_limit(ask):
    done = ask({ADMIN + "SetLimit": {}}, "account", "limit", "alice", "CNY", "--per-day", "100.00", "--count-day", "3")
    assert done.returncode == 0
    assert done.calls == [(ADMIN + "SetLimit", {"scope": "account", "target": "alice", "limits": {
        "currency": "CNY", "per_day": "100.00", "count_day": 3}}, False)]


@pytest.mark.parametrize("args", [[], ["--count-day", "3x"], ["--count-month", "-1"]])
def test_limit_without_a_limit_asks_nothing(ask, args):
    done = ask({}, "provider", "limit", "apple", "CNY", *args)
    assert done.returncode == 2 and done.calls == [] and done.stderr.startswith("countersignctl: ")


def test_rekeys_say_why_and_can_be_taken_back(ask):
    pins = {"pin": "aa", "was_pin": "bb", "matches": True}
    done = ask({ADMIN + "RekeyProvider": pins}, "provider", "rekey", "apple", "another team")
    assert done.calls == [(ADMIN + "RekeyProvider", {"provider": "apple", "reason": "another team"}, False)]
    assert done.returncode == 0 and "aa" in done.stdout
    done = ask({ADMIN + "RekeyProvider": pins}, "provider", "rekey", "apple", "a mistake", "--undo", "--json")
    assert done.calls[0][1]["undo"] is True and json.loads(done.stdout) == pins
    moved = {"outcome": "permit", "reason": "rekeyed", "link": "link_1", "subject": "new", "was_subject": "old"}
    done = ask({ADMIN + "RekeyLink": moved}, "link", "rekey", "link_1", "another team", "--proof", "transfer.1")
    assert done.calls == [(ADMIN + "RekeyLink", {"link": "link_1", "reason": "another team", "proof": "transfer.1"}, False)]
    assert "new" in done.stdout
    for args in (["provider", "rekey", "apple"], ["link", "rekey", "link_1"], ["provider", "rekey-links", "apple"]):
        assert ask({}, *args).returncode == 2


@pytest.mark.parametrize("until, words", [("2026-12-31T00:00:00Z", "until 2026-12-31T00:00:00Z links of this provider move"),
                                          (None, "stay with their subjects")])
def test_rekey_links_opens_and_closes_a_window(ask, until, words):
    args, members = ([], {}) if until is None else (["--until", until], {"until": until})
    done = ask({ADMIN + "RekeyLinks": members}, "provider", "rekey-links", "wechat", "a new app", *args)
    assert done.calls == [(ADMIN + "RekeyLinks", {"provider": "wechat", "reason": "a new app", **members}, False)]
    assert done.returncode == 0 and words in done.stdout


def test_lists_of_an_account(ask):
    done = ask({ADMIN + "Account": {"account": ACCOUNT}}, "link", "list", "alice")
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["ID", "PROVIDER", "STATE"], ["link_1", "sandbox", "active"], ["link_22", "apple", "cooling_off"]]
    done = ask({ADMIN + "Account": {"account": ACCOUNT}}, "factor", "list", "alice", "--json")
    assert json.loads(done.stdout) == ACCOUNT["factors"]
    done = ask({ADMIN + "Account": {"account": dict(ACCOUNT, links=[])}}, "link", "list", "alice")
    assert done.stdout == "the account has no links\n"


def test_show(ask):
    done = ask({ADMIN + "Account": {"account": ACCOUNT}}, "account", "show", "alice")
    assert "since    2026-11-22 10:00:00+0800" in done.stdout and "\nlinks\n" in done.stdout
    done = ask({ADMIN + "Link": {"link": ACCOUNT["links"][0]}}, "link", "show", "link_1", "--json")
    assert json.loads(done.stdout) == ACCOUNT["links"][0]
    done = ask({ADMIN + "Factor": {"factor": ACCOUNT["factors"][0]}}, "factor", "show", "fact_1")
    assert "kind   totp" in done.stdout


EXPLAINED = {"outcome": "deny", "reason": "link_suspended",
             "steps": [{"rule": "4", "result": "fail", "why": "the link is suspended", "pass": 1}],
             "mend": ["resume the link"]}


def test_explain(ask):
    done = ask({ADMIN + "Explain": EXPLAINED}, "explain", "alice", "checkout", "20.00", "CNY", "m-7", "--session", "s")
    assert done.returncode == 1
    assert done.calls == [(ADMIN + "Explain", {
        "account": "alice", "service": "checkout", "session": "s",
        "payment": {"id": "explain", "amount": "20.00", "currency": "CNY", "payee": {"id": "m-7"}}}, False)]
    assert done.stdout.splitlines()[0] == "deny (link_suspended)"
    assert "the link is suspended" in done.stdout and "to make it pass:\n  resume the link" in done.stdout
    assert "PASS" not in done.stdout
    done = ask({ADMIN + "Explain": dict(EXPLAINED, outcome="permit")}, "explain", "a", "b", "1", "CNY", "p", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["outcome"] == "permit"


def test_explain_a_payment_that_was_asked(ask):
    def event(seq, payment, **more):
        return {"seq": seq, "time": "2026-11-22T02:03:04.567Z", "type": "payment_denied", "outcome": "deny",
                "reason": "limit_day", "service": "checkout",
                "json": {"account": "alice", "payment": payment, "amount": "20.00", "currency": "CNY", "payee": "m-7",
                         "link": "link_1", "policy": "e78cf15d", **more}}
    pages = {0: {"events": [event(1, "other")], "next": 1}, 1: {"events": [event(2, "p-1", seen_day="790.00")], "next": 2},
             2: {"events": [], "next": 2}}
    answers = {ADMIN + "Events": lambda parameters: pages[parameters["after"]], ADMIN + "Explain": EXPLAINED}
    done = ask(answers, "explain", "--payment", "p-1", "alice", "checkout")
    assert done.returncode == 1 and done.stdout.splitlines()[:6] == [
        "recorded:", "  2026-11-22 10:03:04.567+0800  payment_denied  deny  limit_day", "      seen_day=790.00 policy=e78cf15d", "",
        "the same asked now, as another payment beside it:", "deny (link_suspended)"]
    assert done.calls[-1][1] == {"account": "alice", "service": "checkout", "link": "link_1", "payment": {
        "id": "explain", "amount": "20.00", "currency": "CNY", "payee": {"id": "m-7"}}}
    answer = json.loads(ask(answers, "explain", "--payment", "p-1", "alice", "checkout", "--json").stdout)
    assert [one["seq"] for one in answer["recorded"]] == [2] and answer["now"]["reason"] == "link_suspended"
    done = ask(answers, "explain", "--payment", "p-2", "alice", "checkout")
    assert done.returncode == 3 and "p-2" in done.stderr and done.stdout == ""
    assert ask(answers, "explain", "alice", "checkout").returncode == 2


def test_getent(ask):
    entry = {"link": "link_1", "account": "alice", "provider": "apple", "state": "active", "since": "x"}
    done = ask({"org.countersign.Lookup.BySubject": {"entry": entry}}, "getent", "link", "apple:00:12", "--json")
    assert json.loads(done.stdout) == entry
    assert done.calls[0][1] == {"provider": "apple", "subject": "00:12"}
    assert ask({}, "getent", "link", "apple").returncode == 2


def test_reload(ask):
    done = ask({ADMIN + "Reload": {"generation": 4}}, "reload")
    assert done.returncode == 0 and done.stdout == "generation  4\n"
    done = ask({ADMIN + "Reload": Error("InvalidParameter", field="configuration", reason="a.conf:3:1: unknown word")},
               "reload")
    assert done.returncode == 2 and "a.conf:3:1: unknown word" in done.stderr


def test_the_socket_comes_from_the_environment_too(run, ask):
    done = run("status", COUNTERSIGN_ADMIN_SOCKET="/nonexistent/a")
    assert done.returncode == 4 and "/nonexistent/a" in done.stderr


def test_help_names_every_command(run):
    done = run("help")
    assert done.returncode == 0
    for noun in ("status", "check", "explain", "provider", "link", "account", "factor", "plugin", "events", "getent"):
        assert f"\n  {noun} " in done.stdout
    assert "--count-day" in run("help", "account").stdout
    assert "--follow" not in run("help", "account").stdout
    assert run("version").stdout.startswith("countersignctl ")


@pytest.mark.parametrize("args, words", [
    ([], "say what to do"), (["fly"], "no command fly"), (["link"], "link what? One of: list, show"),
    (["link", "fly"], "link cannot fly"), (["link", "show"], "usage: countersignctl link show LINK"),
    (["status", "--follow"], "status does not take --follow"), (["events", "--after", "x"], "write an integer"),
    (["events", "--limit", "0"], "write an integer"), (["account", "freeze", "a", "two", "words"], "in quotes"),
    (["--socket", "x" * 200, "status"], "path of a socket"),
])
def test_usage(run, args, words):
    done = run(*args)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""
