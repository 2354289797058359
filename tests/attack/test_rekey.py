# SPDX-License-Identifier: Apache-2.0
"""
Attacks on names that change: a subject that is moved to another, taken over, or given to somebody else; a provider that
becomes another one; a number that changes hands. The provider `moved` says of a person what it was told to: ID tokens are
"SUBJECT|WAS|EVIDENCE|...".
"""
import datetime

import pytest

from harness import DAY_MS, HOUR_MS, STACK, Person

BROKER = {
    "clients": ["moved", "asked"],
    "stack": STACK.replace("link    requisite   provider    sandbox", "link    requisite   provider    sandbox moved asked"),
    "rights": {"market": "spend refund enrol respond lookup explain"},
    "extra": '''provider "moved" {
    plugin "misbehave"
    servers 2 deadline 5s queue 8
    cooling-off 1h
    syncs-secrets no
    set issuer "https://moved.test"
}
provider "asked" {
    plugin "misbehave"
    servers 1 deadline 5s queue 8
    cooling-off 0
    syncs-secrets no
    set issuer "https://asked.test"
}''',
}


def at(broker, ms=0):
    """A time of the broker's clock, from now."""
    then = datetime.datetime.fromtimestamp((broker.clock.now_ms() + ms) / 1000, datetime.timezone.utc)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


class Moved(Person):
    """Whose ID is at one of those providers; `was` and evidence come with what is signed in with."""

    provider = "moved"

    def token(self, subject=None, was="", evidence=()):
        return "|".join([subject or self.subject, was, *evidence]).rstrip("|")

    def propose(self, subject=None, service=None, **said):
        begun = self.service.call("Links.Begin", account=self.account, provider=self.provider, native=True)
        return self.service.call("Links.Complete", sign_in=begun["sign_in"], id_token=self.token(subject, **said))

    def open(self, subject=None, service=None, **said):
        return self.service.call("Sessions.Open", **self.signing_in(subject, **said))

    def signing_in(self, subject=None, **said):
        begun = self.service.call("Sessions.Begin", provider=self.provider)
        return {"sign_in": begun["sign_in"], "id_token": self.token(subject, **said)}

    def shown(self):
        return self.broker.admin.call("Admin.Link", link=self.link_id)["link"]


@pytest.fixture
def owner(broker):
    """Linked, and past the cooling-off, in the morning: some tests let hours pass and then ask for the day's sums."""
    broker.clock.morning()
    owner = Moved(broker)
    owner.enrol()
    owner.link()
    broker.clock.advance(HOUR_MS)
    return owner


@pytest.fixture
def window(broker):
    """Sign-ins may move links of `moved`, until the test is over."""
    broker.admin.call("Admin.RekeyLinks", provider="moved", reason="a new app", until=at(broker, 30 * DAY_MS))
    yield
    broker.admin.call("Admin.RekeyLinks", provider="moved", reason="done")


def stranger_to(broker, subject):
    """Nobody is linked by that name."""
    return Moved(broker).service.fails("Sessions.Open", **Moved(broker).signing_in(subject)).name == "NotFound"


# --- L11 ---

def test_L11_outside_of_a_window_nothing_moves(broker, owner, log):
    opened = owner.open("new-" + owner.subject, was=owner.subject)
    assert (opened["outcome"], opened["reason"]) == ("deny", "rekey_closed")
    log.denied(owner.account, "rekey_closed")
    assert owner.shown()["subject"] == owner.subject
    assert stranger_to(broker, "new-" + owner.subject)
    assert owner.open()["outcome"] == "permit"


def test_L11_a_window_is_its_providers_and_ends(broker, owner, log):
    broker.admin.call("Admin.RekeyLinks", provider="asked", reason="the other one", until=at(broker, DAY_MS))
    assert owner.open("new-" + owner.subject, was=owner.subject)["reason"] == "rekey_closed"
    broker.admin.call("Admin.RekeyLinks", provider="moved", reason="an hour", until=at(broker, HOUR_MS))
    broker.clock.advance(HOUR_MS)
    assert owner.open("new-" + owner.subject, was=owner.subject)["reason"] == "rekey_closed"
    broker.admin.call("Admin.RekeyLinks", provider="asked", reason="done")
    told = [e["json"] for e in log.events(type="provider_window")]
    assert [e["words"] for e in told] == ["the other one", "an hour", "done"]


