# SPDX-License-Identifier: Apache-2.0
"""apple, wechat and alipay as plugins in their workers, against servers that answer as the real ones do, and as they should not."""
import itertools
import os
import re
import shutil
import sys
import tempfile
import urllib.parse

import pytest

from worker_process import Refused, Worker

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "idp"))

import lookalikes  # noqa: E402
from lookalikes import alipay as alipay_side  # noqa: E402

REDIRECT = "https://broker.example/callback/{}"
STATE, NONCE = "st4te", "n0nce-of-the-sign-in"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
SECRET = "wechat-appsecret-0123456789abcdef"
MONTH_S = 30 * 86400
people = (f"person{n}" for n in itertools.count(1))


def private_file(directory, name, text):
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Asked:
    """A worker of one provider, asked as the engine asks."""

    def __init__(self, directory, host, plugin, client, settings):
        os.mkdir(directory)
        self.host, self.client, self.name = host, client, plugin
        self.worker = Worker(directory, plugin, "provider", settings)
        assert self.worker.ready, self.worker.text
        self.connection = self.worker.connect()

    def now_ms(self):
        return self.host.now() * 1000

    def url(self, client=None, redirect=None):
        return self.connection.call("AuthorizationUrl", deadline_ms=5000, request="r", state=STATE, nonce=NONCE,
                                    code_challenge=CHALLENGE, client_id=client or self.client,
                                    redirect_uri=redirect or REDIRECT.format(self.name))["url"]

    def identify(self, code=None, clients=None, browser=False, **rest):
        more = {"code_verifier": VERIFIER, "redirect_uri": REDIRECT.format(self.name)} if browser else {}
        return self.connection.call("Identify", deadline_ms=5000, request="r", nonce=NONCE,
                                    client_ids=clients or [self.client], now_ms=self.now_ms(),
                                    **({} if code is None else {"code": code}), **more, **rest)

    def refusal(self, *arguments, **rest):
        """(error, reason)"""
        try:
            answer = self.identify(*arguments, **rest)
        except Refused as refused:
            return refused.error, refused.reason
        raise AssertionError(f"answered {answer}")

    def log(self):
        return self.worker.log()

    def stop(self):
        self.connection.close()
        self.worker.stop()


@pytest.fixture(scope="module")
def scratch():
    """Directories with short names: a socket's path has 107 bytes."""
    top = tempfile.mkdtemp(prefix="cs-")

    def directory(name):
        os.mkdir(os.path.join(top, name))
        return os.path.join(top, name)

    yield directory
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def there(scratch):
    made = lookalikes.start(scratch("there"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def calm(there):
    yield
    there.calm()
    there.move_clock(0)


def callback(host, url, person):
    """What the browser brings back, as {name: value}."""
    response, _ = get(host, url + "&as=" + person if "#" not in url else url.replace("#", f"&as={person}#"))
    assert response.status == 302, response.status
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(response.headers["Location"]).query))


def get(host, url):
    import http.client
    import ssl
    parts = urllib.parse.urlsplit(url)
    assert host.url == f"{parts.scheme}://{parts.netloc}"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


# ---- WeChat ----


@pytest.fixture(scope="module")
def wechat(there, scratch):
    directory = scratch("wechat")
    there.wechat.app("wxweb", SECRET, "broker.example")
    there.wechat.app("wxapp", SECRET + "-of-the-app", None)
    secrets = private_file(directory, "secrets", f"wxweb {SECRET}\nwxapp {SECRET}-of-the-app\n")
    asked = Asked(directory + "/w", there.wechat, "wechat", "wxweb", f"""
        set client-id "wxweb" "wxapp"
        set client-secret file "{secrets}"
        set display-claim nickname
        set authorize-url "{there.wechat.url}/connect/qrconnect"
        set api-url "{there.wechat.url}"
        set ca-file "{there.ca}" """)
    yield asked
    asked.stop()


def code_of(asked, app=None):
    person = next(people)
    return person, asked.host.native_code(person, app or asked.client)


def test_wechat_sends_browsers_with_what_wechat_takes(wechat):
    url = wechat.url()
    assert url.endswith("#wechat_redirect") and "secret" not in url
    assert list(urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)) == \
        ["appid", "redirect_uri", "response_type", "scope", "state"]
    back = callback(wechat.host, url, "alice")
    assert back["state"] == STATE
    who = wechat.identify(back["code"], browser=True)
    assert (who["subject"], who["issuer"]) == (wechat.host.unionid("alice"), "https://open.weixin.qq.com")
    assert who["audience"] == "wxweb" and who["nonce"] == "" and who["display"] == "alice/小明"


