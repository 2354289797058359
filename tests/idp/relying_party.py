# SPDX-License-Identifier: Apache-2.0
"""The other side of the protocol, for the tests: http.client for the flow, jwcrypto for tokens."""

import base64
import hashlib
import http.client
import json
import secrets
import ssl
import urllib.parse

from jwcrypto import jwk, jws

TIMEOUT_S = 10
REDIRECT = "https://broker.example/callback/sandbox"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def redirect_fields(self):
        query = urllib.parse.urlsplit(self.headers["Location"]).query
        return urllib.parse.parse_qs(query, keep_blank_values=True)


class RelyingParty:
    def __init__(self, issuer, ca, client_id="shop", secret="s3cret/ +%", authorize="/authorize"):
        self.issuer, self.client_id, self.secret = issuer, client_id, secret
        self.authorize_path = authorize
        self.context = ssl.create_default_context(cafile=ca)
        self.host = urllib.parse.urlsplit(issuer).netloc
        self.connection = self.connect()
        self.verifier = secrets.token_urlsafe(32)
        self.nonce, self.state = secrets.token_urlsafe(16), secrets.token_urlsafe(16)

    def connect(self, timeout_s=TIMEOUT_S):
        return http.client.HTTPSConnection(self.host, context=self.context, timeout=timeout_s)

    def close(self):
        self.connection.close()

    def ask(self, method, path, body=None, headers=None, connection=None):
        connection = connection or self.connection
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post_form(self, path, fields, headers=None, connection=None):
        form = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.ask("POST", path, urllib.parse.urlencode(fields, doseq=True), form, connection)

    def try_control(self, call, **members):
        return self.ask("POST", f"/control/{call}", json.dumps(members),
                        {"Content-Type": "application/json"})

    def control(self, call, **members):
        answer = self.try_control(call, **members)
        assert answer.status == 200, answer.body
        return answer.json()

    def misbehave(self, **switches):
        return self.control("misbehave", **switches)

    def register(self, **members):
        wanted = {"id": self.client_id, "secret": self.secret, "redirect_uris": [REDIRECT]}
        self.control("client", **{**wanted, **members})

    def request_fields(self, **changes):
        challenge = hashlib.sha256(self.verifier.encode()).digest()
        fields = {
            "client_id": self.client_id, "redirect_uri": REDIRECT, "response_type": "code",
            "scope": "openid email", "state": self.state, "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256", "prompt": "none", "login_hint": "alice",
            **changes}
        return {name: value for name, value in fields.items() if value is not None}

    def authorize(self, **changes):
        fields = self.request_fields(**changes)
        return self.get(self.authorize_path + "?" + urllib.parse.urlencode(fields, doseq=True))

    def code(self, **changes):
        answer = self.authorize(**changes)
        assert answer.status == 303, answer.body
        return answer.redirect_fields()["code"][0]

    def basic(self):
        pair = f"{urllib.parse.quote_plus(self.client_id)}:{urllib.parse.quote_plus(self.secret)}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def exchange(self, code, headers=None, connection=None, **changes):
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT,
                  "code_verifier": self.verifier, **changes}
        headers = self.basic() if headers is None else headers
        return self.post_form("/token", fields, headers, connection)

    def keys(self):
        return self.get("/jwks").json()["keys"]

    def verify(self, token, alg="ES256"):
        """The claims of a token whose signature one published key with its kid made."""
        key_set = jwk.JWKSet.from_json(json.dumps({"keys": self.keys()}))
        signed = jws.JWS()
        signed.deserialize(token)
        assert signed.jose_header["alg"] == alg
        signed.allowed_algs = [alg]
        signed.verify(key_set.get_key(signed.jose_header["kid"]))
        return json.loads(signed.payload)

    def verifies(self, token, alg="ES256"):
        try:
            self.verify(token, alg)
        except Exception:  # jwcrypto has many ways to refuse; any of them is a refusal
            return False
        return True


def parts(token):
    """(header, claims, signature) of a compact token, decoded and not verified."""
    raw = [base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)) for p in token.split(".")]
    return json.loads(raw[0]), json.loads(raw[1]), raw[2]