def test_L11_a_window_is_opened_by_admins_for_a_year_at_most(broker, market):
    for service in (broker.service, market):
        assert service.fails("Admin.RekeyLinks", provider="moved", reason="x", until=at(broker, DAY_MS)).name in (
            "MethodNotFound", "NotPermitted")
    for until in (at(broker, -DAY_MS), at(broker, 400 * DAY_MS), "tomorrow"):
        error = broker.admin.fails("Admin.RekeyLinks", provider="moved", reason="x", until=until)
        assert (error.name, error.parameters["field"]) == ("InvalidParameter", "until")
    assert broker.admin.fails("Admin.RekeyLinks", provider="nobody", reason="x").name == "NotFound"


def test_L11_what_moves_takes_its_counters_along_and_cools_off(broker, owner, window, log):
    old = owner.session()
    owner.spend(old, "700.00")
    opened = owner.open("new-" + owner.subject, was=owner.subject)
    assert (opened["outcome"], opened["link"]) == ("permit", owner.link_id)
    assert owner.authorize(old, owner.payment())["reason"] == "session_invalid"
    assert owner.authorize(opened["session"], owner.payment())["reason"] == "link_cooling_off"
    event, = log.events(owner.account, "link_rekeyed")
    assert (event["json"]["subject"], event["json"]["was_subject"]) == ("new-" + owner.subject, owner.subject)
    broker.clock.advance(HOUR_MS)
    shown = owner.shown()
    assert shown["subject"] == "new-" + owner.subject and shown["was_subject"] == owner.subject
    assert [s["day"] for s in shown["spent"] if "day" in s] == ["700.00"]
    # The name of before opens nothing any more; it is nobody's.
    assert stranger_to(broker, owner.subject)
    owner.spend(owner.session("new-" + owner.subject), "1.00")


def test_L11_a_link_that_is_made_anew_is_moved(broker, owner, window):
    """Who links under the new name is not two."""
    answer = owner.propose("new-" + owner.subject, was=owner.subject)
    assert (answer["outcome"], answer["reason"], answer["link"]["id"]) == ("permit", "rekeyed", owner.link_id)
    links = owner.service.call("Links.List", account=owner.account)["links"]
    assert [link["id"] for link in links] == [owner.link_id]


def test_L11_nobody_is_moved_onto_somebody_else(broker, owner, window, log):
    """The names of two accounts collide: nothing moves, whichever way it is asked."""
    other = Moved(broker)
    other.enrol()
    other.link()
    # Who has the new name signs in as that, whatever was before.
    opened = owner.open(other.subject, was=owner.subject)
    assert opened["account"] == other.account
    assert owner.shown()["subject"] == owner.subject
    # Nor is a new name linked to a second account.
    answer = other.propose("new-" + owner.subject, was=owner.subject)
    assert (answer["outcome"], answer["reason"]) == ("deny", "link_taken")
    log.denied(other.account, "link_taken")
    assert owner.shown()["subject"] == owner.subject


def test_L11_a_service_cannot_say_it(broker, owner, window):
    """What the service adds to the call is no proof."""
    begun = owner.service.call("Sessions.Begin", provider="moved")
    error = owner.service.fails("Sessions.Open", sign_in=begun["sign_in"], id_token="thief", was_subject=owner.subject)
    assert error.name in ("InvalidParameter", "NotFound")
    assert owner.shown()["subject"] == owner.subject


@pytest.mark.parametrize("narrow, reason", [("suspend", "link_suspended"), ("freeze", "account_frozen")])
def test_L11_what_is_stopped_is_not_moved_away(broker, owner, window, log, narrow, reason):
    if narrow == "suspend":
        owner.service.call("Links.Suspend", link=owner.link_id)
    else:
        broker.admin.call("Admin.Freeze", scope="account", target=owner.account, reason="theft")
    opened = owner.open("new-" + owner.subject, was=owner.subject)
    assert (opened["outcome"], opened["reason"]) == ("deny", reason)
    log.denied(owner.account, reason)
    assert owner.shown()["subject"] == owner.subject


