# SPDX-License-Identifier: Apache-2.0
"""Attacks through the configuration, and with freezes: another provider under an old name, a thaw by less."""
import json
import os
import re
import shutil
import subprocess

import pytest

from harness import BUILD, VarlinkError


def restart(broker, *changes):
    """Stops, replaces texts in the configuration, starts; gives back what undoes it."""
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        kept = text = f.read()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    _write(broker, text)
    return kept


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def _write(broker, text):
    broker.halt()
    write(broker.path("countersign.conf"), text)
    broker.start()


# --- L15 ---

@pytest.mark.parametrize("change", ["issuer", "alias", "client", "another service's client", "plugin"])
def test_L15_another_provider_under_an_old_name(broker, person, log, change):
    """What was linked at the old one must not be spent from through the new one; when it is put right, it goes on."""
    issuer = broker.provider.issuer
    changes = {
        "issuer": [(f'set issuer "{issuer}"', 'set issuer "https://127.0.0.1:1"')],
        "alias": [(f'set issuer "{issuer}"', f'set issuer "{issuer}" set issuer-alias "https://evil.example"')],
        "client": [('client-id "sandbox" "countersign-app"', 'client-id "sandbox" "thiefs-app"')],
        "another service's client": [('client-id "sandbox" "another-app"', 'client-id "sandbox" "thiefs-app"')],
        "plugin": [('plugin "oidc"', f'plugin "{broker.path("plugins/oidc2.so")}"')],
    }[change]
    if change == "plugin":
        shutil.copyfile(broker.path("plugins/oidc.so"), broker.path("plugins/oidc2.so"))
    session = person.session()
    kept = restart(broker, *changes)
    try:
        person.service = broker.service
        answer = person.authorize(session, person.payment())
        assert (answer["outcome"], answer["reason"]) == ("deny", "provider_changed")
        log.denied(person.account, "provider_changed")
        provider, = broker.admin.call("Admin.Providers")["providers"]
        assert provider["state"] == "changed"
        if change not in ("issuer", "client"):
            opened = person.open()
            assert (opened["outcome"], opened["reason"]) == ("deny", "provider_changed")
    finally:
        _write(broker, kept)
    person.service = broker.service
    person.spend(person.session(), "1.00")


def test_L15_removed_and_back_under_its_name(broker, person, log):
    """Going away for a while makes nobody forget who it was."""
    session = person.session()
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        kept = f.read()
    with open(broker.path("services/checkout"), encoding="utf-8") as f:
        stack = f.read()
    block = kept[kept.index('\nprovider "sandbox" {'):kept.index("\nfactor ")]
    without = re.sub('client-id "sandbox" "[a-z-]*"', "", kept.replace(block, ""))
    try:
        write(broker.path("services/checkout"), stack.replace("link    requisite   provider    sandbox\n", ""))
        _write(broker, without)
        answer = person.authorize(session, person.payment(), service=broker.service)
        assert (answer["outcome"], answer["reason"]) == ("deny", "provider_disabled")
        log.denied(person.account, "provider_disabled")
        _write(broker, kept.replace('"countersign-app"', '"thiefs-app"'))
        answer = person.authorize(session, person.payment(), service=broker.service)
        assert (answer["outcome"], answer["reason"]) == ("deny", "provider_changed")
        log.denied(person.account, "provider_changed")
    finally:
        write(broker.path("services/checkout"), stack)
        _write(broker, kept)
    person.service = broker.service
    person.spend(person.session(), "1.00")


# --- S19 ---

STACKS = ["spend required permit", "spend sufficient permit\nspend required stepup any=totp",
          "spend sufficient session\nspend required deny", "spend optional permit\nspend optional stepup any=totp",
          "spend [success=done default=ignore] permit\nspend required stepup any=totp",
          "spend [success=1 default=ignore] permit\nspend required stepup any=totp\nspend required permit",
          "spend [default=ok] deny",
          "spend required permit\nspend [success=ok unverified=ignore default=bad] stepup any=totp",
          "spend substack trick\nspend [default=1] permit\nspend required stepup any=totp\nspend optional permit"]
TRICK = "spend [success=done default=reset] permit\nspend requisite deny\n"


@pytest.mark.parametrize("spend", STACKS)
def test_S19_no_stack_spends_without_a_countersignature(broker, person, log, spend):
    with open(broker.path("services/checkout"), encoding="utf-8") as f:
        kept = f.read()
    rest = "".join(line + "\n" for line in kept.splitlines() if not line.startswith("spend"))
    try:
        write(broker.path("services/trick"), TRICK)
        write(broker.path("services/checkout"), rest + spend + "\n")
        try:
            broker.admin.call("Admin.Reload")
        except VarlinkError as error:
            # What can never be right is not even loaded.
            assert error.name in ("InvalidParameter", "Unavailable", "Conflict"), error
        session = person.session()
        payment = person.payment()
        answer = person.authorize(session, payment)
        assert answer["outcome"] in ("step_up", "deny"), (spend, answer)
        assert log.events(person.account, "payment_permitted") == []
    finally:
        write(broker.path("services/checkout"), kept)
        broker.admin.call("Admin.Reload")


