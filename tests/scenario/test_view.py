# SPDX-License-Identifier: Apache-2.0
"""The owner's page of linked IDs, as the gateway asks the engine for it: who may open it, what it shows, what it does."""
import time

import pytest

from harness import RETURN_URL, VarlinkError

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
BROKER = {"rights": {"market": "lookup spend"}}


@pytest.fixture
def gateway(broker):
    return broker.gateway()


def until(person, ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((person.broker.clock.now_ms() + ms) / 1000))


def token_of(answer):
    return answer["challenge"]["url"].rpartition("/")[2]


class View:
    """A page that was opened, in its browser."""

    def __init__(self, gateway, token, cookie):
        self.gateway, self.token, self.cookie = gateway, token, cookie

    def call(self, method, **parameters):
        return self.gateway.call("Internal.View" + method, token=self.token, cookie=self.cookie, **parameters)

    def fails(self, method, **parameters):
        with pytest.raises(VarlinkError) as raised:
            self.call(method, **parameters)
        return raised.value

    def get(self):
        shown = self.call("Get")
        assert shown["state"] == "open"
        return shown

    def link(self):
        return self.get()["links"][0]

    def spent(self, currency="CNY"):
        return next(s for s in self.link()["spent"] if s["currency"] == currency)


def bind(gateway, person):
    """Accounts.View, and its step-up page opened in a browser."""
    asked = person.service.call("Accounts.View", account=person.account, return_url=RETURN_URL)
    assert (asked["outcome"], asked["reason"]) == ("step_up", "countersignature_required")
    token = token_of(asked)
    shown = gateway.call("Internal.PageOpen", token=token)
    assert shown["card"]["what"] == "view" and "provider" not in shown["card"]
    return View(gateway, token, shown["cookie"]), shown


def confirm(gateway, token, cookie, totp):
    step = next(s for s in gateway.call("Internal.PageOpen", token=token, cookie=cookie)["steps"] if s["kind"] == "totp")
    return gateway.call("Internal.PageRespond", token=token, cookie=cookie,
                        answers=[{"step": step["id"], "value": totp.code()}])


def open_view(gateway, person):
    view, _ = bind(gateway, person)
    done = confirm(gateway, view.token, view.cookie, person.totp)
    assert (done["state"], done["next"]) == ("done", "view")
    return view


@pytest.fixture
def owner(person):
    """An account whose ID is linked and has spent 20.00 CNY."""
    person.paid = person.session()
    person.spend(person.paid)
    return person


@pytest.fixture
def view(gateway, owner):
    opened = open_view(gateway, owner)
    opened.get()
    return opened