def test_wechat_says_as_whom_the_person_was_known(wechat):
    person, code = code_of(wechat)
    who = wechat.identify(code)
    assert (who["was_issuer"], who["was_subject"]) == \
        ("https://open.weixin.qq.com/wxweb", wechat.host.openid(person, "wxweb"))


def test_wechat_without_a_unionid_is_known_to_the_app_alone(wechat):
    wechat.host.bind("wxweb", False)
    try:
        person, code = code_of(wechat)
        who = wechat.identify(code)
        assert (who["issuer"], who["subject"]) == \
            ("https://open.weixin.qq.com/wxweb", wechat.host.openid(person, "wxweb"))
        assert "was_subject" not in who
    finally:
        wechat.host.bind("wxweb")


def test_wechat_exchanges_by_the_app_that_the_code_is_of(wechat):
    person, code = code_of(wechat, "wxapp")
    assert wechat.refusal(code) == ("Refused", "bad_code")
    assert wechat.identify(code, ["wxapp", "wxweb"])["audience"] == "wxapp"
    assert wechat.refusal(code, ["stranger"]) == ("Refused", "bad_audience")


def test_wechat_takes_codes_once_and_in_time(wechat, there):
    _, code = code_of(wechat)
    wechat.identify(code)
    assert wechat.refusal(code) == ("Refused", "bad_code")
    _, late = code_of(wechat)
    there.move_clock(301 * 1000)
    assert wechat.refusal(late) == ("Refused", "bad_code")
    assert wechat.refusal("0never") == ("Refused", "bad_code")


def test_wechat_has_no_tokens_and_no_iss(wechat):
    assert wechat.refusal(id_token="e30.e30.e30") == ("Refused", "bad_type")
    assert wechat.refusal(code_of(wechat)[1], iss="https://idp.example") == ("Refused", "bad_issuer")


@pytest.mark.parametrize("errcode, expected", [
    (-1, ("Failed", "unreachable")), (45011, ("Failed", "unreachable")), (40029, ("Refused", "bad_code")),
    (40013, ("Refused", "provider_error")), (40125, ("Refused", "provider_error")), (99999, ("Refused", "provider_error"))])
def test_wechat_errors_come_with_status_200(wechat, errcode, expected):
    wechat.host.misbehave(errcode=errcode, echo_secret=True)
    assert wechat.refusal(code_of(wechat)[1]) == expected


@pytest.mark.parametrize("switch, value", [
    ("errcode_text", 0), ("errcode_text", 40029), ("missing_openid", True), ("number_openid", True), ("empty_openid", True),
    ("long_openid", True), ("control_openid", True), ("duplicate_openid", True), ("number_unionid", True),
    ("empty_unionid", True), ("userinfo_other", True), ("garbage", True), ("blank", True), ("not_object", True),
    ("huge", True), ("deep", True), ("redirect", True), ("http_403", True)])
def test_wechat_that_is_not_as_documented_says_nothing(wechat, switch, value):
    wechat.host.misbehave(**{switch: value or "0"})
    assert wechat.refusal(code_of(wechat)[1]) == ("Refused", "provider_error")


def test_wechat_that_errs_and_answers_errs(wechat):
    wechat.host.misbehave(errcode_beside=True)
    assert wechat.refusal(code_of(wechat)[1]) == ("Refused", "bad_code")


@pytest.mark.parametrize("switch", ["http_500", "closed", "cut"])
def test_wechat_that_does_not_answer_is_not_a_no(wechat, switch):
    wechat.host.misbehave(**{switch: True})
    assert wechat.refusal(code_of(wechat)[1]) == ("Failed", "unreachable")


def test_wechat_shows_nothing_where_the_profile_cannot_be_had(wechat):
    wechat.host.misbehave(userinfo_error=True)
    assert "display" not in wechat.identify(code_of(wechat)[1])


# ---- Alipay ----


