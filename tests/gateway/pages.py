# SPDX-License-Identifier: Apache-2.0
"""Pages as a browser without JavaScript meets them."""
import html.parser
import urllib.parse


class Page(html.parser.HTMLParser):
    """Elements with their attributes, text by element, and what the HTML says of itself."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.elements, self.texts, self.inside = answer, [], [], None
        self.feed(answer.text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if data.strip() and self.inside != "style":
            self.texts.append(data.strip())

    def all(self, tag, **attrs):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in attrs.items())]

    def says(self, text):
        return any(text in t for t in self.texts)


class Browser:
    """Cookies, an Origin with every form, the language."""

    def __init__(self, gateway, ask, language="en"):
        self.gateway, self.ask, self.cookies, self.language = gateway, ask, {}, language

    def go(self, method, path, form=None, **headers):
        h = {"Accept-Language": self.language, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.cookies:
            h["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = None
        if method == "POST":
            h.setdefault("Origin", self.gateway.url)
            h = {k: v for k, v in h.items() if v is not None}
            h["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form or {})
        r = self.ask(method, path, body, h, certificate=None)
        for c in r.headers.get_all("Set-Cookie") or []:
            name, value = c.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return r

    def submit(self, page, **fields):
        """Presses a button of the first form: its hidden fields, and what the user filled in."""
        form = page.all("form")[0]
        hidden = {i["name"]: i["value"] for i in page.all("input", type="hidden")}
        return self.go("POST", form["action"], {**hidden, **fields})
