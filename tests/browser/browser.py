# SPDX-License-Identifier: Apache-2.0
"""Debian's chromium, driven by playwright-core in a process of its own (driver.mjs).

    chromium = Chromium(broker)                                  # one for a file of tests
    page = chromium.page("zh-CN", width=390, height=844, dark=True, scripts=False)
    page.goto(url); page.click("确认"); page.text(); page.evaluate("() => document.title")
    page.authenticator()                                         # from now on this page has passkeys
    page.problems(), page.axe(), page.screenshot("card")
"""
import base64
import hashlib
import json
import os
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("CS_BUILDDIR", os.getcwd()))
MODULES = os.path.join(BUILD, "tests", "browser", "npm")
SCREENSHOTS = os.path.join(BUILD, "tests", "browser", "screenshots")
CHROMIUM = os.environ.get("CS_CHROMIUM", "/usr/bin/chromium")
STOP_S = 20
# A platform authenticator that verifies its user with each touch, and is touched at once.
AUTHENTICATOR = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                 "isUserVerified": True, "automaticPresenceSimulation": True}


class PageError(AssertionError):
    """What the driver said instead of an answer."""


class Chromium:
    """flags: more of chromium's own, for what it has and does not do by itself."""

    def __init__(self, broker, flags=()):
        with open(broker.path("server.crt"), "rb") as f:
            key = x509.load_pem_x509_certificate(f.read()).public_key()
        spki = base64.b64encode(hashlib.sha256(key.public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()
        self._home = tempfile.TemporaryDirectory(prefix="cs-browser.", ignore_cleanup_errors=True)
        self._log = open(os.path.join(self._home.name, "log"), "w+", encoding="utf-8")
        self._node = subprocess.Popen(["node", os.path.join(HERE, "driver.mjs"), MODULES, CHROMIUM, spki, *flags],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
                                      env={**os.environ, "HOME": self._home.name})
        self._names = 0

    def ask(self, **call):
        self._node.stdin.write(json.dumps(call) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        if not line:
            self._log.seek(0)
            raise PageError("the driver ended:\n" + self._log.read())
        said = json.loads(line)
        if "error" in said:
            raise PageError(said["error"])
        return said["value"]

    def page(self, locale="en-US", width=1280, height=800, dark=False, scripts=True):
        self._names += 1
        page = Page(self, f"page-{self._names}", scripts)
        self.ask(page=page.name, open=True, arg={
            "locale": locale, "viewport": {"width": width, "height": height}, "javaScriptEnabled": scripts,
            "colorScheme": "dark" if dark else "light", "reducedMotion": "reduce"})
        return page

    def stop(self):
        self._node.stdin.close()
        try:
            self._node.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait()
        self._log.close()
        self._home.cleanup()


class Page:
    """One page in a browser of its own: nothing is shared with the others, not even cookies."""

    def __init__(self, chromium, name, scripts):
        self.chromium, self.name, self.scripts = chromium, name, scripts

    def run(self, code, arg=None):
        """An async JavaScript function (s, arg) in the driver: s.page, s.context, s.cdp, s.axe are playwright's."""
        return self.chromium.ask(page=self.name, run=code, arg=arg)

    def goto(self, url):
        """Gives the status."""
        return self.run("async (s, url) => (await s.page.goto(url)).status()", url)

    def evaluate(self, code, arg=None):
        """A JavaScript function in the page."""
        return self.run("async (s, [code, arg]) => s.page.evaluate(`(${code})(${JSON.stringify(arg)})`)", [code, arg])

    def click(self, name, role="button"):
        """The button (or role) of exactly this name; then until the page that it leads to is there."""
        return self.run("async (s, [role, name]) => { await s.page.getByRole(role, {name, exact: true}).click();"
                        "await s.page.waitForLoadState('load'); }", [role, name])

    def role_of(self, name):
        """"button" or "link", whichever of this name there is."""
        return self.run("async (s, name) => await s.page.getByRole('link', {name, exact: true}).count() ? 'link' : 'button'",
                        name)

    def press_id(self, id_, leaves=True):
        """The button with this id; then until the page that it leads to is there."""
        if not leaves:
            self.run("async (s, id) => s.page.locator('#' + id).click()", id_)
            return
        self.run("async (s, id) => { const next = s.page.waitForEvent('load');"
                 "await s.page.locator('#' + id).click(); await next; }", id_)

    def fill_id(self, id_, value):
        self.run("async (s, [id, value]) => s.page.locator('#' + id).fill(value)", [id_, value])

    def tab_to(self, id_):
        """By the Tab key, to an element that shows that it has the focus."""
        for _ in range(40):
            self.press("Tab")
            at, outline = self.evaluate("() => [document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]")
            if at == id_:
                assert outline != "none", f"{id_} does not show that it has the focus"
                return
        raise PageError(f"the Tab key does not lead to {id_}")

    def press(self, key):
        self.run("async (s, key) => s.page.keyboard.press(key)", key)

    def wait_for(self, text):
        """Until this text can be seen."""
        self.run("async (s, text) => s.page.getByText(text).first().waitFor()", text)

    def wait_for_any(self, *texts):
        self.run("async (s, texts) => s.page.getByText(new RegExp(texts.join('|'))).first().waitFor()", list(texts))

    def wait_id(self, id_):
        self.run("async (s, id) => s.page.locator('#' + id).waitFor()", id_)

    def has_id(self, id_):
        return self.run("async (s, id) => await s.page.locator('#' + id).count() > 0", id_)

    def text_of(self, id_):
        return self.run("async (s, id) => s.page.locator('#' + id).innerText()", id_)

    def link(self, url):
        """Whether there is a link to it."""
        return self.run("async (s, url) => (await s.page.locator('a').evaluateAll(all => all.map(a => a.href))).includes(url)", url)

    def text(self):
        """What can be seen."""
        return self.run("async s => s.page.locator('body').innerText()")

    def html(self):
        return self.run("async s => s.page.content()")

    def title(self):
        return self.run("async s => s.page.title()")

    def url(self):
        return self.run("async s => s.page.url()")

    def authenticator(self):
        """From now on the page has passkeys."""
        self.run("async (s, options) => { await s.cdp.send('WebAuthn.enable');"
                 "s.authenticator = (await s.cdp.send('WebAuthn.addVirtualAuthenticator', {options})).authenticatorId; }",
                 AUTHENTICATOR)

    def credentials(self):
        """What the authenticator holds."""
        return self.run("async s => (await s.cdp.send('WebAuthn.getCredentials',"
                        "{authenticatorId: s.authenticator})).credentials")

    def user_verifies(self, yes):
        """Whether the user is there and unlocks the authenticator."""
        self.run("async (s, isUserVerified) => s.cdp.send('WebAuthn.setUserVerified',"
                 "{authenticatorId: s.authenticator, isUserVerified})", yes)

    def problems(self):
        """Errors of scripts, refusals of the content policy; of what happened so far."""
        return self.run("async s => s.problems.splice(0)")

    def requests(self):
        """Every URL that was asked for so far."""
        return self.run("async s => s.requests.splice(0)")

    def axe(self):
        """What a person with a disability would stumble over: [(impact, rule, elements)], of WCAG 2.2 AA and best practice."""
        found = self.run("""async s => {
            await s.page.evaluate(s.axe);
            const done = await s.page.evaluate("axe.run(document, {resultTypes: ['violations']})");
            return done.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html + ' ' + n.failureSummary)]);
        }""")
        return [tuple(one) for one in found]

    def overflow(self):
        """By how many pixels the page is wider than its window."""
        return self.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def resize(self, width, height):
        self.run("async (s, size) => s.page.setViewportSize(size)", {"width": width, "height": height})

    def screenshot(self, name):
        os.makedirs(SCREENSHOTS, exist_ok=True)
        self.run("async (s, path) => { await s.page.screenshot({path, fullPage: true}); }",
                 os.path.join(SCREENSHOTS, name + ".png"))

    def close(self):
        self.chromium.ask(page=self.name, close=True)