def alipay_settings(there, directory, private, app_id, more):
    return f"""
        set client-id "{app_id}"
        set private-key file "{private_file(directory, app_id + '.key', alipay_side.pem(private))}"
        set authorize-url "{there.alipay.url}/oauth2/publicAppAuthorize.htm"
        set gateway-url "{there.alipay.url}/gateway.do"
        set ca-file "{there.ca}"
        {more}"""


@pytest.fixture(scope="module")
def private():
    """The key of our apps at Alipay."""
    return lookalikes.keys.APP


@pytest.fixture(scope="module")
def alipay(there, scratch, private):
    directory = scratch("alipay")
    there.alipay.app("2021keys", private.public_key(), "broker.example", "both")
    asked = Asked(directory + "/w", there.alipay, "alipay", "2021keys", alipay_settings(
        there, directory, private, "2021keys", f"""
        set scope auth_user
        set display-claim nick_name
        set alipay-public-key "{alipay_side.public_text(there.alipay.key)}" """))
    yield asked
    asked.stop()


@pytest.fixture(scope="module")
def certified(there, scratch, private):
    """The same in certificate mode."""
    directory = scratch("certified")
    own = there.alipay.issue("2021certs", private)
    there.alipay.app("2021certs", private.public_key(), "broker.example", "user_id", own)
    write = lambda name, made: private_file(directory, name, alipay_side.certificate_pem(made))  # noqa: E731
    asked = Asked(directory + "/w", there.alipay, "alipay", "2021certs", alipay_settings(
        there, directory, private, "2021certs", f"""
        set app-certificate file "{write('app.crt', own)}"
        set alipay-certificate file "{write('alipay.crt', there.alipay.certificate)}"
        set alipay-root-cert-sn "{alipay_side.serial_name(there.alipay.root)}" """))
    yield asked
    asked.stop()


def alipay_code(asked, scope="auth_user"):
    person = next(people)
    return person, asked.host.native_code(person, asked.client, scope)


def test_alipay_sends_browsers_and_takes_auth_code_home(alipay):
    back = callback(alipay.host, alipay.url(), "alice")
    assert back["state"] == STATE and "code" not in back
    who = alipay.identify(back["auth_code"], browser=True)
    assert (who["issuer"], who["subject"]) == \
        ("https://openauth.alipay.com/2021keys", alipay.host.open_id("alice", "2021keys"))
    assert (who["was_issuer"], who["was_subject"]) == ("https://openauth.alipay.com", alipay.host.user_id("alice"))
    assert who["nonce"] == "" and who["display"] == "alice 支付宝"


def test_alipay_is_asked_with_the_code_in_the_form(alipay):
    _, code = alipay_code(alipay)
    alipay.identify(code)
    asked = [f for f in alipay.host.asked("/gateway.do") if f.get("code") == code]
    assert len(asked) == 1 and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", asked[0]["timestamp"])


@pytest.mark.parametrize("ids", ["user_id", "open_id"])
def test_alipay_of_one_id(alipay, ids):
    alipay.host.apps["2021keys"]["ids"] = ids
    try:
        person, code = alipay_code(alipay)
        who = alipay.identify(code)
        assert "was_subject" not in who
        assert (who["issuer"], who["subject"]) == (
            ("https://openauth.alipay.com", alipay.host.user_id(person)) if ids == "user_id" else
            ("https://openauth.alipay.com/2021keys", alipay.host.open_id(person, "2021keys")))
    finally:
        alipay.host.apps["2021keys"]["ids"] = "both"


def test_alipay_in_certificate_mode(certified):
    person, code = alipay_code(certified, "auth_base")
    assert certified.identify(code)["subject"] == certified.host.user_id(person)


@pytest.mark.parametrize("switch", ["other_cert_sn", "no_cert_sn"])
def test_alipay_signed_by_another_certificate(certified, switch):
    certified.host.misbehave(**{switch: True})
    assert certified.refusal(alipay_code(certified, "auth_base")[1]) == ("Refused", "bad_key")


def test_alipay_that_names_a_certificate_without_reason(there, alipay):
    there.alipay.apps["2021keys"]["certificate"] = there.alipay.certificate
    try:
        # It expects certificates of us, too: the refusal is its own.
        assert alipay.refusal(alipay_code(alipay)[1]) == ("Refused", "provider_error")
    finally:
        there.alipay.apps["2021keys"]["certificate"] = None


