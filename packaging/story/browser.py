# SPDX-License-Identifier: Apache-2.0
"""A browser without JavaScript and without a screen: follows links, keeps cookies, fills in forms."""
import html.parser
import urllib.parse

from client import Https

REDIRECTS = (302, 303, 307)
HOPS_MAX = 10


class _Page(html.parser.HTMLParser):
    """The first form of a page with its fields, the page's text, and its list of terms."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.words, self.terms, self._forms, self._inside = None, {}, [], {}, 0, None
        self._term = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self._inside = tag
        if tag == "form":
            self._forms += 1
            if self._forms == 1:
                self.action = attributes.get("action")
        elif tag == "input" and self._forms == 1 and attributes.get("name"):
            self.fields.setdefault(attributes["name"], attributes.get("value", ""))

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if not data.strip() or self._inside == "style":
            return
        self.words.append(data.strip())
        if self._inside == "dt":
            self._term = data.strip()
        elif self._inside in ("dd", "small") and self._term:
            self.terms[self._term] = (self.terms.get(self._term, "") + " " + data.strip()).strip()


class Browser:
    def __init__(self, ca):
        self.ca, self.cookies, self.url, self.page, self.status = ca, {}, None, None, None

    def _ask(self, method, url, fields=None):
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        jar = self.cookies.setdefault(origin, {})
        headers = {"Accept": "text/html", "Accept-Language": "en"}
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        body = None
        if method == "POST":
            body = urllib.parse.urlencode(fields)
            headers.update({"Content-Type": "application/x-www-form-urlencoded", "Origin": origin})
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        self.status, answer, data = Https(origin, self.ca).request(method, path, body, headers)
        for cookie in answer.get_all("Set-Cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            jar[name.strip()] = value.strip()
        return answer.get("Location"), data

    def go(self, url, method="GET", fields=None, user=None):
        """Opens a page and follows where it sends; user: who signs in at a provider that asks."""
        for _ in range(HOPS_MAX):
            if user and urllib.parse.urlsplit(url).path == "/authorize":
                url += "&" + urllib.parse.urlencode({"prompt": "none", "login_hint": user})
            location, data = self._ask(method, url, fields)
            self.url = url
            if self.status not in REDIRECTS or not location:
                self.page = _Page(data.decode())
                return self.page
            url, method, fields = urllib.parse.urljoin(url, location), "GET", None
        raise RuntimeError(f"more than {HOPS_MAX} redirects, the last to {url}")

    def press(self, button, **filled):
        """Sends the page's form with this button."""
        fields = {**self.page.fields, **filled, "do": button}
        return self.go(urllib.parse.urljoin(self.url, self.page.action), "POST", fields)
