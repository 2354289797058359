# SPDX-License-Identifier: Apache-2.0
"""My linked IDs, as a browser without scripts meets the page: it opens after a countersignature, and cuts power down."""
import re

import pytest

from harness import RETURN_URL, Browser

MINUTE = 60_000


@pytest.fixture
def browser(broker):
    return Browser(broker)


def field(text, name):
    return re.search(rf'name="{name}"[^>]* value="([^"]*)"', text).group(1)


def answer(browser, url, totp):
    """The step-up page: opened, and answered; gives (status, headers, text) of what comes of it."""
    status, _, text = browser.get(url)
    if 'name="step1"' not in text:
        status, _, text = browser.post(url, do="open")
    assert status == 200, text
    return browser.post(url, do="answer", proof=field(text, "proof"), step1=field(text, "step1"), shown=field(text, "shown"),
                        code1=totp.code())


def ask(person):
    asked = person.service.call("Accounts.View", account=person.account, return_url=RETURN_URL)
    assert asked["outcome"] == "step_up"
    return asked["challenge"]["url"]


class Page:
    """The open page of one browser."""

    def __init__(self, browser, path):
        self.browser, self.path = browser, path

    def get(self, place=""):
        status, headers, text = self.browser.get(self.path + place)
        assert status == 200, text
        assert "script-src 'self'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"
        return text

    def places(self, name):
        return re.findall(rf'href="{self.path}(/{name}/[^"]*)"', self.get())

    def post(self, place, **fields):
        return self.browser.post(self.path + place, proof=field(self.get(place), "proof"), **fields)

    def does(self, place, **fields):
        """Posts; the browser goes on with GET; gives what it then sees."""
        status, headers, text = self.post(place, **fields)
        assert (status, headers["Location"]) == (303, self.path), text
        return self.get()


@pytest.fixture
def owner(person):
    person.paid = person.session()
    person.spend(person.paid)
    return person


@pytest.fixture
def page(browser, owner):
    status, headers, _ = answer(browser, ask(owner), owner.totp)
    assert status == 303 and headers["Location"].startswith("/l/")
    return Page(browser, headers["Location"])


def events_of(broker, person):
    return [e["type"] for e in broker.admin.call("Admin.Events", account=person.account, limit=1000)["events"]]


# --- opening ---

def test_it_opens_after_the_countersignature_and_not_before(browser, owner):
    url = ask(owner)
    browser.post(url, do="open")
    path = url[len(owner.broker.url):].replace("/c/", "/l/")
    status, headers, _ = browser.get(path)
    assert (status, headers["Location"]) == (303, path.replace("/l/", "/c/"))
    answer(browser, url, owner.totp)
    assert browser.get(path)[0] == 200


def test_the_list_shows_what_was_spent(page, owner):
    text = page.get()
    assert "¥20.00 <small>CNY</small>" in text and "Corner Shop" in text and "<svg" in text
    assert owner.account not in text
    assert RETURN_URL in text


def test_another_browser_sees_nothing(page, broker):
    for place in ("", "/history"):
        status, _, text = Browser(broker).get(page.path + place)
        assert status == 403 and "20.00" not in text
    thief = Browser(broker)
    thief.cookies = {name: "a" * 26 for name in page.browser.cookies}
    assert thief.get(page.path)[0] == 403
    assert thief.post(page.path, do="close", proof="0" * 64)[0] == 403


def test_a_thiefs_session_opens_nothing(owner, broker, browser):
    """S12, S15: the stolen ID has a session, and asks; without a factor of the owner's it stays outside."""
    owner.session()
    url = ask(owner)
    thief = Browser(broker)
    thief.post(url, do="open")
    path = url[len(broker.url):].replace("/c/", "/l/")
    assert thief.get(path)[1]["Location"].startswith("/c/")
    _, _, text = thief.get(url)
    for _ in range(5):
        thief.post(url, do="answer", proof=field(text, "proof"), step1=field(text, "step1"), shown=field(text, "shown"),
                   code1="000000")
    assert thief.get(path)[0] in (303, 410)
    assert "view_opened" not in events_of(broker, owner)


def test_two_tabs_are_one_page(page, broker, owner):
    assert page.get() and page.get("/history") and page.get()
    assert events_of(broker, owner).count("view_opened") == 1


def test_it_closes_by_itself(page, broker):
    page.get()
    broker.clock.advance(11 * MINUTE)
    status, _, text = page.browser.get(page.path)
    assert status == 410 and "closed" in text


def test_it_is_closed_by_its_owner(page):
    status, _, text = page.post("", do="close")
    assert status == 200 and "Closed." in text
    assert page.browser.get(page.path)[0] == 410


@pytest.mark.parametrize("path, status", [("/l/x", 403), ("/l/%00", 400), ("/l/aaaaaaaaaaaaaaaaaaaaaaaaaa", 403)])
def test_links_that_lead_nowhere(browser, path, status):
    assert browser.get(path)[0] in (status, 404)


@pytest.mark.parametrize("place", ["/limits", "/elsewhere", "/history/x", "/unlink/"])
def test_places_that_are_not_there(page, place):
    assert page.browser.get(page.path + place)[0] == 404


