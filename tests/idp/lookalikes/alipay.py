# SPDX-License-Identifier: Apache-2.0
"""Alipay's open platform: the consent page and the gateway.

Every request is signed by the app (RSA2: SHA256withRSA over its sorted parameters), every answer by Alipay, over the very
bytes of its inner object. Errors come with status 200 as `error_response`. An app is told user_ids, open_ids, or both.
"""

import base64
import datetime
import hashlib
import re
import urllib.parse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

from openid_provider.server import Response
from . import keys
from .host import CODE_S, Code, Host, compact, page, redirect, token

CHINA = datetime.timezone(datetime.timedelta(hours=8))
SKEW_S = 15 * 60
ESCAPED = '"avatar":"https:\\/\\/tfs.alipayobjects.com\\/images\\/partner\\/T1"'


class GatewayError(Exception):
    def __init__(self, code, message, sub_code, sub_message):
        super().__init__(sub_code)
        self.members = {"code": code, "msg": message, "sub_code": sub_code, "sub_msg": sub_message}


def invalid(sub_code, text="参数有误"):
    return GatewayError("40002", "Invalid Arguments", sub_code, text)


def pem(private):
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption()).decode()


def public_text(private):
    """One line of base64, as Alipay's tools and pages show a key."""
    der = private.public_key().public_bytes(serialization.Encoding.DER,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def certificate(subject, issuer, subject_key, issuer_key, serial):
    """A certificate with names as Ant Financial's have them."""
    def name(common):
        return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                          x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ant Financial"),
                          x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
                          x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
            .public_key(subject_key.public_key()).serial_number(serial)
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=3650))
            .sign(issuer_key, hashes.SHA256()))


def serial_name(made):
    """The SN of a certificate, as their libraries reckon it: MD5 over issuer and serial number."""
    names = {NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O", NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
             NameOID.COUNTRY_NAME: "C"}
    issuer = ",".join(f"{names[a.oid]}={a.value}" for a in reversed(list(made.issuer)))
    return hashlib.md5(f"{issuer}{made.serial_number}".encode()).hexdigest()


def certificate_pem(made):
    return made.public_bytes(serialization.Encoding.PEM).decode()


def to_be_signed(fields):
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != "")


