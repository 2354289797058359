# SPDX-License-Identifier: Apache-2.0
"""The enrolment page: the owner does in a browser what a service could ask for; a link that works in one browser, once."""
import html
import re

import pytest

from harness import RETURN_URL, Browser, Totp


@pytest.fixture
def begun(broker, nobody):
    """An account whose first factor is being enrolled: (account, reply, path)."""
    reply = nobody.service.call("Factors.Begin", account=nobody.account, kind="totp", label="phone", proof="passport",
                                return_url=RETURN_URL)
    assert reply["url"].startswith(broker.url + "/e/")
    return nobody, reply, reply["url"][len(broker.url):]


@pytest.fixture
def browser(broker):
    return Browser(broker)


def fields(text):
    """Hidden fields of the page's form."""
    return {n: html.unescape(v) for n, v in re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', text)}


def app_of(broker, text):
    return Totp(broker.clock, html.unescape(re.search(r'id="app" href="(otpauth:[^"]+)"', text).group(1)))


def test_a_factor_is_enrolled_on_the_page(broker, begun, browser):
    person, reply, path = begun
    status, _, text = browser.get(path)
    assert status == 200 and "otpauth" not in text and "checkout" not in text
    status, _, text = browser.post(path, do="open")
    assert status == 200 and "otpauth" in text and '<svg class="qr"' in text and "phone" in text
    totp = app_of(broker, text)
    status, _, text = browser.post(path, **fields(text), code1=totp.wrong(), do="answer")
    assert status == 200 and "That was not right" in text
    status, _, text = browser.post(path, **fields(text), code1=totp.code(), do="answer")
    assert status == 200 and "Added." in text and RETURN_URL in text and "otpauth" not in text
    listed, = person.service.call("Factors.List", account=person.account)["factors"]
    assert (listed["kind"], listed["label"]) == ("totp", "phone")
    # It works, and the link does not any more.
    person.totp = totp
    totp.id = listed["id"]
    person.link()
    assert browser.get(path)[0] == 410 and browser.post(path, do="open")[0] == 410
    assert person.service.fails("Factors.Finish", enrolment=reply["enrolment"],
                                answers=[{"step": "2", "value": totp.code()}]).name == "NotFound"


def test_the_first_browser_is_the_only_one(broker, begun, browser):
    _, _, path = begun
    assert browser.post(path, do="open")[0] == 200
    for status, _, text in (Browser(broker).get(path), Browser(broker).post(path, do="open")):
        assert status == 403 and "otpauth" not in text
    assert "otpauth" in browser.get(path)[2], "a lost connection is resumed by a reload"


def test_five_wrong_codes_end_it(broker, begun, browser):
    person, _, path = begun
    _, _, text = browser.post(path, do="open")
    totp = app_of(broker, text)
    for _ in range(5):
        status, _, text = browser.post(path, **fields(text), code1=totp.wrong(), do="answer")
        assert status == 200
    assert "could not be added" in text and browser.get(path)[0] == 410
    assert person.service.fails("Factors.List", account=person.account).name == "NotFound"


def test_cancelled_is_over(broker, begun, browser):
    person, reply, path = begun
    _, _, text = browser.post(path, do="open")
    totp = app_of(broker, text)
    assert "Nothing was added." in browser.post(path, **fields(text), do="refuse")[2]
    assert browser.get(path)[0] == 410
    assert person.service.fails("Factors.Finish", enrolment=reply["enrolment"],
                                answers=[{"step": "2", "value": totp.code()}]).name == "NotFound"


def test_finished_by_the_service_the_link_is_used(broker, begun, browser):
    person, reply, path = begun
    totp = Totp(broker.clock, next(s["uri"] for s in reply["steps"] if s["type"] == "show"))
    done = person.service.call("Factors.Finish", enrolment=reply["enrolment"], answers=[{"step": "2", "value": totp.code()}])
    assert done["outcome"] == "permit" and "state" not in done
    assert browser.get(path)[0] == 410


def test_expired_after_ten_minutes(broker, begun, browser):
    _, _, path = begun
    browser.post(path, do="open")
    broker.clock.advance(11 * 60_000)
    status, _, text = browser.get(path)
    assert status == 410 and "expired" in text
    assert browser.get("/e/" + "a" * 26)[0] == 404 and browser.get("/e/short")[0] == 400


def test_a_step_up_pages_token_is_none_of_an_enrolment(broker, person, browser):
    challenge = person.service.call("Factors.Begin", account=person.account, kind="totp")["challenge"]
    token = challenge["url"].rpartition("/")[2]
    assert browser.get("/e/" + token)[0] == 404 and browser.post("/e/" + token, do="open")[0] == 404
    assert browser.get("/c/" + token)[0] == 200


def test_return_urls_are_the_services_own(nobody):
    error = nobody.service.fails("Factors.Begin", account=nobody.account, kind="totp", proof="x",
                                 return_url="https://evil.example/")
    assert (error.name, error.parameters["field"]) == ("InvalidParameter", "return_url")


def test_the_secret_is_in_no_log(broker, begun, browser):
    _, _, path = begun
    _, _, text = browser.post(path, do="open")
    secret = re.search("secret=([A-Z2-7]+)", text).group(1)
    browser.post(path, **fields(text), code1=app_of(broker, text).code(), do="answer")
    assert secret not in broker.log() and path not in broker.log()