def events_of(broker, person):
    return [e["type"] for e in broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"]]


def heard(person):
    """All that the account's service hears, page by page."""
    after, events = 0, []
    while True:
        page = person.service.call("Events.Watch", after=after, limit=1000)
        events += page["events"]
        if page["next"] == after:
            return events
        after = page["next"]


# --- who may open it ---

def test_it_opens_with_the_countersignature_alone(gateway, owner, broker):
    view, _ = bind(gateway, owner)
    assert view.fails("Get").parameters["what"] == "countersignature"
    confirm(gateway, view.token, view.cookie, owner.totp)
    shown = view.get()
    assert shown["service"] == "checkout" and shown["return_url"] == RETURN_URL
    assert events_of(broker, owner)[-1] == "view_opened"
    assert owner.account not in str(shown)


def test_one_countersignature_opens_one_page(gateway, owner, broker):
    view = open_view(gateway, owner)
    view.get()
    view.get()
    assert events_of(broker, owner).count("view_opened") == 1
    again = owner.service.call("Accounts.View", account=owner.account)
    assert again["outcome"] == "step_up"


def test_another_browser_is_refused(gateway, owner):
    view = open_view(gateway, owner)
    view.get()
    other, _ = bind(gateway, owner)
    thief = View(gateway, view.token, other.cookie)
    for cookie in (other.cookie, "", "x"):
        assert View(gateway, view.token, cookie).fails("Get").parameters["right"] == "browser"
    for method, parameters in (("History", {}), ("Unlink", {"link": owner.link_id}), ("Close", {})):
        assert thief.fails(method, **parameters).parameters["what"] == "page"
    assert view.link()["state"] == "active"


def test_it_ends_after_ten_quiet_minutes(gateway, owner, broker):
    view = open_view(gateway, owner)
    view.get()
    broker.clock.advance(9 * MINUTE)
    view.get()
    broker.clock.advance(10 * MINUTE + 1000)
    assert View(broker.gateway(), view.token, view.cookie).fails("Get").parameters["what"] == "view"


def test_it_ends_after_half_an_hour(gateway, owner, broker):
    view = open_view(gateway, owner)
    view.get()
    for _ in range(3):
        broker.clock.advance(9 * MINUTE)
        view = View(broker.gateway(), view.token, view.cookie)
        view.get()
    broker.clock.advance(4 * MINUTE)
    assert View(broker.gateway(), view.token, view.cookie).fails("Get").parameters["what"] == "view"


def test_it_is_closed(view, gateway):
    view.get()
    view.call("Close")
    assert view.fails("Get").parameters["what"] == "view"
    assert view.fails("Limit", currency="CNY", per_day="1").parameters["what"] == "view"


def test_not_me_of_the_account_ends_it(view, owner):
    view.get()
    owner.service.call("Accounts.ReportNotMe", account=owner.account)
    assert view.fails("Get").parameters["what"] == "view"


def test_an_admins_freeze_ends_it_and_keeps_it_shut(view, owner, broker, gateway):
    view.get()
    broker.admin.call("Admin.Freeze", scope="account", target=owner.account, reason="looked into")
    assert view.fails("Get").parameters["what"] == "view"
    asked = owner.service.call("Accounts.View", account=owner.account)
    assert (asked["outcome"], asked["reason"]) == ("deny", "account_frozen")


def test_what_is_no_view_opens_none(gateway, owner):
    asked = owner.authorize(owner.paid, owner.payment())
    token = token_of(asked)
    cookie = gateway.call("Internal.PageOpen", token=token)["cookie"]
    done = confirm(gateway, token, cookie, owner.totp)
    assert done["state"] == "done" and "next" not in done
    assert View(gateway, token, cookie).fails("Get").parameters["what"] == "page"


def test_a_service_needs_the_right(owner, broker):
    market = broker.as_service("market")
    assert market.fails("Accounts.View", account=owner.account).parameters["right"] == "link"


def test_the_return_url_is_one_of_the_services(owner):
    error = owner.service.fails("Accounts.View", account=owner.account, return_url="https://elsewhere.test/")
    assert error.parameters["field"] == "return_url"


# --- what it shows ---

def test_what_was_spent_and_may_be(view, owner):
    spent = view.spent()
    assert (spent["today"], spent["month"]) == ("20.00", "20.00")
    assert spent["days"].split(",")[-1] == "2000" and set(spent["days"].split(",")[:-1]) == {"0"}
    assert "per_day" not in spent["own"]
    assert view.get()["chart_from"] == 0


def test_days_follow_what_became_of_payments(view, owner, broker):
    kept = owner.spend(owner.paid, "30.00")["hold"]["id"]
    back = owner.spend(owner.paid, "40.00")["hold"]["id"]
    owner.service.call("Payments.Capture", hold=kept, capture_id="c", amount="25.00")
    owner.service.call("Payments.Release", hold=back)
    assert view.spent()["days"].split(",")[-1] == "4500"


def test_a_busy_account_is_read_in_steps(view, owner):
    for _ in range(300):
        assert owner.authorize(owner.paid, owner.payment("1000.01"))["reason"] == "limit_payment"
    assert view.call("Get")["state"] == "reading"
    assert view.spent()["days"].split(",")[-1] == "2000"


def test_holds_and_allowances_are_listed(view, owner):
    hold, = view.link()["holds"]
    assert (hold["amount"], hold["payee"], hold["service"]) == ("20.00", "Corner Shop", "checkout")


# --- what it does ---

def test_a_limit_is_lowered_at_once(view, owner):
    assert view.call("Limit", link=owner.link_id, currency="CNY", per_day="25.00")["outcome"] == "permit"
    assert view.get()["news"]["kind"] == "lowered"
    assert view.spent()["own"]["per_day"] == "25.00"
    denied = owner.authorize(owner.paid, owner.payment("10.00"))
    assert (denied["outcome"], denied["reason"]) == ("deny", "limit_day")


def test_the_same_limit_twice_is_one(view, owner, broker):
    for _ in range(2):
        view.call("Limit", link=owner.link_id, currency="CNY", per_day="25.00")
    assert view.get()["news"]["kind"] == "unchanged"
    assert events_of(broker, owner).count("limit_set") == 1


def test_a_raise_waits_for_its_own_countersignature(view, owner, gateway):
    view.call("Limit", link=owner.link_id, currency="CNY", per_day="25.00")
    asked = view.call("Limit", link=owner.link_id, currency="CNY", per_day="500.00")
    assert asked["outcome"] == "step_up"
    assert view.spent()["own"]["per_day"] == "25.00"
    done = confirm(gateway, asked["page"], view.cookie, owner.totp)
    assert done["state"] == "done" and done["return_url"].endswith("/l/" + view.token)
    assert view.get()["news"]["kind"] == "raised"
    assert view.spent()["own"]["per_day"] == "500.00"


def test_what_is_lowered_beside_a_raise_is_lowered_at_once(view, owner):
    view.call("Limit", link=owner.link_id, currency="CNY", per_payment="50", per_day="100")
    asked = view.call("Limit", link=owner.link_id, currency="CNY", per_payment="10", per_day="200")
    assert asked["outcome"] == "step_up"
    own = view.spent()["own"]
    assert (own["per_payment"], own["per_day"]) == ("10.00", "100.00")


def test_no_limit_of_ones_own_is_a_raise(view, owner):
    view.call("Limit", link=owner.link_id, currency="CNY", per_day="25.00")
    assert view.call("Limit", link=owner.link_id, currency="CNY")["outcome"] == "step_up"


def test_the_raises_page_belongs_to_this_browser(view, owner, gateway):
    view.call("Limit", link=owner.link_id, currency="CNY", per_day="25.00")
    asked = view.call("Limit", link=owner.link_id, currency="CNY", per_day="500.00")
    with pytest.raises(VarlinkError):
        gateway.call("Internal.PageOpen", token=asked["page"])


def test_an_unlinked_id_spends_no_more(view, owner):
    view.call("Unlink", link=owner.link_id)
    shown = view.get()
    assert shown["links"] == [] and shown["news"]["kind"] == "unlinked"
    assert owner.authorize(owner.paid, owner.payment())["outcome"] == "deny"
    view.call("Unlink", link=owner.link_id)


def test_not_me_stops_the_link_and_says_what(view, owner, broker):
    view.get()
    view.call("NotMe", link=owner.link_id)
    link = view.link()
    assert link["frozen"] == "user"
    assert link["stopped"]["holds"] == 1 and link["stopped"]["sums"] == [{"amount": "20.00", "currency": "CNY"}]
    assert owner.authorize(owner.paid, owner.payment())["outcome"] == "deny"
    assert [e["type"] for e in heard(owner) if e["type"] == "not_me" and e["account"] == owner.account] == ["not_me"]


def test_not_me_twice_is_one(view, owner, broker):
    view.call("NotMe", link=owner.link_id)
    view.call("NotMe", link=owner.link_id)
    assert view.link()["stopped"]["holds"] == 1
    assert events_of(broker, owner).count("not_me") == 1
    assert "days" not in view.spent()


def test_what_was_stopped_comes_back_with_a_factor(view, owner, gateway):
    view.call("NotMe", link=owner.link_id)
    asked = view.call("Resume", link=owner.link_id)
    assert asked["outcome"] == "step_up" and view.link()["frozen"] == "user"
    confirm(gateway, asked["page"], view.cookie, owner.totp)
    shown = view.get()
    assert shown["news"]["kind"] == "resumed" and "frozen" not in shown["links"][0]
    assert owner.authorize(owner.session(), owner.payment())["outcome"] == "step_up"


def test_an_account_that_its_owner_froze_comes_back_too(owner, gateway):
    owner.service.call("Accounts.ReportNotMe", account=owner.account)
    view = open_view(gateway, owner)
    assert view.get()["frozen"] == "user"
    asked = view.call("Resume")
    confirm(gateway, asked["page"], view.cookie, owner.totp)
    shown = view.get()
    assert "frozen" not in shown and shown["news"]["kind"] == "resumed"


def test_an_allowance_is_revoked(view, owner, gateway):
    granted = owner.service.call("Allowances.Grant", session=owner.paid, kind="allowance", currency="CNY", per_payment="10",
                                 per_day="20", total="50", payee="*", expires_at=until(owner, DAY))
    owner.confirm(granted["challenge"]["id"])
    allowance, = view.link()["allowances"]
    assert allowance["any_payee"] and allowance["left"] == "50.00"
    view.call("Revoke", allowance=allowance["id"])
    assert view.link()["allowances"] == []
    assert owner.authorize(owner.paid, owner.payment("5.00"))["outcome"] == "step_up"


def test_another_accounts_link_is_not_there(view, broker):
    other = broker.person()
    assert view.fails("NotMe", link=other.link_id).parameters["what"] == "link"
    assert view.fails("Unlink", link="link_aaaa").name == "NotFound"


def test_history_is_for_people_and_newest_first(view, owner):
    view.get()
    view.call("Limit", link=owner.link_id, currency="CNY", per_day="25.00")
    owner.authorize(owner.paid, owner.payment("900.00", name='<script>alert("x")</script>'))
    entries = view.call("History")["entries"]
    kinds = [e["kind"] for e in entries]
    assert kinds[:3] == ["payment_denied", "limit_set", "viewed"] and "payment" in kinds and "linked" in kinds
    paid = next(e for e in entries if e["kind"] == "payment")
    assert (paid["amount"], paid["currency"], paid["payee"], paid["state"]) == ("20.00", "CNY", "Corner Shop", "held")
    assert entries[0]["payee"] == '<script>alert("x")</script>'


def test_history_comes_in_pages(view, owner):
    for _ in range(30):
        view.call("Limit", link=owner.link_id, currency="CNY", per_day=f"{100 - _}.00")
    first = view.call("History")
    assert len(first["entries"]) == 25
    second = view.call("History", before=first["next"])
    assert second["entries"] and second["entries"][0]["at"] <= first["entries"][-1]["at"]
    everything = first["entries"] + second["entries"]
    assert sum(e["kind"] == "limit_set" for e in everything) == 30
    assert view.call("History", before=2 ** 40)["entries"] == []
