# SPDX-License-Identifier: Apache-2.0
"""A broker with Apple, WeChat and Alipay as providers, each played by an imitation (tests/idp/lookalikes), and people who go there."""
import html
import http.client
import os
import re
import shutil
import ssl
import tempfile
import urllib.parse

from harness import CALL_S, RETURN_URL, STACK, Broker, Browser, _write

import lookalikes  # of tests/idp, which harness put on the path
from lookalikes import alipay as alipay_side

WEB_SECRET, APP_SECRET = "appsecret-of-the-page-0123456789", "appsecret-of-the-app-0123456789a"
CLIENTS = (("apple", "com.example.web"), ("apple", "com.example.app"), ("wechat", "wxweb"), ("wechat", "wxapp"),
           ("alipay", "2021alipay"))
PROVIDERS = """
provider "apple" {{
    plugin "apple"  servers 1 deadline 20s cooling-off 0
    controls mail-domain "icloud.com"  syncs-secrets no
    set client-id "com.example.web" "com.example.app"
    set team-id "TEAM000001"  set key-id "{apple_key_id}"  set private-key file "{d}/apple.p8"
    set previous-team-id "TEAM000000"  set previous-key-id "{before_key_id}"  set previous-private-key file "{d}/before.p8"
    set issuer "{apple}"
    set ca-file "{ca}"
}}
provider "wechat" {{
    plugin "wechat"  servers 1 deadline 20s cooling-off 0
    controls phone "+86" "a phone number in China"
    set client-id "wxweb" "wxapp"  set client-secret file "{d}/wechat.secrets"
    set authorize-url "{wechat}/connect/qrconnect"  set api-url "{wechat}"
    set ca-file "{ca}"
}}
provider "alipay" {{
    plugin "alipay"  servers 1 deadline 20s cooling-off 0
    controls phone "+86" "a phone number in China"
    set client-id "2021alipay"  set private-key file "{d}/alipay.key"  set alipay-public-key "{alipay_key}"
    set authorize-url "{alipay}/oauth2/publicAppAuthorize.htm"  set gateway-url "{alipay}/gateway.do"
    set ca-file "{ca}"
}}
"""


class AbroadBroker(Broker):
    """`there` has the three. Keywords as Broker."""

    def __init__(self, **rest):
        self._there_dir = tempfile.mkdtemp(prefix="cs.")
        self.there = lookalikes.start(os.path.join(self._there_dir, "there"))
        try:
            super().__init__(extra=self._providers(), clients=CLIENTS,
                             stack=STACK.replace("provider    sandbox", "provider    sandbox apple wechat alipay")
                             # WeChat and Alipay say nothing of when somebody signed in.
                             .replace("session     max-age=30d", "session"), **rest)
        except BaseException:
            self._end_there()
            raise
        self.clock.follow(self.there.move_clock)
        host = urllib.parse.urlsplit(self.url).netloc
        self.there.wechat.app("wxweb", WEB_SECRET, host)
        self.there.wechat.app("wxapp", APP_SECRET, None)
        self.there.alipay.app("2021alipay", self._alipay_app.public_key(), host)
        self.there.apple.client("com.example.web", "TEAM000001", self.url + "/callback/apple")
        self.there.apple.client("com.example.app", "TEAM000001")

    def _providers(self):
        there, directory = self.there, self._there_dir
        key_id, self.apple_p8 = there.apple.team("TEAM000001")
        before_key_id, before_p8 = there.apple.team("TEAM000000")
        _write(os.path.join(directory, "before.p8"), before_p8)
        self._alipay_app = lookalikes.keys.APP
        self.alipay_pem = alipay_side.pem(self._alipay_app)
        _write(os.path.join(directory, "apple.p8"), self.apple_p8)
        _write(os.path.join(directory, "wechat.secrets"), f"wxweb {WEB_SECRET}\nwxapp {APP_SECRET}\n")
        _write(os.path.join(directory, "alipay.key"), self.alipay_pem)
        return PROVIDERS.format(d=directory, ca=there.ca, apple=there.apple.url, wechat=there.wechat.url,
                                alipay=there.alipay.url, apple_key_id=key_id, before_key_id=before_key_id,
                                alipay_key=alipay_side.public_text(there.alipay.key))

    def _end_there(self):
        self.there.stop()
        shutil.rmtree(self._there_dir)

    def stop(self):
        status = super().stop()
        if os.path.exists(self._there_dir):
            self._end_there()
        return status

    def host(self, provider):
        return getattr(self.there, provider)

    def native_code(self, provider, person, nonce, client=None):
        """What the provider's app gave to ours."""
        if provider == "apple":
            return self.there.apple.native_code(person, client or "com.example.app", nonce)
        return self.host(provider).native_code(person, client or {"wechat": "wxapp", "alipay": "2021alipay"}[provider])

    def subject(self, provider, person):
        """(issuer, subject) of a person there."""
        return {"apple": lambda: (self.there.apple.url, self.there.apple.sub(person, "TEAM000001")),
                "wechat": lambda: ("https://open.weixin.qq.com", self.there.wechat.unionid(person)),
                "alipay": lambda: ("https://openauth.alipay.com/2021alipay",
                                   self.there.alipay.open_id(person, "2021alipay"))}[provider]()


def visit(broker, provider, location, person):
    """What the provider gives the browser of this person to bring home: (method, path and query, form or None)."""
    host = broker.host(provider)
    parts = urllib.parse.urlsplit(location)
    assert f"{parts.scheme}://{parts.netloc}" == host.url, location
    connection = http.client.HTTPSConnection(parts.netloc, context=ssl.create_default_context(cafile=broker.there.ca),
                                             timeout=CALL_S)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}&as={person}")
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if provider != "apple":
        assert response.status == 302, (response.status, text)
        return "GET", response.headers["Location"], None
    assert response.status == 200, (response.status, text)
    form = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', text)}
    return "POST", re.search(r'action="([^"]*)"', text).group(1), form


def bring_home(browser, provider, method, url, form):
    """The browser's next request, as the provider's page makes it: Apple's is a form across sites."""
    if method == "GET":
        return browser.get(url)
    return browser.ask("POST", url, urllib.parse.urlencode(form),
                       {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://appleid.apple.com",
                        "Sec-Fetch-Site": "cross-site"})


def sign_in(broker, browser, provider, begun, person):
    """Through the provider and back; the broker's answer to the callback."""
    return bring_home(browser, provider, *visit(broker, provider, browser.leave(begun["start_url"]), person))


def begin(service, provider):
    return service.call("Sessions.Begin", provider=provider, return_url=RETURN_URL)


def link(broker, person, provider, name):
    """Links the ID of `name` there to the account of `person`, by an app's code, with the countersignature."""
    call = broker.service.call
    begun = call("Links.Begin", account=person.account, provider=provider, native=True)
    client = {"apple": "com.example.app", "wechat": "wxapp", "alipay": "2021alipay"}[provider]
    proposed = call("Links.Complete", sign_in=begun["sign_in"], client_id=client,
                    code=broker.native_code(provider, name, begun["nonce"]))
    assert proposed["outcome"] == "step_up", proposed
    person.confirm(proposed["challenge"]["id"])
    return call("Links.Get", link=proposed["link"]["id"])["link"]


__all__ = ["AbroadBroker", "Browser", "begin", "bring_home", "link", "sign_in", "visit"]
