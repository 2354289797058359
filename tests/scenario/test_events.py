# SPDX-License-Identifier: Apache-2.0
"""Events: the audit log for admins, and what a service hears."""
import itertools

SECOND = 1000


def rows(broker, **parameters):
    """All of the log, page after page."""
    after, found = parameters.pop("after", 0), []
    while True:
        page = broker.admin.call("Admin.Events", after=after, **parameters)
        if page["next"] == after:
            return found
        found += page["events"]
        after = page["next"]


def newest(broker):
    return max((row["seq"] for row in rows(broker)), default=0)


def of_type(events, kind):
    return [event for event in events if event["type"] == kind]


def test_a_permit_shows_on_what_it_rests(broker, person):
    session, asked = person.session(), person.payment("20.00")
    challenge = person.authorize(session, asked, context={"ip": "192.0.2.9", "device": "till 4"})["challenge"]["id"]
    person.confirm(challenge)
    hold = person.authorize(session, asked, context={"ip": "192.0.2.9"})["hold"]["id"]
    permit = of_type(rows(broker, account=person.account), "payment_permitted")[-1]
    assert (permit["outcome"], permit["reason"], permit["service"]) == ("permit", "countersigned", "checkout")
    evidence = permit["json"]
    assert (evidence["basis"], evidence["challenge"], evidence["hold"], evidence["session"]) == (
        "countersignature", challenge, hold, session)
    assert [factor["kind"] for factor in evidence["factors"]] == ["totp"]
    assert (evidence["amount"], evidence["currency"], evidence["provider"]) == ("20.00", "CNY", "sandbox")
    assert (evidence["seen_day"], evidence["seen_month"], evidence["seen_count"]) == ("0.00", "0.00", 0)
    assert evidence["policy"] == broker.admin.call("Admin.Status")["policy"]
    assert (evidence["account"], evidence["payment"], evidence["payee"], evidence["ip"]) == (
        person.account, asked["id"], "m-7", "192.0.2.9")


def test_a_session_shows_its_times_by_their_names(broker, person):
    person.session()
    opened = of_type(rows(broker, account=person.account), "session_opened")[-1]
    assert "usable_at" not in opened["json"] and opened["json"]["idle_before"] < opened["time"]
    assert opened["time"] < opened["json"]["expires_at"]


def test_the_next_permit_shows_the_counters_it_saw(broker, person):
    person.spend(person.session(), "20.00")
    person.spend(person.session(), "7.50")
    permits = of_type(rows(broker, account=person.account), "payment_permitted")
    assert (permits[1]["json"]["seen_day"], permits[1]["json"]["seen_count"]) == ("20.00", 1)


def test_a_denial_is_in_the_log_with_its_reason(broker, person):
    answer = person.authorize(person.session(), person.payment("900000.00"))
    assert answer["outcome"] == "deny"
    denied = of_type(rows(broker, account=person.account), "denied")[-1]
    assert (denied["outcome"], denied["reason"]) == ("deny", answer["reason"])
    assert denied["json"]["amount"] == "900000.00"


def test_an_accounts_events_are_a_chain_without_gaps(broker, person):
    person.spend(person.session())
    mine = rows(broker, account=person.account)
    assert [row["revision"] for row in mine] == list(range(1, len(mine) + 1))
    assert mine[0]["json"]["prev"] == "0" * 64
    assert len({row["json"]["prev"] for row in mine}) == len(mine) == len({row["id"] for row in mine})


def test_pages_of_one_are_the_same_events(broker, person):
    assert rows(broker, account=person.account, limit=1) == rows(broker, account=person.account)
    seqs = [row["seq"] for row in rows(broker, limit=7)]
    assert seqs == sorted(set(seqs)) == [row["seq"] for row in rows(broker)]


def test_without_follow_a_stream_ends(broker, person):
    pages = list(broker.connect("admin.sock").watch("Admin.Events", account=person.account, limit=2))
    assert [e for page in pages for e in page["events"]] == rows(broker, account=person.account)


