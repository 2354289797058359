# SPDX-License-Identifier: Apache-2.0
"""Starts node's `oidc-provider` (node/provider.mjs) with clients of several kinds, and signs in there as a browser would."""

import base64
import datetime
import hashlib
import http.client
import json
import os
import select
import socket
import ssl
import subprocess
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwcrypto import jwk

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("CS_BUILDDIR", os.getcwd())
MODULES = os.path.join(BUILD, "tests", "interop", "npm")
READY_S = 20
REDIRECT = "https://broker.example/callback/node"
SECRET = "a secret of 32 bytes or more, +%/"


def missing():
    """Why it cannot be started, or None; check_interop.sh installs it."""
    why = os.path.join(MODULES, "missing")
    if os.path.exists(why):
        with open(why, encoding="utf-8") as file:
            return file.read().strip()
    if not os.path.exists(os.path.join(MODULES, "node_modules", "oidc-provider")):
        return "oidc-provider is not installed: run make check TESTS=tests/interop/check_interop.sh"
    return None


def _pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def self_signed(name):
    """(certificate, key) of a client, in PEM, and the certificate's DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                   .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    return (certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key),
            certificate.public_bytes(serialization.Encoding.DER), key)


class NodeProvider:
    """issuer, ca, redirect, and what its clients need: client_key (PEM), certificate and certificate_key (PEM)."""

    redirect = REDIRECT

    def __init__(self, certificates):
        """`certificates`: (cert, key, ca), paths of a server on 127.0.0.1."""
        cert, key, self.ca = certificates
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.issuer = f"https://127.0.0.1:{self.port}"
        own = jwk.JWK.generate(kty="EC", crv="P-256", kid="client-key-1", use="sig")
        self.client_key = own.export_to_pem(private_key=True, password=None).decode()
        self.certificate, self.certificate_key, der, public = self_signed("tls")
        with open(cert, encoding="ascii") as c, open(key, encoding="ascii") as k:
            told = {"port": self.port, "cert": c.read(), "key": k.read(), "clients": self._clients(own, der, public),
                    "jwks": {"keys": self._keys()}}
        self.process = subprocess.Popen(["node", os.path.join(HERE, "node", "provider.mjs"), MODULES],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        self.process.stdin.flush()
        heard = select.select([self.process.stdout], [], [], READY_S)[0]
        assert heard and self.process.stdout.readline() == b"ready\n", "node's provider did not start"
        self.context = ssl.create_default_context(cafile=self.ca)

    @staticmethod
    def _keys():
        wanted = (("RSA", "RS256", {"size": 2048}), ("RSA", "PS256", {"size": 2048}), ("EC", "ES256", {"crv": "P-256"}),
                  ("OKP", "EdDSA", {"crv": "Ed25519"}))
        return [json.loads(jwk.JWK.generate(kty=kty, kid=alg, alg=alg, use="sig", **rest).export())
                for kty, alg, rest in wanted]

    @staticmethod
    def _clients(own, der, public):
        usual = {"redirect_uris": [REDIRECT], "response_types": ["code"], "grant_types": ["authorization_code"]}
        shown = json.loads(jwk.JWK.from_pyca(public.public_key()).export_public())
        shown.update({"x5c": [base64.b64encode(der).decode()], "use": "sig", "x5t#S256":
                      base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()})
        return [
            {**usual, "client_id": "basic", "client_secret": SECRET, "id_token_signed_response_alg": "ES256"},
            {**usual, "client_id": "post", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post",
             "id_token_signed_response_alg": "PS256"},
            {**usual, "client_id": "jwt", "token_endpoint_auth_method": "private_key_jwt",
             "token_endpoint_auth_signing_alg": "ES256", "id_token_signed_response_alg": "EdDSA",
             "require_pushed_authorization_requests": True,
             "jwks": {"keys": [json.loads(own.export_public())]}},
            {**usual, "client_id": "tls", "token_endpoint_auth_method": "self_signed_tls_client_auth",
             "jwks": {"keys": [shown]}},
            {**usual, "client_id": "public", "token_endpoint_auth_method": "none"},
        ]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def browse(self, url, user):
        """Follows a browser from the authorization URL to the callback; its members."""
        cookies = {"user": user}
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=READY_S)
        try:
            for _ in range(8):
                if url.startswith(REDIRECT):
                    return {k: v[0] for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(url).query).items()}
                connection.request("GET", url[len(self.issuer):] if url.startswith(self.issuer) else url, headers={
                    "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
                answer = connection.getresponse()
                body = answer.read()
                for line in answer.headers.get_all("Set-Cookie", []):
                    name, _, value = line.split(";", 1)[0].partition("=")
                    cookies[name] = value
                assert answer.status in (302, 303), (answer.status, body[:500])
                url = answer.headers["Location"]
        finally:
            connection.close()
        raise AssertionError(f"the browser never came back: {url}")