@pytest.mark.parametrize("spend", STACKS)
def test_S19_each_trick_is_proved_harmless_and_told(tmp_path, spend):
    """The admin is told before it is loaded: no results permit, and where a stack asks for less than its stepup lines do."""
    write(tmp_path / "trick", TRICK)
    write(tmp_path / "checkout", spend + "\n")
    done = subprocess.run([os.path.join(BUILD, "countersignctl"), "check", "--stack", tmp_path / "checkout", "--json"],
                          capture_output=True, text=True, timeout=20)
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["good"], done.stdout
    assert answer["proved"]["operations"] == 1 and answer["proved"]["combinations"] > 0
    told = [w["message"] for w in answer["warnings"]]
    assert "stepup" not in spend or any(m.startswith("the stack says yes to spend although no `stepup`") for m in told), told


# --- X6 ---

def test_X6_anybody_who_serves_the_account_may_freeze_and_nobody_may_thaw(shop, market, person, log):
    """Freezing is easy. A session, a new sign-in, another service: none of them is the owner's yes."""
    session = person.session()
    assert market.call("Links.Suspend", link=person.link_id, reason="seen elsewhere")["link"]["state"] == "suspended"
    assert person.authorize(session, person.payment())["outcome"] == "deny"
    assert person.open()["outcome"] == "deny"
    for service in (shop, market):
        assert service.call("Links.Resume", link=person.link_id)["outcome"] == "step_up"
    assert log.events(person.account, "link_resumed") == []
    assert [e["reason"] for e in log.events(person.account, "denied")][-1] == "link_suspended"


def test_X6_a_yes_to_something_else_thaws_nothing(shop, person, log):
    challenge = shop.call("Factors.Begin", account=person.account, kind="totp", label="b")["challenge"]["id"]
    person.confirm(challenge)
    shop.call("Links.Suspend", link=person.link_id)
    assert shop.call("Links.Resume", link=person.link_id)["outcome"] == "step_up"
    assert log.events(person.account, "link_resumed") == []


@pytest.mark.parametrize("scope", ["link", "account"])
def test_X6_an_admins_freeze_is_an_admins_to_lift(broker, shop, person, log, scope):
    """The owner, with the right factor, lifts their own and no more; the broker says so before it asks."""
    target = person.link_id if scope == "link" else person.account
    reason = "link_suspended" if scope == "link" else "account_frozen"
    session = person.session()
    broker.admin.call("Admin.Freeze", scope=scope, target=target, reason="fraud desk")
    shop.call("Links.Resume", link=person.link_id)
    answer = person.authorize(session, person.payment())
    assert answer["outcome"] == "deny" and answer["reason"] in (reason, "session_revoked", "session_invalid")
    assert person.open()["outcome"] == "deny"
    shop.call("Links.Suspend", link=person.link_id)
    answer = shop.call("Links.Resume", link=person.link_id)
    assert (answer["outcome"], answer["reason"]) == ("deny", reason)
    assert log.events(person.account, "thawed") == log.events(person.account, "link_resumed") == []
    log.denied(person.account, reason)
    broker.admin.call("Admin.Thaw", scope=scope, target=target, reason="cleared")
    person.confirm(shop.call("Links.Resume", link=person.link_id)["challenge"]["id"])
    assert shop.call("Links.Resume", link=person.link_id)["outcome"] == "permit"
    person.spend(person.session(), "1.00")


def test_X6_an_admins_freeze_survives_unlinking(broker, shop, person, log):
    """The frozen ID is removed and linked again, with the owner's factor: it stays frozen."""
    broker.admin.call("Admin.Freeze", scope="link", target=person.link_id, reason="fraud desk")
    shop.call("Links.Remove", link=person.link_id)
    proposed = person.propose()
    assert (proposed["outcome"], proposed["reason"]) == ("deny", "link_suspended")
    log.denied(person.account, "link_suspended")


def test_X6_not_me_for_the_whole_account_is_not_undone_by_a_session(broker, shop, person, log):
    session = person.session()
    shop.call("Accounts.ReportNotMe", account=person.account)
    for _ in range(2):
        answer = person.authorize(session, person.payment())
        assert answer["outcome"] == "deny"
        assert person.open()["outcome"] == "deny"
    proposed = person.propose(subject="another-" + person.subject)
    assert proposed["outcome"] == "deny", proposed
    assert log.events(person.account, "not_me")
    log.denied(person.account, "account_frozen")


# --- L14 ---

def test_L14_a_limit_of_the_link_follows_the_subject(shop, person, log):
    """The owner has lowered this ID's limit: unlinking and linking it again does not raise it."""
    lowered = shop.call("Limits.Set", account=person.account, link=person.link_id,
                        limits={"currency": "CNY", "per_payment": "5.00"})
    assert lowered["outcome"] == "permit"
    shop.call("Links.Remove", link=person.link_id)
    person.link()
    answer = person.authorize(person.session(), person.payment("5.01"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_payment")
    log.denied(person.account, "limit_payment")