def test_alipay_takes_codes_once_and_in_time(alipay, there):
    _, code = alipay_code(alipay)
    alipay.identify(code)
    assert alipay.refusal(code) == ("Refused", "bad_code")
    _, late = alipay_code(alipay)
    there.move_clock(301 * 1000)
    assert alipay.refusal(late) == ("Refused", "bad_code")


# Inside the method's own object an error is signed like any answer.
@pytest.mark.parametrize("inside, signed", [(False, False), (False, True), (True, True)])
def test_alipay_errors_need_no_signature(alipay, inside, signed):
    alipay.host.misbehave(error_inside=inside, unsigned_error=not signed)
    assert alipay.refusal("never") == ("Refused", "bad_code")


@pytest.mark.parametrize("sub_code, expected", [
    ("isp.unknow-error", ("Failed", "unreachable")), ("aop.unknow-error", ("Failed", "unreachable")),
    ("isv.invalid-signature", ("Refused", "provider_error")), ("isv.code-invalid", ("Refused", "bad_code"))])
def test_alipay_refusals(alipay, sub_code, expected):
    alipay.host.misbehave(sub_code=sub_code)
    assert alipay.refusal(alipay_code(alipay)[1]) == expected


@pytest.mark.parametrize("switch", ["no_sign", "empty_sign", "other_key", "sign_sha1", "sign_reformatted", "sign_not_base64",
                                    "tampered"])
def test_alipay_signs_the_very_bytes(alipay, switch):
    alipay.host.misbehave(**{switch: True})
    assert alipay.refusal(alipay_code(alipay)[1]) == ("Refused", "bad_signature")


@pytest.mark.parametrize("switch", ["inner_sign", "spaced", "sign_first", "node_in_text"])
def test_alipay_may_write_it_otherwise(alipay, switch):
    alipay.host.misbehave(**{switch: True})
    person, code = alipay_code(alipay)
    assert alipay.identify(code)["subject"] == alipay.host.open_id(person, "2021keys")


@pytest.mark.parametrize("switch", ["node_twice", "two_nodes", "number_id", "missing_id", "empty_id", "long_id", "profile_other",
                                    "garbage", "blank", "not_object", "huge", "deep", "redirect", "http_403"])
def test_alipay_that_is_not_as_documented_says_nothing(alipay, switch):
    alipay.host.misbehave(**{switch: True})
    assert alipay.refusal(alipay_code(alipay)[1]) == ("Refused", "provider_error")


@pytest.mark.parametrize("switch", ["http_500", "closed", "cut"])
def test_alipay_that_does_not_answer_is_not_a_no(alipay, switch):
    alipay.host.misbehave(**{switch: True})
    assert alipay.refusal(alipay_code(alipay)[1]) == ("Failed", "unreachable")


def test_alipay_has_no_tokens_and_no_iss(alipay):
    assert alipay.refusal(id_token="e30.e30.e30") == ("Refused", "bad_type")
    assert alipay.refusal(alipay_code(alipay)[1], iss="https://idp.example") == ("Refused", "bad_issuer")
    assert alipay.refusal(alipay_code(alipay)[1], ["2021certs"]) == ("Refused", "bad_audience")


# ---- Apple ----


@pytest.fixture(scope="module")
def apple(there, scratch):
    directory = scratch("apple")
    host = there.apple
    new_id, new_key = host.team("NEWTEAM001")
    old_id, old_key = host.team("OLDTEAM001")
    host.client("com.example.web", "NEWTEAM001", REDIRECT.format("apple"))
    host.client("com.example.app", "NEWTEAM001")
    host.client("com.example.moved", "OLDTEAM001")
    asked = Asked(directory + "/w", host, "apple", "com.example.web", f"""
        set client-id "com.example.web" "com.example.app" "com.example.moved"
        set team-id "NEWTEAM001"
        set key-id "{new_id}"
        set private-key file "{private_file(directory, 'new.p8', new_key)}"
        set previous-team-id "OLDTEAM001"
        set previous-key-id "{old_id}"
        set previous-private-key file "{private_file(directory, 'old.p8', old_key)}"
        set issuer "{host.url}"
        set ca-file "{there.ca}" """)
    yield asked
    asked.stop()


