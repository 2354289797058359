# SPDX-License-Identifier: Apache-2.0
"""Admins: what they see, what they take away and give back, and that nobody else can."""
import os

import pytest

from harness import Broker

HOUR = 3600_000


def payment(person, amount="20.00"):
    return person.payment(amount)


def reason_of(answer):
    return answer["outcome"], answer["reason"]


def freeze(broker, scope, target=None, reason="stolen"):
    return broker.admin.call("Admin.Freeze", scope=scope, target=target, reason=reason)["frozen"]


def thaw(broker, scope, target=None, reason="found"):
    return broker.admin.call("Admin.Thaw", scope=scope, target=target, reason=reason)["frozen"]


def explain(broker, person, **rest):
    return broker.admin.call("Admin.Explain", account=person.account, service="checkout", payment=person.payment(),
                             **rest)


def test_status_says_what_runs_from_the_first_moment():
    """Whoever was told that the broker is ready may ask at once."""
    fresh = Broker(https=False)
    try:
        processes = fresh.admin.call("Admin.Status")["processes"]
        assert {process["role"]: process["state"] for process in processes} == dict.fromkeys(
            ("parent", "engine", "worker:sandbox", "worker:totp"), "up")
    finally:
        fresh.stop()


def test_status_says_what_runs(broker):
    status = broker.admin.call("Admin.Status")
    roles = {process["role"]: process["state"] for process in status["processes"]}
    assert (status["realm"], status["uid_separation"], len(status["policy"])) == ("test", False, 32)
    assert {role: roles.get(role) for role in ("engine", "gateway", "worker:sandbox", "worker:totp")} == dict.fromkeys(
        ("engine", "gateway", "worker:sandbox", "worker:totp"), "up")
    assert status["providers"][0]["name"] == "sandbox" and status["providers"][0]["state"] == "active"
    assert status["store"]["kind"] == "sqlite" and status["store"]["log_last"] > 0
    assert "frozen" not in status


def test_status_says_what_a_captured_gateway_could_ask(broker):
    sentence = broker.admin.call("Admin.Status")["gateway"]
    assert "checkout" in sentence and "market" in sentence and "rules 10 to 12" in sentence


def test_a_frozen_broker_denies_and_a_thawed_one_does_not(broker, person):
    session = person.session()
    try:
        assert freeze(broker, "broker", reason="drill")
        assert freeze(broker, "broker", reason="again"), "freezing what is frozen is fine"
        assert reason_of(person.authorize(session, payment(person))) == ("deny", "broker_frozen")
        assert broker.admin.call("Admin.Status")["frozen"] == "drill"
    finally:
        assert not thaw(broker, "broker")
    assert person.authorize(person.session(), payment(person))["outcome"] == "step_up"


def test_a_frozen_provider_stops_its_sessions_for_good(broker, person):
    session = person.session()
    try:
        assert freeze(broker, "provider", "sandbox", "their keys leaked")
        listed = broker.admin.call("Admin.Providers")["providers"][0]
        assert (listed["state"], listed["frozen"]) == ("frozen", "their keys leaked") and "since" in listed
        assert reason_of(person.authorize(session, payment(person))) == ("deny", "provider_frozen")
    finally:
        assert not thaw(broker, "provider", "sandbox")
    assert reason_of(person.authorize(session, payment(person))) == ("deny", "session_revoked")
    broker.clock.advance(1000)
    assert person.authorize(person.session(), payment(person))["outcome"] == "step_up"


def test_a_freeze_outlives_a_restart(broker, person):
    assert freeze(broker, "broker", reason="night")
    broker.halt()
    broker.start()
    try:
        # The answer of a frozen broker does not depend on who asks.
        assert explain(broker, person)["reason"] == "broker_frozen"
        assert "frozen" in broker.admin.call("Admin.Status")
    finally:
        assert not thaw(broker, "broker")


def test_a_frozen_account_denies_until_an_admin_thaws(broker, person):
    session = person.session()
    assert freeze(broker, "account", person.account)
    assert freeze(broker, "account", person.account)
    assert reason_of(person.authorize(session, payment(person))) == ("deny", "account_frozen")
    shown = broker.admin.call("Admin.Account", account=person.account)["account"]
    assert (shown["account"], shown["frozen"]) == (person.account, "admin")
    assert not thaw(broker, "account", person.account)
    assert not thaw(broker, "account", person.account), "thawing what is not frozen is fine"
    broker.clock.advance(1000)
    assert person.authorize(person.session(), payment(person))["outcome"] == "step_up"


