# SPDX-License-Identifier: Apache-2.0
"""countersignctl replay: the past under another policy, from the daemon and from its file."""
import datetime
import html.parser
import json
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from harness import BUILD, Broker, VarlinkError

HOUR = 3600_000
DAY = 24 * HOUR
LIMITS = "per-payment 1000 per-day 3000 per-month 20000 count-day 100 count-month 1000"


def replay(broker, config="countersign.conf", *options):
    """What --json says."""
    done = subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), "--config",
                           broker.path(config), "--json", *options, "replay"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def candidate(broker, name, old, new):
    """A configuration beside the live one, with one text replaced."""
    with open(broker.path("countersign.conf"), encoding="utf-8") as f:
        text = f.read()
    assert text.count(old) == 1
    with open(broker.path(name), "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    return name


def candidate_stack(broker, name, stack):
    """A configuration beside the live one, with another stack for checkout."""
    directory = broker.path(name + ".services")
    shutil.copytree(broker.path("services"), directory)
    with open(os.path.join(directory, "checkout"), "w", encoding="utf-8") as f:
        f.write(stack)
    return candidate(broker, name, f'stacks "{broker.path("services")}"', f'stacks "{directory}"')


def matrix_of(report, operation="spend"):
    for each in report["operations"]:
        if each["operation"] == operation:
            return each["matrix"]
    return None


def allow(person, session, each="50.00", day="100.00", total="300.00"):
    until = datetime.datetime.utcfromtimestamp(person.broker.clock.now_ms() // 1000 + 30 * 86400)
    answer = person.service.call("Allowances.Grant", session=session, kind="allowance", payee="*", currency="CNY",
                                 per_payment=each, per_day=day, total=total,
                                 expires_at=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert answer["outcome"] == "step_up", answer
    person.confirm(answer["challenge"]["id"])


@pytest.fixture(scope="module")
def running():
    broker = Broker()
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log


def any_operation(broker, person, session, dice):
    """One random thing that may happen to an account; what is refused is as good as what is not."""
    amount = f"{dice.choice([1, 20, 49, 51, 400, 999, 1001])}.00"
    kind = dice.randrange(14)
    call = person.service.call
    try:
        if kind < 4:
            person.spend(session, amount, capture=dice.random() < 0.5)
        elif kind < 7:
            person.authorize(session, person.payment(amount, currency=dice.choice(["CNY", "USD"])))
        elif kind == 7:
            held = person.spend(session, "30.00")["hold"]
            call("Payments.Capture", hold=held["id"], capture_id="c", amount=dice.choice(["10.00", "30.00"]))
        elif kind == 8:
            answer = person.authorize(session, person.payment(amount))
            if answer["outcome"] == "step_up":
                call("StepUp.Refuse", challenge=answer["challenge"]["id"])
        elif kind == 9:
            answer = person.authorize(session, person.payment("15.00"))
            step = call("StepUp.Get", challenge=answer["challenge"]["id"])["steps"][0]
            call("StepUp.Respond", challenge=answer["challenge"]["id"],
                 answers=[{"step": step["id"], "value": person.totp.wrong()}])
        elif kind == 10:
            person.authorize("ses_" + "a" * 52, person.payment("1.00"))
        elif kind == 11:
            broker.clock.advance(dice.choice([60_000, HOUR, 20 * HOUR]))
        elif kind == 12:
            allow(person, session)
        else:
            scope, target = dice.choice([("broker", None), ("provider", "sandbox"), ("account", person.account)])
            broker.admin.call("Admin.Freeze", scope=scope, target=target, reason="drill")
            person.authorize(session, person.payment(amount))
            broker.admin.call("Admin.Thaw", scope=scope, target=target, reason="over")
    except (VarlinkError, AssertionError, StopIteration, KeyError):
        pass


def test_the_policy_that_decided_differs_in_nothing(broker):
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 30)))
    dice = random.Random(seed)
    print("SEED", seed)
    for _ in range(3):
        person = broker.person()
        session = person.session()
        for _ in range(25):
            any_operation(broker, person, session, dice)
            try:
                session = person.session()
            except (VarlinkError, AssertionError):
                pass
    report = replay(broker)
    assert report["decisions"] == report["by_this_policy"] > 30
    assert (report["differ"], report["reasons_differ"], report["reasons"], report["accounts"]) == (0, 0, [], [])
    assert report["accounts_left_out"] == 0


def test_half_a_limit_denies_what_it_should(broker, person):
    session = person.session()
    for amount in ("600.00", "500.00", "400.00", "700.00"):
        person.spend(session, amount)
    name = candidate(broker, "half.conf", "per-payment 1000", "per-payment 500")
    before = replay(broker)
    report = replay(broker, name)
    mine = next(a for a in report["accounts"] if a.get("account") == person.account)
    # The prompt and the permit of each of the two.
    assert (mine["differ"], mine["tighter"]) == (4, 4)
    assert len(mine["key"]) == 32
    row = next(s for s in report["sums"] if (s["recorded"], s["candidate"]) == ("permit", "deny"))
    others = sum(a["differ"] for a in report["accounts"] if a.get("account") != person.account)
    assert others > 0 or (row["count"], row["amount"]) == (2, "1300.00")
    assert {(r["recorded"], r["candidate_reason"]) for r in report["reasons"]} <= {
        ("permit", "limit_payment"), ("step_up", "limit_payment"), ("deny", "limit_payment")}
    # The very same decisions, otherwise sorted.
    assert report["decisions"] == before["decisions"]
    assert sum(sum(line.values()) for line in matrix_of(report).values()) == sum(
        sum(line.values()) for line in matrix_of(before).values())