def form_of(host, url, person):
    response, text = get(host, url + "&as=" + person)
    assert response.status == 200 and 'action="' + REDIRECT.format("apple") in text, text
    import html
    return {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', text)}


def test_apple_answers_by_a_form_and_the_name_is_nobodys(apple):
    form = form_of(apple.host, apple.url(), "alice")
    assert form["state"] == STATE and "user" in form
    who = apple.identify(form["code"], browser=True)
    assert who["subject"] == apple.host.sub("alice", "NEWTEAM001") and who["issuer"] == apple.host.url
    assert who["display"] == "alice@example.com" and who["evidence"] == ["email 0 alice@example.com"]
    assert "user" not in form_of(apple.host, apple.url(), "alice")


def test_apple_makes_its_secret_anew_however_late_it_is(apple, there):
    for months in (0, 1, 7, 25):
        there.move_clock(months * MONTH_S * 1000)
        person = next(people)
        code = apple.host.native_code(person, "com.example.app", NONCE)
        who = apple.identify(code, ["com.example.app"])
        assert who["subject"] == apple.host.sub(person, "NEWTEAM001"), months
    secrets = {fields["client_secret"] for fields in apple.host.asked("/auth/token")}
    assert len(secrets) >= 4


def test_apple_takes_an_apps_token_and_an_apps_code(apple):
    person = next(people)
    token = apple.host.id_token(person, "com.example.app", NONCE)
    assert apple.identify(id_token=token, clients=["com.example.app"])["subject"] == apple.host.sub(person, "NEWTEAM001")
    code = apple.host.native_code(person, "com.example.app", NONCE)
    assert apple.identify(code, ["com.example.app"])["audience"] == "com.example.app"
    assert apple.refusal(code, ["com.example.app"]) == ("Refused", "bad_code")
    stolen = apple.host.native_code(person, "com.example.app", "nonce-of-another-sign-in")
    assert apple.refusal(stolen, ["com.example.app"]) == ("Refused", "bad_nonce")
    assert apple.refusal(apple.host.native_code(person, "com.example.app", NONCE)) == ("Refused", "bad_code")


@pytest.mark.parametrize("switch, reason", [
    ("wrong_iss", "bad_issuer"), ("wrong_aud", "bad_audience"), ("wrong_nonce", "bad_nonce"), ("missing_nonce", "bad_nonce"),
    ("expired", "expired"), ("alg_none", "bad_algorithm"), ("hs256_public_key", "bad_algorithm"),
    ("unknown_kid", "bad_key"), ("same_kid_other_key", "bad_signature"), ("tampered", "bad_signature"),
    ("missing_sub", "bad_token"), ("duplicate_sub", "bad_token"), ("wrong_at_hash", "bad_token"),
    ("garbage", "provider_error"), ("blank", "provider_error"), ("huge", "provider_error")])
def test_apple_that_spoils_its_token(apple, switch, reason):
    apple.host.misbehave(**{switch: True})
    code = apple.host.native_code(next(people), "com.example.app", NONCE)
    assert apple.refusal(code, ["com.example.app"]) == ("Refused", reason)


@pytest.mark.parametrize("error, expected", [("invalid_grant", "bad_code"), ("invalid_client", "provider_error")])
def test_apple_refuses(apple, error, expected):
    apple.host.misbehave(error=error)
    code = apple.host.native_code(next(people), "com.example.app", NONCE)
    assert apple.refusal(code, ["com.example.app"]) == ("Refused", expected)


@pytest.mark.parametrize("switches, proves", [
    ({}, True), ({"booleans": True}, True), ({"odd_email_verified": "false"}, False), ({"odd_email_verified": False}, False),
    ({"odd_email_verified": "TRUE"}, False), ({"odd_email_verified": 1}, False), ({"odd_email_verified": ["true"]}, False),
    ({"odd_is_private_email": "true"}, False), ({"odd_is_private_email": True}, False), ({"odd_is_private_email": 0}, False),
    ({"odd_is_private_email": "false"}, True), ({"no_email": True}, False)])
def test_apple_writes_booleans_as_text_and_no_other_word_counts(apple, switches, proves):
    apple.host.misbehave(**switches)
    who = apple.identify(apple.host.native_code(next(people), "com.example.app", NONCE), ["com.example.app"])
    assert ("evidence" in who and who["evidence"] != []) is proves


@pytest.mark.parametrize("overrides", [
    {}, {"is_private_email": None}, {"is_private_email": "false"}, {"is_private_email": False},
    {"email": "x@PRIVATERELAY.appleid.com", "is_private_email": "false"}])
def test_apple_relay_addresses_prove_nothing(apple, overrides):
    person = next(people)
    apple.host.hide(person)
    who = apple.identify(id_token=apple.host.id_token(person, "com.example.app", NONCE, **overrides),
                         clients=["com.example.app"])
    assert who.get("evidence", []) == [] and who["subject"] == apple.host.sub(person, "NEWTEAM001")


@pytest.mark.parametrize("address", ["a@b.example\nphone 0 +8613800000000", "a b@c.example", "", "no-address", "x" * 300 + "@b.c"])
def test_apple_addresses_cannot_write_other_evidence(apple, address):
    token = apple.host.id_token(next(people), "com.example.app", NONCE, email=address)
    assert apple.identify(id_token=token, clients=["com.example.app"]).get("evidence", []) == []


class Move:
    def __init__(self, apple):
        self.apple, self.host, self.person = apple, apple.host, next(people)
        self.host.client("com.example.moved", "OLDTEAM001")
        self.host.native_code(self.person, "com.example.moved", NONCE)
        self.old = self.host.sub(self.person, "OLDTEAM001")
        self.new = self.host.sub(self.person, "NEWTEAM001")
        self.host.transfer("com.example.moved", "NEWTEAM001")
        self.proof = self.host.transfer_sub(self.person, "OLDTEAM001", "NEWTEAM001")

    def rekey(self, **changes):
        wanted = {"issuer": self.host.url, "subject": self.old, "client_id": "com.example.moved", **changes}
        return self.apple.connection.call("Rekey", deadline_ms=5000, request="r", now_ms=self.apple.now_ms(), **wanted)

    def refusal(self, **changes):
        with pytest.raises(Refused) as refused:
            self.rekey(**changes)
        return refused.value.reason


@pytest.fixture
def move(apple):
    yield Move(apple)
    apple.host.transferred.clear()


def test_apple_translates_the_subject_of_a_transferred_app(move):
    answer = move.rekey()
    assert (answer["issuer"], answer["subject"]) == (move.host.url, move.new) and move.old != move.new
    assert move.rekey(proof=move.proof)["subject"] == move.new


def test_apple_forged_transfer_sub_moves_nothing(move):
    """Attack L11: somebody else's transfer_sub, given as this link's."""
    other = next(people)
    move.host.native_code(other, "com.example.moved", NONCE)
    assert move.refusal(proof=move.host.transfer_sub(other, "OLDTEAM001", "NEWTEAM001")) == "bad_token"
    assert move.refusal(proof="invented") == "bad_token"
    assert move.refusal(subject="000000.never.0000") == "bad_token"
    assert move.refusal(issuer="https://idp.example") == "bad_issuer"
    assert move.refusal(client_id="com.example.other") == "bad_audience"


@pytest.mark.parametrize("switch", ["transfer_number", "transfer_missing"])
def test_apple_that_spoils_the_translation(move, switch):
    move.host.misbehave(**{switch: True})
    assert move.refusal() == "provider_error"


def test_apple_translates_for_sixty_days(move, there):
    there.move_clock(61 * 86400 * 1000)
    assert move.refusal() == "bad_token"


def test_apple_token_of_a_transferred_app_names_no_old_subject(move, apple):
    token = move.host.id_token(move.person, "com.example.moved", NONCE)
    who = apple.identify(id_token=token, clients=["com.example.moved"])
    assert who["subject"] == move.new and "was_subject" not in who


# ---- all ----


def test_no_secret_is_in_a_log(wechat, alipay, certified, apple, there):
    wechat.host.misbehave(errcode=40125, echo_secret=True)
    wechat.refusal(code_of(wechat)[1])
    codes = [*there.wechat.codes, *there.alipay.codes, *there.apple.codes]
    secrets = [fields["client_secret"] for fields in there.apple.asked("/auth/token") if "client_secret" in fields]
    tokens = [*there.wechat.tokens, *there.alipay.tokens, *there.apple.access]
    wechat.worker.wait_for_log("40125")
    logs = "".join(asked.log() for asked in (wechat, alipay, certified, apple))
    assert "40125" in logs and len(codes) > 100 and secrets and tokens
    for text in [SECRET, *codes, *secrets, *tokens]:
        assert text not in logs