def test_a_frozen_link_stops_that_link_alone(broker, person):
    first = person.link_id
    person.link(subject=person.subject + "-second")
    sessions = person.session(), person.session(subject=person.subject + "-second")
    assert freeze(broker, "link", first)
    assert person.authorize(sessions[0], payment(person))["outcome"] == "deny"
    assert person.authorize(sessions[1], payment(person))["outcome"] == "step_up"
    assert not thaw(broker, "link", first)


def test_an_admins_thaw_leaves_the_users_own_freeze(broker, shop, person):
    shop.call("Links.Suspend", link=person.link_id)
    session_before = broker.admin.call("Admin.Link", link=person.link_id)["link"]["state"]
    assert session_before == "suspended"
    freeze(broker, "account", person.account)
    thaw(broker, "account", person.account)
    assert broker.admin.call("Admin.Link", link=person.link_id)["link"]["state"] == "suspended"


@pytest.mark.parametrize("parameters, field", [
    (dict(scope="realm", target="x", reason="r"), "scope"),
    (dict(scope="broker", target="x", reason="r"), "target"),
    (dict(scope="account", reason="r"), "target"),
    (dict(scope="broker"), "reason"),
    (dict(scope="broker", reason="two\nlines"), "reason"),
    (dict(scope="broker", reason="x" * 200), "reason"),
])
def test_a_freeze_says_what_is_wrong_with_it(broker, parameters, field):
    error = broker.admin.fails("Admin.Freeze", **parameters)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", field)


@pytest.mark.parametrize("scope, target", [("provider", "nobody"), ("account", "nobody"), ("link", "link_nonsense"),
                                           ("link", "link_" + "a" * 52)])
def test_what_is_not_there_cannot_be_frozen(broker, scope, target):
    error = broker.admin.fails("Admin.Freeze", scope=scope, target=target, reason="r")
    assert (error.name, error.parameters) == ("NotFound", {"what": scope})


def test_an_id_of_the_brokers_own_record_is_nothing(broker, shop):
    """The zero key is not an account's: such ids once ended the engine."""
    for method, kind, member in [("Links.Get", "link_", "link"), ("Sessions.Close", "sess_", "session"),
                                 ("StepUp.Get", "chal_", "challenge"), ("Payments.Release", "hold_", "hold")]:
        assert shop.fails(method, **{member: kind + "a" * 52}).name == "NotFound"
    assert shop.call("Whoami")["service"] == "checkout"


def test_limits_bind_at_every_level(broker, person):
    person.spend(person.session())
    for scope, target in [("account", person.account), ("link", person.link_id), ("provider", "sandbox")]:
        def limit(amount, scope=scope, target=target):
            return broker.admin.call("Admin.SetLimit", scope=scope, target=target,
                                     limits={"currency": "CNY", "per_payment": amount})
        limit("5.00")
        assert reason_of(person.authorize(person.session(), payment(person))) == ("deny", "limit_payment")
        limit("999.00")
        assert person.authorize(person.session(), payment(person))["outcome"] == "step_up"


def test_a_limit_that_is_not_named_stays(broker, person):
    def limit(**limits):
        broker.admin.call("Admin.SetLimit", scope="account", target=person.account,
                          limits={"currency": "CNY", **limits})
    limit(per_payment="5.00", count_day=3)
    limit(per_day="50.00")
    shown = broker.admin.call("Admin.Account", account=person.account)["account"]["limits"]
    assert shown == [{"currency": "CNY", "author": "admin", "per_payment": "5.00", "per_day": "50.00",
                      "count_day": 3}]


@pytest.mark.parametrize("limits, field", [
    ({"currency": "XXX"}, "limits.currency"), ({"currency": "CNY", "per_day": "1.001"}, "limits.per_day"),
    ({"currency": "CNY", "per_payment": 5}, "per_payment"), ({"currency": "CNY", "count_day": -1}, "count_day"),
    ({"per_day": "1"}, "currency"),
])
def test_a_limit_says_what_is_wrong_with_it(broker, limits, field):
    error = broker.admin.fails("Admin.SetLimit", scope="provider", target="sandbox", limits=limits)
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", field)


def test_an_account_is_shown_with_what_it_holds_and_without_secrets(broker, person):
    held = person.spend(person.session())
    shown = broker.admin.call("Admin.Account", account=person.account)["account"]
    assert (shown["account"], shown["state"]) == (person.account, "open")
    assert [link["subject"] for link in shown["links"]] == [person.subject]
    assert [(f["kind"], f["label"], f["state"]) for f in shown["factors"]] == [("totp", "phone", "active")]
    assert [(p["id"], p["state"], p["basis"]) for p in shown["payments"]] == [
        (held["hold"]["id"], "open", "countersignature")]
    assert {"currency": "CNY", "day": "20.00", "month": "20.00"} in shown["spent"]
    assert "captured" not in shown["payments"][0]
    broker.service.call("Payments.Capture", hold=held["hold"]["id"], capture_id="c", amount="12.50")
    paid = broker.admin.call("Admin.Account", account=person.account)["account"]["payments"][0]
    assert (paid["state"], paid["amount"], paid["captured"]) == ("captured", "20.00", "12.50")
    secret = person.totp.secret
    assert secret.hex() not in str(shown) and str(secret) not in str(shown)


