# SPDX-License-Identifier: Apache-2.0
"""The WeChat open platform: sign-in of web pages and of apps.

Errors come with status 200, as {"errcode", "errmsg"}; everything is text/plain. An openid belongs to a person and an app;
a unionid to a person and the developer's platform account, and is there only for apps that are bound to it.
"""

import hashlib
import urllib.parse

from openid_provider.server import Response
from .host import CODE_S, Code, Host, Refusal, compact, page, redirect, token

ERRORS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    42003: "oauth_code expired",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    48001: "api unauthorized",
}


def _id(*parts):
    """28 characters of base64url that begin with "o", as theirs do."""
    import base64
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return "o" + base64.urlsafe_b64encode(digest).decode()[:27]


class WeChat(Host):
    routes = {
        ("GET", "/connect/qrconnect"): "authorize",
        ("GET", "/connect/oauth2/authorize"): "authorize",
        ("GET", "/sns/oauth2/access_token"): "access_token",
        ("GET", "/sns/userinfo"): "userinfo",
    }
    spoilt = ("/sns/oauth2/access_token",)
    switches = frozenset({
        "errcode",             # this error, whatever was asked
        "errcode_text",        # the same as a string
        "errcode_beside",      # an error, and an openid as if there were none
        "missing_openid", "number_openid", "empty_openid", "long_openid", "control_openid", "duplicate_openid",
        "number_unionid", "empty_unionid",
        "echo_secret",         # the error's text repeats what was sent
        "userinfo_other",      # the profile of somebody else
        "userinfo_error",      # no profile
    })

    def __init__(self, context):
        super().__init__(context)
        self.apps = {}
        self.codes = {}
        self.tokens = {}

    def app(self, appid, secret, domain=None, bound=True):
        """An app of ours: `domain` is where codes may be sent, None: a native app; bound: has unionids."""
        self.apps[appid] = (secret, domain, bound)

    def bind(self, appid, bound=True):
        secret, domain, _ = self.apps[appid]
        self.apps[appid] = (secret, domain, bound)

    @staticmethod
    def openid(person, appid):
        return _id("openid", person, appid)

    @staticmethod
    def unionid(person):
        return _id("unionid", person)

    def native_code(self, person, appid):
        """What the WeChat app hands to the app that asked."""
        return self._code(person, appid, "snsapi_userinfo")

    def _code(self, person, appid, scope):
        code = token("0", 23)
        self.codes[code] = Code(person, appid, self.now(), scope=scope)
        return code

    def authorize(self, fields, request):
        appid, uri = fields.get("appid", ""), fields.get("redirect_uri", "")
        known = self.apps.get(appid)
        web = request.path == "/connect/qrconnect"
        if known is None or known[1] is None:
            return page("AppID 参数错误", 400)
        if urllib.parse.urlsplit(uri).netloc != known[1]:
            return page("redirect_uri 参数错误", 400)
        if fields.get("response_type") != "code" or len(fields.get("state", "")) > 128:
            return page("参数错误", 400)
        scopes = ("snsapi_login",) if web else ("snsapi_base", "snsapi_userinfo")
        if fields.get("scope") not in scopes:
            return page("Scope 参数错误或没有 Scope 权限", 400)
        person = fields.get("as")
        if person is None:
            return page("Scan to log in")
        if person == "":
            return redirect(uri, state=fields.get("state"))
        return redirect(uri, code=self._code(person, appid, fields["scope"]), state=fields.get("state"))

    def _text(self, value):
        return Response(200, (value if isinstance(value, str) else compact(value)).encode(), "text/plain")

    def _fail(self, number, more=""):
        wrong = {"errcode": number, "errmsg": f"{ERRORS.get(number, 'error')}, hints: [ req_id: 1cKcIa-{abs(number)} ]{more}"}
        raise Refusal(self._text(wrong))

    def _client(self, fields):
        if not fields.get("appid"):
            self._fail(41002)
        if fields["appid"] not in self.apps:
            self._fail(40013)
        if not fields.get("secret"):
            self._fail(41004)
        if fields["secret"] != self.apps[fields["appid"]][0]:
            self._fail(40125)
        return fields["appid"]

    def access_token(self, fields, _):
        appid = self._client(fields)
        if self.wrong("errcode"):
            self._fail(self.wrong("errcode"), f" {fields['secret']}" if self.wrong("echo_secret") else "")
        if self.wrong("errcode_text"):
            raise Refusal(self._text({"errcode": str(self.wrong("errcode_text")), "errmsg": "x"}))
        if fields.get("grant_type") != "authorization_code":
            self._fail(40002)
        if not fields.get("code"):
            self._fail(41008)
        code = self.codes.get(fields["code"])
        if code is None or code.app != appid:
            self._fail(40029)
        if code.used:
            self._fail(40163)
        if self.now() - code.made > CODE_S:
            self._fail(42003)
        code.used = True
        return self._text(self._spoil(self._grant(code, appid)))

    def _grant(self, code, appid):
        access = token("80_")
        self.tokens[access] = code
        answer = {"access_token": access, "expires_in": 7200, "refresh_token": token("80_"),
                  "openid": self.openid(code.person, appid), "scope": code.scope}
        if self.apps[appid][2]:
            answer["unionid"] = self.unionid(code.person)
        return answer

    def _spoil(self, answer):
        changes = {
            "missing_openid": lambda: answer.pop("openid"),
            "number_openid": lambda: answer.update(openid=42),
            "empty_openid": lambda: answer.update(openid=""),
            "long_openid": lambda: answer.update(openid="o" * 256),
            "control_openid": lambda: answer.update(openid="o\x1b[2J\n"),
            "number_unionid": lambda: answer.update(unionid=42),
            "empty_unionid": lambda: answer.update(unionid=""),
            "errcode_beside": lambda: answer.update(errcode=40029, errmsg="invalid code"),
        }
        for name, change in changes.items():
            if self.wrong(name):
                change()
        if self.wrong("duplicate_openid"):
            return compact(answer)[:-1] + ',"openid":"oSomebodyElse"}'
        return answer

    def userinfo(self, fields, _):
        code = self.tokens.get(fields.get("access_token"))
        if code is None or self.wrong("userinfo_error"):
            self._fail(40001)
        if fields.get("openid") != self.openid(code.person, code.app):
            self._fail(40003)
        if code.scope == "snsapi_base":
            self._fail(48001)
        who = "mallory" if self.wrong("userinfo_other") else code.person
        answer = {"openid": self.openid(who, code.app), "nickname": f"{who}/小明", "sex": 0, "language": "zh_CN",
                  "city": "", "province": "", "country": "", "headimgurl": "https://thirdwx.qlogo.cn/mmopen/0",
                  "privilege": []}
        if self.apps[code.app][2]:
            answer["unionid"] = self.unionid(who)
        return self._text(compact(answer).replace("/", "\\/"))
