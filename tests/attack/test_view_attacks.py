# SPDX-License-Identifier: Apache-2.0
"""Attacks on the owner's page of linked IDs: by a stolen ID, by a captured gateway, and through the names that it shows."""
import html

import pytest

from harness import Browser, VarlinkError
from test_view_pages import answer, ask

VIEW = "org.countersign.Internal.View"


def asked(person):
    answer = person.service.call("Accounts.View", account=person.account)
    assert answer["outcome"] == "step_up"
    return answer["challenge"]


def refused(gateway, method, **parameters):
    with pytest.raises(VarlinkError) as raised:
        gateway.call("Internal.View" + method, **parameters)
    return raised.value


def opened(gateway, person):
    """The page, opened by its owner: token and cookie."""
    token = asked(person)["url"].rpartition("/")[2]
    shown = gateway.call("Internal.PageOpen", token=token)
    step = next(s for s in shown["steps"] if s["kind"] == "totp")
    gateway.call("Internal.PageRespond", token=token, cookie=shown["cookie"],
                 answers=[{"step": step["id"], "value": person.totp.code()}])
    key = {"token": token, "cookie": shown["cookie"]}
    assert gateway.call("Internal.ViewGet", **key)["state"] == "open"
    return key


def test_S12_a_stolen_ids_session_opens_no_page(broker, person, log):
    """The thief is signed in with the ID, and gets the page's URL; the page stays shut to him."""
    person.session()
    url = asked(person)["url"]
    thief = Browser(broker)
    thief.post(url, do="open")
    path = url[len(broker.url):].replace("/c/", "/l/")
    status, headers, _ = thief.get(path)
    assert status == 303 and headers["Location"].startswith("/c/")
    assert not [e for e in log.events() if e["type"] == "view_opened"]


def test_S12_a_page_that_was_asked_for_beside_the_owners(broker, person, log):
    """The thief asks at the owner's time, and waits with a page of his own for the owner's yes."""
    gateway = broker.gateway()
    owners, thiefs = asked(person), asked(person)
    assert owners["id"] != thiefs["id"]
    token = thiefs["url"].rpartition("/")[2]
    cookie = gateway.call("Internal.PageOpen", token=token)["cookie"]
    person.confirm(owners["id"])
    assert gateway.call("Internal.PageProbe", token=token, cookie=cookie)["state"] == "open"
    assert refused(gateway, "Get", token=token, cookie=cookie).parameters == {"what": "countersignature"}
    assert not [e for e in log.events() if e["type"] == "view_opened"]


def test_S12_a_captured_gateway_without_the_cookie_gets_nothing(broker, person):
    gateway = broker.gateway()
    key = opened(gateway, person)
    for method, more in (("Get", {}), ("History", {}), ("NotMe", {"link": person.link_id}), ("Close", {}),
                         ("Limit", {"currency": "CNY", "per_day": "1"}), ("Resume", {}), ("Unlink", {"link": person.link_id})):
        for wrong in ({"cookie": "a" * 26}, {"cookie": ""}, {"token": "a" * 26}):
            assert refused(gateway, method, **{**key, **wrong}, **more).name in ("NotFound", "NotPermitted")


def test_S12_the_open_page_raises_nothing_by_itself(broker, person):
    """Whoever has the whole page may cut down, and no more."""
    gateway = broker.gateway()
    key = opened(gateway, person)
    limit = {"link": person.link_id, "currency": "CNY"}
    gateway.call("Internal.ViewLimit", **key, **limit, per_day="10")
    for _ in range(3):
        assert gateway.call("Internal.ViewLimit", **key, **limit, per_day="900")["outcome"] == "step_up"
        gateway.call("Internal.ViewGet", **key)
    session = person.session()
    assert person.authorize(session, person.payment("11.00"))["reason"] == "limit_day"
    gateway.call("Internal.ViewNotMe", **key, link=person.link_id)
    assert gateway.call("Internal.ViewResume", **key, link=person.link_id)["outcome"] == "step_up"
    assert gateway.call("Internal.ViewGet", **key)["links"][0]["frozen"] == "user"


def test_S12_no_service_reaches_the_page(broker, person):
    gateway = broker.gateway()
    key = opened(gateway, person)
    for caller in (person.service, broker.as_service("market"), broker.admin):
        with pytest.raises(VarlinkError):
            caller.call(VIEW + "Get", **key)


def test_S15_the_page_is_no_way_to_a_factor(broker, person, log):
    """What is enrolled while it is open takes a countersignature of its own."""
    opened(broker.gateway(), person)
    begun = person.service.call("Factors.Begin", account=person.account, kind="totp", label="thief")
    assert begun["outcome"] == "step_up"


@pytest.mark.parametrize("name", ['"><img src=x onerror=alert(1)>', "</title><script>alert(1)</script>", "' onload='alert(1)"])
def test_X4_names_are_text_in_the_history(broker, person, name):
    person.authorize(person.session(), person.payment("900.00", name=name))
    browser = Browser(broker)
    status, headers, _ = answer(browser, ask(person), person.totp)
    assert status == 303
    browser.get(headers["Location"])
    status, _, text = browser.get(headers["Location"] + "/history")
    assert status == 200 and name not in text and html.escape(name).replace("&#x27;", "&#39;") in text
