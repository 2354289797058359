# SPDX-License-Identifier: Apache-2.0
"""What services need who come with access tokens: an authorization server that answers about opaque ones, keys, and proofs.

JWTs are minted by the OpenID Provider of the harness, whose keys the block "corp" trusts.
"""
import base64
import hashlib
import http.server
import json
import os
import ssl
import threading
import urllib.parse

from jwcrypto import jwk, jws

AUDIENCE = "https://pay.example"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Introspection:
    """RFC 7662 over HTTPS: `tokens` maps a token to the claims that it stands for. counts: how often it was asked."""

    def __init__(self, certificate, key):
        self.tokens, self.counts, self.shown = {}, {}, []
        self.status = 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                outer.shown.append(self.headers.get("Authorization"))
                token = form.get("token")
                outer.counts[token] = outer.counts.get(token, 0) + 1
                answer = json.dumps(outer.tokens.get(token, {"active": False})).encode()
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Key:
    """A service's DPoP key."""

    def __init__(self, **kind):
        self.key = jwk.JWK.generate(**(kind or {"kty": "EC", "crv": "P-256"}))
        self.alg = {"EC": "ES256", "RSA": "PS256", "OKP": "EdDSA"}[self.key["kty"]]
        self.public = json.loads(self.key.export_public())
        self.public.pop("kid", None)
        self.thumbprint = self.key.thumbprint()

    def proof(self, token, method, url, at, header=None, drop=(), **claims):
        """RFC 9449 section 4.2, with whatever a test changes."""
        body = {"jti": b64(os.urandom(16)), "htm": method, "htu": url, "iat": at,
                "ath": b64(hashlib.sha256(token.encode()).digest()), **claims}
        for name in drop:
            del body[name]
        head = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.public, **(header or {})}
        signed = jws.JWS(json.dumps(body))
        signed.allowed_algs = ["ES256", "PS256", "EdDSA", "RS256", "HS256"]
        signed.add_signature(self.key, None, json.dumps(head))
        return signed.serialize(compact=True)


class Shop:
    """A service that is known by its access tokens alone."""

    def __init__(self, broker, client="shop-client"):
        self.broker, self.client = broker, client

    def now(self):
        return self.broker.clock.now_ms() // 1000

    def token(self, header=None, alg="ES256", **claims):
        """An access token of RFC 9068; a claim of None is left out."""
        overrides = {"aud": AUDIENCE, "client_id": self.client, "scope": "openid pay", "nonce": None, "sub": self.client, **claims}
        return self.broker.provider.control("mint", sub=self.client, aud="countersign-app", nonce="none", alg=alg,
                                            overrides=overrides, header={"typ": "at+jwt", **(header or {})})["id_token"]

    def ask(self, token, proof=None, scheme=None, path="/v1/accounts/nobody/links", certificate=None, method="GET", body=None):
        """(status, problem, [WWW-Authenticate]) of a call: 404 is for who is known, since there is no such account."""
        headers = {"Authorization": f"{scheme or ('DPoP' if proof else 'Bearer')} {token}"}
        if proof:
            headers["DPoP"] = proof
        status, got, text = self.broker.web(method, path, body, certificate, headers)
        return status, json.loads(text) if text else None, got.get_all("WWW-Authenticate") or []

    def bound(self, key, path="/v1/accounts/nobody/links", method="GET", body=None, **change):
        """With a proof for just this call."""
        token = self.token(cnf={"jkt": key.thumbprint})
        proof = key.proof(token, method, self.broker.url + path, self.now(), **change)
        return self.ask(token, proof, path=path, method=method, body=body)


CONFIGURATION = f"""
token "corp" {{{{
    plugin "oauth2" servers 2 deadline 10s
    set issuer "{{issuer}}"
    set audience "{AUDIENCE}"
    set jwks-uri "{{issuer}}/jwks"
    set ca-file "{{ca}}"
    set require-scope "pay"
}}}}
token "opaque" {{{{
    plugin "oauth2" servers 2 deadline 10s
    set issuer "{{introspection}}"
    set audience "{AUDIENCE}"
    set introspection-uri "{{introspection}}/introspect"
    set client-id "broker"
    set client-secret file "{{directory}}/introspection.secret"
    set ca-file "{{directory}}/ca.crt"
    set binding optional
    set cache 10
}}}}
service "shop" {{{{
    token-client "corp" "shop-client"
    token-client "opaque" "shop-opaque"
    door https
    rights lookup spend
    client-id "sandbox" "shop-app"
    stack "checkout"
}}}}
service "inside" {{{{
    token-client "corp" "inside-client"
    uid 4294967294
    door unix
    rights lookup
}}}}
"""