def test_L11_it_is_taken_back(broker, owner, window, log):
    owner.spend(owner.session(), "30.00")
    assert owner.open("thiefs", was=owner.subject)["outcome"] == "permit"
    broker.service.call("Accounts.ReportNotMe", account=owner.account, link=owner.link_id)
    back = broker.admin.call("Admin.RekeyLink", link=owner.link_id, reason="a forged answer", undo=True)
    assert (back["outcome"], back["subject"]) == ("permit", owner.subject)
    shown = owner.shown()
    assert shown["subject"] == owner.subject and "was_subject" not in shown
    assert [s["day"] for s in shown["spent"] if "day" in s] == ["30.00"]
    event = log.last(owner.account, "link_rekeyed")
    assert "undone" in event["json"]["flags"] and event["json"]["words"] == "a forged answer"
    assert stranger_to(broker, "thiefs")
    assert broker.admin.fails("Admin.RekeyLink", link=owner.link_id, reason="again", undo=True).name == "Conflict"


@pytest.mark.parametrize("hand", [False, True])
def test_L11_moved_there_and_back_both_names_stay_the_accounts(broker, owner, window, hand):
    """Not by taking it back but by another move: the name of before is the link's again, and nobody else's."""
    new = "new-" + owner.subject
    assert owner.open(new, was=owner.subject)["outcome"] == "permit"
    if hand:
        moved = broker.admin.call("Admin.RekeyLink", link=owner.link_id, reason="the team came back", proof=owner.subject)
        assert (moved["outcome"], moved["subject"], moved["was_subject"]) == ("permit", owner.subject, new)
    else:
        assert owner.open(owner.subject, was=new)["outcome"] == "permit"
    assert owner.open(owner.subject)["account"] == owner.account
    thief = Moved(broker)
    thief.enrol()
    for name in (owner.subject, new):
        assert thief.propose(name)["reason"] == "link_taken"


def test_L11_across_a_crash_both_names_are_what_they_were(broker, owner, window):
    assert owner.open("new-" + owner.subject, was=owner.subject)["outcome"] == "permit"
    broker.kill()
    broker.start()
    owner.service = broker.service
    assert owner.open("new-" + owner.subject)["account"] == owner.account
    assert stranger_to(broker, owner.subject)
    thief = Moved(broker)
    thief.enrol()
    assert thief.propose(owner.subject)["reason"] == "link_taken"


class Asked(Moved):
    provider = "asked"


@pytest.fixture
def asked(broker):
    asked = Asked(broker)
    asked.enrol()
    asked.link()
    return asked


def test_L11_by_hand_the_provider_is_asked(broker, asked, log):
    new = "team-" + asked.subject
    moved = broker.admin.call("Admin.RekeyLink", link=asked.link_id, reason="the app went to another team", proof=new)
    assert (moved["outcome"], moved["subject"], moved["was_subject"]) == ("permit", new, asked.subject)
    assert log.last(asked.account, "link_rekeyed")["json"]["author"] == "admin"
    assert asked.open(new)["account"] == asked.account


@pytest.mark.parametrize("proof, error", [(None, "Conflict"), ("!refuse", "Conflict"), ("!lie_request", "Unavailable"),
                                          ("!crash", "Unavailable"), ("!fail", "Unavailable")])
def test_L11_by_hand_without_the_providers_word_nothing_moves(broker, asked, proof, error):
    assert broker.admin.fails("Admin.RekeyLink", link=asked.link_id, reason="x", proof=proof).name == error
    assert asked.shown()["subject"] == asked.subject


def test_L11_by_hand_nobody_is_taken_over(broker, asked, log):
    other = Asked(broker)
    other.enrol()
    other.link()
    answer = broker.admin.call("Admin.RekeyLink", link=asked.link_id, reason="x", proof=other.subject)
    assert (answer["outcome"], answer["reason"]) == ("deny", "link_taken")
    log.denied(asked.account, "link_taken")
    assert other.open()["account"] == other.account and asked.shown()["subject"] == asked.subject


def test_L11_a_plugin_that_cannot_ask_is_said_so(broker, person):
    error = broker.admin.fails("Admin.RekeyLink", link=person.link_id, reason="x")
    assert error.name == "Conflict" and "rekey-links" in error.parameters["what"]


# --- L10 ---