class Alipay(Host):
    routes = {
        ("GET", "/oauth2/publicAppAuthorize.htm"): "authorize",
        ("POST", "/gateway.do"): "gateway",
    }
    spoilt = ("/gateway.do",)
    switches = frozenset({
        "sub_code",            # this error, whatever was asked
        "error_inside",        # errors inside the method's own answer, as newer gateways put them
        "unsigned_error",      # without a signature
        "no_sign", "empty_sign", "other_key", "sign_sha1", "sign_reformatted", "sign_not_base64",
        "tampered",            # another user_id than was signed
        "inner_sign",          # a member "sign" inside, before the real one
        "node_twice", "node_in_text", "two_nodes",
        "spaced",              # blanks around the inner object, which are not signed
        "sign_first",
        "number_id", "missing_id", "empty_id", "long_id",
        "other_cert_sn", "no_cert_sn",
        "profile_other",       # the profile of somebody else
    })

    def __init__(self, context):
        super().__init__(context)
        self.key = keys.ALIPAY
        self.apps = {}
        self.codes = {}
        self.tokens = {}
        self._certificates()

    def _certificates(self):
        root_key = keys.STRANGER
        self.root = certificate("Ant Financial Certification Authority R1", "Ant Financial Certification Authority R1",
                                root_key, root_key, 0x4fa1)
        self._issue = lambda subject, serial, k: certificate(subject, "Ant Financial Certification Authority R1", k,
                                                             root_key, serial)
        self.certificate = self._issue("Alipay", 0x2019aabbccddeeff00112233, self.key)

    def app(self, app_id, public, domain, ids="open_id", app_certificate=None):
        """An app of ours. ids: user_id, open_id or both; app_certificate: it is in certificate mode."""
        self.apps[app_id] = {"public": public, "domain": domain, "ids": ids, "certificate": app_certificate}

    def issue(self, app_id, private):
        """The certificate of an app's key."""
        return self._issue(app_id, 0x20220102030405060708, private)

    @staticmethod
    def user_id(person):
        return "2088" + str(int(hashlib.sha256(person.encode()).hexdigest(), 16))[:12]

    @staticmethod
    def open_id(person, app_id):
        digest = hashlib.sha256(f"open\0{person}\0{app_id}".encode()).digest()
        return "07" + base64.urlsafe_b64encode(digest).decode().rstrip("=").replace("-", "a").replace("_", "b")

    def native_code(self, person, app_id, scope="auth_base"):
        code = token("", 12).replace("-", "a").replace("_", "b") + "cD11"
        self.codes[code] = Code(person, app_id, self.now(), scope=scope)
        return code

    def authorize(self, fields, _):
        app = self.apps.get(fields.get("app_id", ""))
        uri = fields.get("redirect_uri", "")
        if app is None:
            return page("应用不存在", 400)
        if urllib.parse.urlsplit(uri).netloc != app["domain"]:
            return page("redirect_uri 不合法", 400)
        if fields.get("scope") not in ("auth_base", "auth_user"):
            return page("scope 不合法", 400)
        if not re.fullmatch(r"[0-9A-Za-z_.-]{0,100}", fields.get("state", "")):
            return page("state 不合法", 400)
        person = fields.get("as")
        if person is None:
            return page("支付宝授权")
        code = None if person == "" else self.native_code(person, fields["app_id"], fields["scope"])
        return redirect(uri, app_id=fields["app_id"], source="alipay_wallet", scope=fields["scope"], auth_code=code,
                        state=fields.get("state"), error_scope="auth_user" if person == "" else None)

    # ---- the gateway ----

    def gateway(self, fields, _):
        method = fields.get("method", "")
        node = method.replace(".", "_") + "_response"
        try:
            self._check(fields)
            if self.wrong("sub_code"):
                code = "20000" if self.wrong("sub_code").startswith(("isp.", "aop.")) else "40002"
                raise GatewayError(code, "error", self.wrong("sub_code"), "授权码code无效")
            inner = {"alipay.system.oauth.token": self._token, "alipay.user.info.share": self._profile}[method](fields)
        except GatewayError as error:
            return self._answer(node if self.wrong("error_inside") else "error_response", compact(error.members),
                                signed=not self.wrong("unsigned_error"), fields=fields)
        return self._answer(node, inner, True, fields)

    def _check(self, fields):
        app = self.apps.get(fields.get("app_id", ""))
        if app is None:
            raise invalid("isv.invalid-app-id", "无效的AppID参数")
        if fields.get("method") not in ("alipay.system.oauth.token", "alipay.user.info.share"):
            raise GatewayError("40002", "Invalid Arguments", "isv.invalid-method", "不存在的方法名")
        for name, value in (("sign_type", "RSA2"), ("charset", "utf-8"), ("version", "1.0"), ("format", "JSON")):
            if fields.get(name) != value:
                raise invalid(f"isv.invalid-{name.replace('_', '-')}")
        self._check_time(fields.get("timestamp", ""))
        self._check_certificates(app, fields)
        try:
            app["public"].verify(base64.b64decode(fields.get("sign", ""), validate=True),
                                 to_be_signed(fields).encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            raise invalid("isv.invalid-signature", "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配")

    def _check_time(self, text):
        try:
            stamp = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA).timestamp()
        except ValueError:
            raise invalid("isv.invalid-timestamp", "非法的时间戳参数")
        if abs(stamp - self.now()) > SKEW_S:
            raise invalid("isv.invalid-timestamp", "非法的时间戳参数")

    def _check_certificates(self, app, fields):
        wanted = ("", "") if app["certificate"] is None else (serial_name(app["certificate"]), serial_name(self.root))
        if (fields.get("app_cert_sn", ""), fields.get("alipay_root_cert_sn", "")) != wanted:
            raise invalid("isv.missing-app-cert-sn" if app["certificate"] else "isv.app-cert-sn-unexpected")

    def _ids(self, person, app_id):
        ids = self.apps[app_id]["ids"]
        got = {}
        if ids in ("user_id", "both"):
            got["user_id"] = self.user_id(person)
        if ids in ("open_id", "both"):
            got["open_id"] = self.open_id(person, app_id)
        for name in got:
            if self.wrong("number_id"):
                got[name] = 2088102150477652
            if self.wrong("empty_id"):
                got[name] = ""
            if self.wrong("long_id"):
                got[name] = "2" * 300
        return {} if self.wrong("missing_id") else got

    def _token(self, fields):
        if fields.get("grant_type") != "authorization_code":
            raise invalid("isv.grant-type-invalid", "grant_type参数不正确")
        code = self.codes.get(fields.get("code", ""))
        if code is None or code.used or code.app != fields["app_id"] or self.now() - code.made > CODE_S:
            raise invalid("isv.code-invalid", "授权码code无效")
        code.used = True
        access = token("kuaijieB")
        self.tokens[access] = code
        stamp = datetime.datetime.fromtimestamp(self.now(), CHINA).strftime("%Y-%m-%d %H:%M:%S")
        return compact({**self._ids(code.person, code.app), "access_token": access, "expires_in": 1296000,
                        "refresh_token": token("kuaijieB"), "re_expires_in": 2592000, "auth_start": stamp})

    def _profile(self, fields):
        code = self.tokens.get(fields.get("auth_token", ""))
        if code is None:
            raise GatewayError("20001", "Insufficient Token Permissions", "aop.invalid-auth-token", "无效的访问令牌")
        if code.scope != "auth_user":
            raise GatewayError("40006", "Insufficient Permissions", "isv.insufficient-user-permissions", "权限不足")
        who = "mallory" if self.wrong("profile_other") else code.person
        text = compact({"code": "10000", "msg": "Success", **self._ids(who, code.app), "nick_name": f"{who} 支付宝"})
        return text[:-1] + "," + ESCAPED + "}"

    # ---- signed answers ----

    def _sign(self, text):
        if self.wrong("sign_reformatted"):
            text = text.replace(",", ", ").replace(":", ": ")
        private = keys.STRANGER if self.wrong("other_key") else self.key
        algorithm = hashes.SHA1() if self.wrong("sign_sha1") else hashes.SHA256()
        return base64.b64encode(private.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()

    def _answer(self, node, inner, signed, fields):
        if self.wrong("inner_sign"):
            inner = '{"sign":"aW5uZXI=",' + inner[1:]
        sign = self._sign(inner)
        if self.wrong("sign_not_base64"):
            sign = sign[:-1] + "!"
        said = re.sub(r'"(user_id|open_id)":"[^"]*"', r'"\1":"2088000000000000"', inner) if self.wrong("tampered") else inner
        blank = " \n" if self.wrong("spaced") else ""
        members = [f'"{node}":{blank}{said}{blank}']
        if self.wrong("node_twice"):
            members.append(f'"{node}":' + said.replace("2088", "2099").replace('"07', '"99'))
        if self.wrong("node_in_text"):
            other = ('{"' + node + '":' + inner.replace("2088", "2099")).replace('"', '\\"')
            members.insert(0, f'"note":"{other}"')
        if self.wrong("two_nodes"):
            members.insert(0, '"error_response":{"code":"40002","sub_code":"isv.code-invalid"}')
        if signed and not self.wrong("no_sign"):
            members.insert(0 if self.wrong("sign_first") else len(members),
                           '"sign":"' + ("" if self.wrong("empty_sign") else sign) + '"')
        app = self.apps.get(fields.get("app_id"))
        if app is not None and app["certificate"] is not None and not self.wrong("no_cert_sn"):
            sn = "0" * 32 if self.wrong("other_cert_sn") else serial_name(self.certificate)
            members.insert(0, f'"alipay_cert_sn":"{sn}"')
        return Response(200, ("{" + ",".join(members) + "}").encode(), "text/html;charset=utf-8")