def test_a_form_from_elsewhere_does_nothing(page, owner):
    place, = page.places("unlink")
    status, _, _ = page.browser.post(page.path + place, do="unlink", link=owner.link_id, proof="0" * 64)
    assert status == 403
    status, _, _ = page.browser.ask("POST", page.path + place, f"do=unlink&link={owner.link_id}", {
        "Content-Type": "application/x-www-form-urlencoded", "Origin": "https://elsewhere.test"})
    assert status == 403
    assert "Active" in page.get()


# --- cutting down ---

def test_a_limit_is_lowered_at_once(page, owner):
    place, = [p for p in page.places("limits") if "account" not in p]
    text = page.does(place, do="limit", link=owner.link_id, currency="CNY", per_day="25")
    assert "holds from now on" in text and "¥25.00" in text
    denied = owner.authorize(owner.paid, owner.payment("10.00"))
    assert denied["reason"] == "limit_day"
    assert "holds from now on" not in page.get()


def test_what_is_no_amount_is_said_so_and_kept(page, owner):
    place, = [p for p in page.places("limits") if "account" not in p]
    status, _, text = page.post(place, do="limit", link=owner.link_id, currency="CNY", per_day="a \"lot\"", per_month="7")
    assert status == 400 and 'role="alert"' in text
    assert 'value="a &quot;lot&quot;"' in text and 'value="7"' in text and text.count('aria-invalid="true"') == 1


def test_a_raise_asks_on_a_page_of_its_own_and_comes_back(page, owner):
    place, = [p for p in page.places("limits") if "account" not in p]
    page.does(place, do="limit", link=owner.link_id, currency="CNY", per_day="25")
    status, headers, _ = page.post(place, do="limit", link=owner.link_id, currency="CNY", per_day="1,500.00")
    assert status == 303 and headers["Location"].startswith("/c/")
    status, _, text = answer(page.browser, headers["Location"], owner.totp)
    assert status == 200 and page.path in text
    text = page.get()
    assert "¥1,500.00" in text and "higher limit holds" in text


def test_the_accounts_limit_is_lowered_too(page, owner):
    text = page.does("/limits/account", do="limit", currency="CNY", per_month="30.00")
    assert "¥30.00" in text
    assert owner.authorize(owner.paid, owner.payment("15.00"))["reason"] == "limit_month"


def test_unlinking_asks_first(page, owner):
    place, = page.places("unlink")
    assert "Unlink this ID?" in page.get(place) and "Active" in page.get()
    text = page.does(place, do="unlink", link=owner.link_id)
    assert "No ID is linked" in text and "sandbox" in text
    assert "no such thing here" in page.get(place)


def test_not_me_says_what_it_stopped_and_how_to_get_it_back(page, owner):
    place, = page.places("not-me")
    assert "confirmed payments that were not collected yet: <strong>1</strong>" in page.get(place)
    text = page.does(place, do="not-me", link=owner.link_id)
    assert "Stopped by you" in text and "collected: 1 · <strong>¥20.00" in text and "Start it again" in text
    assert owner.authorize(owner.paid, owner.payment())["outcome"] == "deny"
    status, headers, _ = page.post("", do="resume", link=owner.link_id)
    assert status == 303 and headers["Location"].startswith("/c/")
    assert "Stopped by you" in page.get()
    answer(page.browser, headers["Location"], owner.totp)
    text = page.get()
    assert "Stopped by you" not in text and "can be used again" in text


def test_a_double_submit_is_one_submit(page, owner, broker):
    place, = page.places("not-me")
    proof = field(page.get(place), "proof")
    for _ in range(2):
        assert page.browser.post(page.path + place, do="not-me", link=owner.link_id, proof=proof)[0] == 303
    assert events_of(broker, owner).count("not_me") == 1


# --- reading ---

def test_history_shows_hostile_names_as_text(page, owner):
    """X4"""
    owner.authorize(owner.paid, owner.payment("900.00", name='"><script>alert(1)</script> & \'x'))
    status, headers, _ = page.browser.get(page.path + "/history")
    assert (status, headers["Location"]) == (303, page.path)
    page.get()
    text = page.get("/history")
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<bdi>&quot;&gt;" in text


def test_history_leads_on_to_older_entries(page, owner):
    place, = [p for p in page.places("limits") if "account" not in p]
    for n in range(26):
        page.does(place, do="limit", link=owner.link_id, currency="CNY", per_day=f"{100 - n}.00")
    text = page.get("/history")
    older = re.search(r'href="[^"?]*(\?before=\d+)"', text).group(1)
    assert text.count("<li>") == 25
    assert "Way to confirm added" in page.get("/history" + older)
    assert "viewed" not in page.get("/history?before=99999999999999999999")


def test_both_languages(page):
    assert 'lang="zh-Hans"' in page.get("?lang=zh") and "您的关联账号" in page.get()
    assert "Your linked IDs" in page.get("?lang=en")


def test_not_me_on_a_step_up_page_says_what_it_stopped(browser, owner):
    asked = owner.authorize(owner.paid, owner.payment("30.00"))
    _, _, text = browser.post(asked["challenge"]["url"], do="open")
    status, _, text = browser.post(asked["challenge"]["url"], do="report", proof=field(text, "proof"))
    assert status == 200 and "Refused and frozen" in text
    assert "collected: 1 · <strong>¥20.00" in text and "dropped: 1" in text
    assert owner.authorize(owner.paid, owner.payment())["outcome"] == "deny"