def test_L10_a_recycled_name_inherits_nothing(broker, owner, window, log):
    """The old name goes to somebody else, who has an account of their own here."""
    owner.spend(owner.session(), "30.00")
    assert owner.open("new-" + owner.subject, was=owner.subject)["outcome"] == "permit"
    assert stranger_to(broker, owner.subject)
    later = Moved(broker)
    later.enrol()
    # While the move can be taken back, the name is kept for that; afterwards it is a name like any other.
    assert later.propose(owner.subject)["reason"] == "link_taken"
    log.denied(later.account, "link_taken")
    owner.service.call("Links.Remove", link=owner.link_id)
    assert later.link(owner.subject)["account"] == later.account
    broker.clock.advance(HOUR_MS)
    shown = broker.admin.call("Admin.Link", link=later.link_id)["link"]
    assert shown["spent"] == [] and "was_subject" not in shown
    assert later.open(owner.subject)["account"] == later.account


def test_L10_evidence_passes_to_nobody(broker, owner):
    owner.service.call("Links.Attest", link=owner.link_id, kind="identity-document", verified_at=at(broker))
    owner.open(evidence=["phone 1731000000 +8613800000000"])
    assert len(owner.shown()["evidence"]) == 2
    owner.service.call("Links.Remove", link=owner.link_id)
    owner.link()
    assert "evidence" not in owner.shown()


# --- L14 ---

def test_L14_the_older_name_resets_no_limit(broker, owner, window, log):
    """Moved, unlinked, and linked again by the name before: it is the same person, with the same sums."""
    owner.service.call("Limits.Set", account=owner.account, link=owner.link_id, limits={"currency": "CNY", "per_day": "750.00"})
    owner.spend(owner.session(), "700.00")
    new = "new-" + owner.subject
    assert owner.open(new, was=owner.subject)["outcome"] == "permit"
    assert owner.propose(owner.subject)["reason"] == "link_taken"
    owner.service.call("Links.Remove", link=owner.link_id)
    owner.link(owner.subject)
    assert owner.shown()["state"] == "cooling_off"
    broker.clock.advance(HOUR_MS)
    answer = owner.authorize(owner.session(), owner.payment("60.00"))
    assert (answer["outcome"], answer["reason"]) == ("deny", "limit_day")
    log.denied(owner.account, "limit_day")


# --- L13 ---

PHONE = "phone {} +86138{:08}"