def test_a_stack_that_asks_for_more_prompts_instead(broker, person):
    session = person.session()
    allow(person, session)
    for _ in range(3):
        assert person.spend(session, "20.00")["reason"] == "allowance"
    name = candidate_stack(broker, "strict.conf", "spend  required  stepup  any=totp\ngrant required stepup factors=1\n"
                           "link required stepup factors=1\n")
    report = replay(broker, name)
    mine = next(a for a in report["accounts"] if a.get("account") == person.account)
    assert mine["differ"] == 3
    assert any((r["recorded_reason"], r["candidate"], r["candidate_reason"]) ==
               ("allowance", "step_up", "countersignature_required") for r in report["reasons"])


def test_what_was_denied_may_be_permitted_or_prompted(broker, person):
    session = person.session()
    assert person.authorize(session, person.payment("1500.00"))["reason"] == "limit_payment"
    name = candidate(broker, "double.conf", "per-payment 1000", "per-payment 2000")
    report = replay(broker, name)
    assert any((r["recorded_reason"], r["candidate"]) == ("limit_payment", "step_up") for r in report["reasons"])
    mine = next(a for a in report["accounts"] if a.get("account") == person.account)
    assert (mine["differ"], mine["tighter"]) == (1, 0)


def test_the_file_says_the_same_as_the_daemon(broker, person):
    person.spend(person.session(), "600.00")
    name = candidate(broker, "file.conf", "per-payment 1000", "per-payment 500")
    asked = replay(broker, name)
    read = replay(broker, name, "--database", broker.path("state/countersign.db"))
    for report in (asked, read):
        for account in report["accounts"]:
            account.pop("account", None)
    assert asked == read
    # A copy that is alone.
    shutil.copyfile(broker.path("state/countersign.db"), broker.path("copy.db"))
    if os.path.exists(broker.path("state/countersign.db-wal")):
        shutil.copyfile(broker.path("state/countersign.db-wal"), broker.path("copy.db-wal"))
    copied = replay(broker, name, "--database", broker.path("copy.db"))
    assert copied["events"] == read["events"]


def test_a_file_that_is_no_store_is_refused(broker):
    for path, code in ((broker.path("nowhere.db"), 3), (broker.path("countersign.conf"), 6)):
        done = subprocess.run([os.path.join(BUILD, "countersignctl"), "--config", broker.path("countersign.conf"),
                               "--database", path, "replay"], capture_output=True, text=True, timeout=60)
        assert done.returncode == code and path in done.stderr, done.stderr


class Reader(html.parser.HTMLParser):
    """Tags that close in order, and nothing that is fetched."""

    VOID = {"meta"}

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not {"src", "href", "onload", "onclick"} & {name for name, _ in attrs}, (tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_whole_and_says_what_json_says(broker, person):
    session = person.session()
    for amount in ("600.00", "20.00"):
        person.spend(session, amount)
    name = candidate(broker, "report.conf", "per-payment 1000", "per-payment 500")
    path = broker.path("report.html")
    report = replay(broker, name, "--html", path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    reader = Reader()
    reader.feed(text)
    assert reader.open == [] and not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert len(re.findall(r"https?://", text)) == 1, "the name space of XHTML, which nobody fetches"
    root = xml.etree.ElementTree.fromstring(text)
    space = "{http://www.w3.org/1999/xhtml}"
    for drawing in root.iter(space + "svg"):
        label = drawing.attrib["aria-labelledby"]
        assert drawing.attrib["role"] == "img"
        assert any(t.attrib.get("id") == label and t.text for t in drawing.iter(space + "title"))
    # All differences go one way: the other half of the days takes no room.
    assert "less is permitted" in text and "more is permitted" not in text
    days, = [d for d in root.iter(space + "svg") if d.attrib["aria-labelledby"] == "day-t"]
    assert int(days.attrib["viewBox"].split()[3]) < 200
    assert len(list(root.iter(space + "table"))) >= 6
    rows = [["".join(cell.itertext()) for cell in row] for row in root.iter(space + "tr")]
    matrix = matrix_of(report)
    numbers = [[f"{matrix[a][b]:,}" for b in ("permit", "step_up", "deny")] for a in ("permit", "step_up", "deny")]
    assert rows[1][2:] == numbers[0] and rows[2][1:] == numbers[1] and rows[3][1:] == numbers[2]
    for each in report["sums"]:
        assert any(row[0] == each["currency"] and row[3:] == [f"{each['count']:,}", each["amount"]] for row in rows)
    assert any(row[0] == person.account for row in rows)
    assert not re.search(r"\border-\d", text), "ids of payments"
    for secret in (person.subject, "m-7", "Corner Shop", session):
        assert secret not in text


def test_people_read_it_too(broker, person):
    person.spend(person.session(), "600.00")
    name = candidate(broker, "text.conf", "per-payment 1000", "per-payment 500")
    done = subprocess.run([os.path.join(BUILD, "countersignctl"), "--socket", broker.path("admin.sock"), "--config",
                           broker.path(name), "replay"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "would have been others" in done.stdout and person.account in done.stdout
    assert "permit countersigned -> deny limit_payment" in done.stdout