def test_link_and_factor_are_shown(broker, person):
    link = broker.admin.call("Admin.Link", link=person.link_id)["link"]
    assert (link["account"], link["provider"], link["state"], link["subject"]) == (
        person.account, "sandbox", "active", person.subject)
    factor = broker.admin.call("Admin.Factor", factor=person.totp.id)["factor"]
    assert (factor["account"], factor["kind"], factor["first"], factor["label"]) == (
        person.account, "totp", True, "phone")
    assert broker.admin.fails("Admin.Link", link=person.totp.id).parameters == {"what": "link"}
    assert broker.admin.fails("Admin.Factor", factor=person.totp.id[:-4] + "aaaa").parameters == {"what": "factor"}


def test_explain_says_what_authorize_will(broker, person):
    session, asked = person.session(), person.payment()

    def question(**rest):
        return broker.admin.call("Admin.Explain", account=person.account, service="checkout", payment=asked, **rest)
    before = question(session=session)
    answer = person.authorize(session, asked)
    assert reason_of(before) == reason_of(answer) == ("step_up", "countersignature_required")
    assert {"rule": "totp", "result": "usable", "why": "independent"} in before["steps"]
    person.confirm(answer["challenge"]["id"])
    assert reason_of(question(session=session)) == reason_of(person.authorize(session, asked)) == (
        "permit", "countersigned")


def test_explain_changes_nothing(broker, person):
    before = broker.admin.call("Admin.Account", account=person.account)
    for operation in ("spend", "link", "factor", "grant", "limit", "thaw", "recover", "view"):
        assert explain(broker, person, operation=operation)["outcome"] in ("permit", "step_up", "deny")
    assert broker.admin.call("Admin.Account", account=person.account) == before


def test_explain_supposes_a_session_where_there_is_none(broker, person):
    answer = explain(broker, person, link=person.link_id)
    assert answer["steps"][0]["result"] == "supposed"
    assert answer["outcome"] == "step_up", answer


def test_explain_names_the_rule_that_denies(broker, person):
    freeze(broker, "account", person.account)
    answer = explain(broker, person)
    denied = [step for step in answer["steps"] if step["result"] == "denied"]
    assert denied == [{"rule": "rule 2 account", "result": "denied", "why": "account_frozen", "pass": 1,
                       "words": "The account is frozen."}]
    assert answer["mend"] == ["The account is frozen."]
    thaw(broker, "account", person.account)


def test_explain_knows_no_other_accounts_session(broker, person):
    other = broker.person()
    assert broker.admin.fails("Admin.Explain", account=person.account, service="checkout", payment=person.payment(),
                              session=other.session()).parameters == {"what": "session"}


def test_reload_takes_a_good_configuration_and_keeps_the_old_for_a_bad_one(broker):
    path = broker.path("countersign.conf")
    before = broker.admin.call("Admin.Status")
    with open(path, encoding="utf-8") as f:
        good = f.read()
    try:
        with open(path, "a", encoding="utf-8") as f:
            f.write("bogus 1\n")
        error = broker.admin.fails("Admin.Reload")
        assert error.name == "Conflict" and "bogus" in error.parameters["what"]
        assert broker.admin.call("Admin.Status")["generation"] == before["generation"]
        with open(path, "w", encoding="utf-8") as f:
            f.write(good.replace("per-payment 1000", "per-payment 900"))
        generation = broker.admin.call("Admin.Reload")["generation"]
        after = broker.admin.call("Admin.Status")
        assert after["generation"] == generation > before["generation"] and after["policy"] != before["policy"]
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(good)
        broker.admin.call("Admin.Reload")


@pytest.mark.parametrize("method", ["Status", "Providers", "Reload", "Events"])
def test_services_and_the_gateway_are_no_admins(broker, shop, market, method):
    assert shop.fails("Admin." + method).name == "NotPermitted"
    assert broker.gateway().fails("Admin." + method).name == "NotPermitted"
    with pytest.raises(Exception):
        market.call("Admin." + method)


def test_the_admin_socket_is_its_owners_alone(broker):
    assert os.stat(broker.path("admin.sock")).st_mode & 0o777 == 0o600