def phone(broker, number, ago_ms=0):
    return PHONE.format((broker.clock.now_ms() - ago_ms) // 1000, number)


@pytest.fixture
def asking(broker):
    """Spending asks for a phone number that somebody vouches for."""
    path = broker.path("services/checkout")
    with open(path, encoding="utf-8") as f:
        kept = f.read()
    line = "spend   requisite   assurance   phone max-age=30d source=moved,market\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(kept.replace("spend   sufficient  allowance\n", line + "spend   sufficient  allowance\n"))
    broker.admin.call("Admin.Reload")
    yield
    with open(path, "w", encoding="utf-8") as f:
        f.write(kept)
    broker.admin.call("Admin.Reload")


def test_L13_a_number_that_changes_stops_spending(broker, owner, asking, log):
    answer = owner.authorize(owner.session(), owner.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "assurance_missing")
    opened = owner.open(evidence=[phone(broker, 1)])
    owner.spend(opened["session"], "5.00")
    # The thief has had the number of the stolen ID changed, and the provider has verified that.
    broker.clock.advance(1000)
    opened = owner.open(evidence=[phone(broker, 2)])
    answer = owner.authorize(opened["session"], owner.payment())
    assert (answer["outcome"], answer["reason"]) == ("deny", "assurance_lowered")
    log.denied(owner.account, "assurance_lowered")
    event = log.last(owner.account, "link_attested")
    assert "lowered" in event["json"]["flags"] and event["json"]["by"] == "moved"
    # Nor does saying it again help, before the cooling-off is over or without a new look.
    broker.clock.advance(1000)
    opened = owner.open(evidence=[phone(broker, 2)])
    assert owner.authorize(opened["session"], owner.payment())["reason"] == "assurance_lowered"
    broker.clock.advance(HOUR_MS)
    opened = owner.open(evidence=[phone(broker, 2, ago_ms=2 * HOUR_MS)])
    assert owner.authorize(opened["session"], owner.payment())["reason"] == "assurance_lowered"
    opened = owner.open(evidence=[phone(broker, 2)])
    owner.spend(opened["session"], "5.00")


def test_L13_a_change_is_told_of_what_others_vouched_for(broker, owner, asking):
    opened = owner.open(evidence=[phone(broker, 1)])
    owner.service.call("Links.Attest", link=owner.link_id, kind="phone", verified_at=at(broker), value="+8613800000001",
                       source="the telephone company")
    broker.clock.advance(1000)
    owner.open(evidence=[phone(broker, 2)])
    evidence = owner.shown()["evidence"]
    assert {(e.get("service"), e.get("provider"), e["state"]) for e in evidence} == {
        ("checkout", None, "lowered"), (None, "moved", "lowered")}
    assert [e["source"] for e in evidence if "source" in e] == ["the telephone company"]
    assert owner.authorize(opened["session"], owner.payment())["reason"] == "assurance_lowered"


def test_L13_old_evidence_and_another_source_do_not_count(broker, owner, asking):
    opened = owner.open(evidence=[phone(broker, 1, ago_ms=31 * DAY_MS)])
    assert owner.authorize(opened["session"], owner.payment())["reason"] == "assurance_lowered"
    other = Moved(broker)
    other.enrol()
    other.link()
    broker.clock.advance(HOUR_MS)
    other.service.call("Links.Attest", link=other.link_id, kind="phone", verified_at=at(broker), value="+8613800000001")
    assert other.authorize(other.session(), other.payment())["reason"] == "assurance_missing"


def test_L13_only_who_may_link_attests(broker, owner, market):
    error = market.fails("Links.Attest", link=owner.link_id, kind="phone", verified_at=at(broker))
    assert (error.name, error.parameters["right"]) == ("NotPermitted", "link")
    for wrong in ({"kind": "Phone"}, {"kind": "a b"}, {"verified_at": "yesterday"}):
        asked = {"link": owner.link_id, "kind": "phone", "verified_at": at(broker), **wrong}
        assert owner.service.fails("Links.Attest", **asked).parameters["field"] in wrong
    shown = owner.service.call("Links.Attest", link=owner.link_id, kind="phone", verified_at=at(broker), value="+86138")
    assert shown["link"]["evidence"][0]["state"] == "stands" and "+86138" not in str(shown)
    entry, = owner.service.call("Lookup.ByAccount", account=owner.account)["entries"]
    assert entry["evidence"] == shown["link"]["evidence"]


# --- L15: at the end, since it starts the broker anew ---

def rewrite(broker, *changes):
    path = broker.path("countersign.conf")
    broker.halt()
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    broker.start()


def test_L15_another_provider_is_accepted_and_inherits_nobody(broker, owner, log):
    """A new issuer under the old name: shut until an admin says so; then the same subject there is somebody else."""
    old, new = 'set issuer "https://moved.test"', 'set issuer "https://another.test"'
    session = owner.session()
    assert broker.admin.fails("Admin.RekeyProvider", provider="moved", reason="x").name == "Conflict"
    rewrite(broker, (old, new))
    try:
        owner.service = broker.service
        assert owner.authorize(session, owner.payment())["reason"] == "provider_changed"
        assert broker.service.fails("Admin.RekeyProvider", provider="moved", reason="x").name in ("MethodNotFound",
                                                                                                   "NotPermitted")
        done = broker.admin.call("Admin.RekeyProvider", provider="moved", reason="we moved house")
        assert done["matches"]
        event, = log.events(type="provider_rekeyed")
        assert (event["json"]["pin"], event["json"]["was_pin"], event["json"]["words"]) == (
            done["pin"], done["was_pin"], "we moved house")
        # Sessions of before are over, and the subject of that name is another one.
        assert owner.authorize(session, owner.payment())["reason"] == "session_revoked"
        assert owner.service.fails("Sessions.Open", **owner.signing_in()).name == "NotFound"
        assert owner.shown()["issuer_now"] == "https://another.test"
        back = broker.admin.call("Admin.RekeyProvider", provider="moved", reason="a mistake", undo=True)
        assert back["pin"] == done["was_pin"] and not back["matches"]
        assert broker.admin.fails("Admin.RekeyProvider", provider="moved", reason="x", undo=True).name == "Conflict"
        provider = next(p for p in broker.admin.call("Admin.Providers")["providers"] if p["name"] == "moved")
        assert provider["state"] == "changed"
    finally:
        rewrite(broker, (new, old))
    owner.service = broker.service
    owner.spend(owner.session(), "1.00")