def test_follow_hears_what_happens_and_nothing_twice(broker, person):
    after = newest(broker)
    stream = broker.connect("admin.sock").watch("Admin.Events", after=after, follow=True)
    broker.admin.call("Admin.Freeze", scope="account", target=person.account, reason="stolen card")
    broker.admin.call("Admin.Thaw", scope="account", target=person.account, reason="found again")
    heard = []
    while len(heard) < 2:
        heard += next(stream)["events"]
    assert [(e["type"], e["json"]["words"], e["json"]["author"]) for e in heard] == [
        ("frozen", "stolen card", "admin"), ("thawed", "found again", "admin")]
    assert [e["seq"] for e in heard] == sorted({e["seq"] for e in heard}) and heard[0]["seq"] > after


def test_follow_needs_a_call_with_more(broker):
    assert broker.admin.fails("Admin.Events", follow=True).parameters["field"] == "follow"


def test_texts_of_the_log_are_not_in_the_store_in_the_clear(broker, person):
    asked = person.payment(name="Zanzibar Unguja Spices")
    person.authorize(person.session(), asked)
    assert any(row["json"].get("payee_name") == "Zanzibar Unguja Spices"
               for row in rows(broker, account=person.account))
    for suffix in ("", "-wal"):
        with open(broker.path("state/countersign.db" + suffix), "rb") as f:
            assert b"Zanzibar Unguja" not in f.read()


def test_a_service_hears_its_own_and_resumes(broker, shop, person):
    after = newest(broker)
    person.spend(person.session(), capture=True)
    page = shop.call("Events.Watch", after=after)
    heard = [(e["type"], e.get("state")) for e in page["events"]]
    assert ("payment_permitted", "captured") in heard and ("challenge_opened", "open") in heard
    assert {e["account"] for e in page["events"]} == {person.account}
    assert shop.call("Events.Watch", after=page["next"])["events"] == []
    again = list(itertools.chain.from_iterable(
        shop.call("Events.Watch", after=e["seq"] - 1, limit=1)["events"] for e in page["events"]))
    assert again == page["events"]


def test_another_services_payments_are_not_heard(broker, market, person):
    after = newest(broker)
    person.spend(person.session())
    assert of_type(market.call("Events.Watch", after=after)["events"], "payment_permitted") == []
    assert of_type(market.call("Events.Watch", after=after)["events"], "challenge_opened") == []


def test_a_service_hears_freezes(broker, shop, person):
    stream = broker.connect().watch("Events.Watch", after=newest(broker))
    broker.admin.call("Admin.Freeze", scope="link", target=person.link_id, reason="phished")
    heard = next(stream)["events"]
    assert [(e["type"], e["account"], e["link"]) for e in heard] == [("frozen", person.account, person.link_id)]
    assert "phished" not in str(heard), "an admin's words are the admins'"
    broker.admin.call("Admin.Freeze", scope="provider", target="sandbox", reason="leak")
    try:
        assert [(e["type"], e["provider"]) for e in next(stream)["events"]] == [("provider_frozen", "sandbox")]
    finally:
        broker.admin.call("Admin.Thaw", scope="provider", target="sandbox", reason="over")


def test_guesses_are_counted_in_one_event_a_second(broker, shop, person):
    after = newest(broker)
    stream = broker.connect("admin.sock").watch("Admin.Events", after=after, follow=True)
    for _ in range(200):
        assert shop.fails("Payments.Authorize", session="sess_guess", payment=person.payment()).name == "NotFound"
    counted = []
    while sum(e["json"]["count"] for e in counted) < 200:
        counted += of_type(next(stream)["events"], "strangers_denied")
        broker.clock.advance(SECOND)
    assert sum(e["json"]["count"] for e in counted) == 200 and len(counted) < 10
    assert all(e["service"] == "checkout" and "session" in e["json"]["words"] for e in counted)
