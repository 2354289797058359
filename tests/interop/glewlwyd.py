# SPDX-License-Identifier: Apache-2.0
"""Starts Debian's Glewlwyd over SQLite, configures it by its own API, and signs in there as a browser would."""

import http.client
import json
import os
import select
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.parse

from jwcrypto import jwk

# Where the package is unpacked, if it is not installed: that would set up a database and a service.
ROOT = os.environ.get("CS_GLEWLWYD", "")
PROGRAM = ROOT + "/usr/bin/glewlwyd"
SCHEMA = ROOT + "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
MODULES = ROOT + "/usr/lib/glewlwyd"
READY_S = 20
REDIRECT = "https://broker.example/callback/glewlwyd"
# Glewlwyd does not undo the form-encoding of RFC 6749 section 2.3.1: its secrets are best of letters and digits.
CLIENT, SECRET = "shop", "s3cret-of-the-shop"
PASSWORD = "a long password"


def missing():
    """Why it cannot be started, or None."""
    return None if shutil.which(PROGRAM) and os.path.exists(SCHEMA) else "there is no glewlwyd: see README.md"


class Api:
    """One browser: its cookies, and the provider's own API."""

    def __init__(self, port, ca):
        self.context = ssl.create_default_context(cafile=ca)
        self.port, self.cookies = port, {}

    def ask(self, method, path, body=None):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=READY_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {
                "Content-Type": "application/json",
                "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";", 1)[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers, text

    def must(self, method, path, body=None):
        status, _, text = self.ask(method, path, body)
        assert status == 200, (method, path, status, text[:500])

    def sign_in(self, user, password):
        self.must("POST", "/api/auth/", {"username": user, "password": password})
        return self


class Glewlwyd:
    """issuer, ca, redirect; one client (CLIENT, SECRET) and the users alice and bob."""

    redirect = REDIRECT

    def __init__(self, directory, certificates):
        """`certificates`: (cert, key, ca), paths of a server on 127.0.0.1."""
        self.directory = str(directory)
        cert, key, self.ca = certificates
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.issuer = f"https://127.0.0.1:{self.port}/api/oidc"
        self._write_database()
        with open(os.path.join(self.directory, "glewlwyd.conf"), "w", encoding="utf-8") as file:
            file.write(self._config(cert, key))
        self.process = subprocess.Popen([PROGRAM, "--config-file=" + os.path.join(self.directory, "glewlwyd.conf")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._wait()
            self._configure()
        except BaseException:
            self.stop()
            raise

    def _write_database(self):
        with open(SCHEMA, encoding="utf-8") as file, sqlite3.connect(self._path("glewlwyd.db")) as database:
            database.executescript(file.read())

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _config(self, cert, key):
        return f"""port={self.port}
bind_address="127.0.0.1"
external_url="https://127.0.0.1:{self.port}"
login_url="login.html"
api_prefix="api"
static_files_path="{self.directory}"
log_mode="file"
log_level="INFO"
log_file="{self._path("log")}"
cookie_secure=1
session_expiration=3600
session_key="session"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{MODULES}/user"
user_middleware_module_path="{MODULES}/user_middleware"
client_module_path="{MODULES}/client"
user_auth_scheme_module_path="{MODULES}/scheme"
plugin_module_path="{MODULES}/plugin"
use_secure_connection=true
secure_connection_key_file="{key}"
secure_connection_pem_file="{cert}"
hash_algorithm="SHA512"
database = {{ type = "sqlite3"; path = "{self._path("glewlwyd.db")}"; }}
"""

    def _wait(self):
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            select.select([], [], [], 0.02)  # it gives no sign
        raise AssertionError(f"glewlwyd did not start: see {self._path('log')}")

    def _configure(self):
        admin = Api(self.port, self.ca).sign_in("admin", "password")
        keys = {"keys": [json.loads(jwk.JWK.generate(kty="EC", crv="P-256", kid="one", alg="ES256").export())]}
        admin.must("POST", "/api/mod/plugin/", {
            "module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": {
                "iss": self.issuer, "jwks-private": json.dumps(keys), "default-kid": "one", "subject-type": "public",
                "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 60,
                "refresh-token-rolling": False, "allow-non-oidc": False, "auth-type-code-enabled": True,
                "auth-type-token-enabled": False, "auth-type-id-token-enabled": True, "auth-type-none-enabled": False,
                "auth-type-password-enabled": False, "auth-type-client-enabled": False,
                "auth-type-device-enabled": False, "auth-type-refresh-enabled": False,
                "pkce-allowed": True, "pkce-required": True, "pkce-method-plain-allowed": False,
                "oauth-as-iss-id": True, "oauth-par-allowed": True, "oauth-par-required": False, "oauth-par-duration": 60,
                "oauth-par-request_uri-prefix": "urn:ietf:params:oauth:request_uri:"}})
        admin.must("POST", "/api/client/", {
            "client_id": CLIENT, "name": CLIENT, "confidential": True, "client_secret": SECRET, "enabled": True,
            "redirect_uri": [REDIRECT], "authorization_type": ["code"],
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"]})
        for user in ("alice", "bob"):
            admin.must("POST", "/api/user/", {"username": user, "password": PASSWORD, "enabled": True,
                                              "name": user, "email": f"{user}@glewlwyd.test", "scope": ["openid"]})

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def browse(self, url, user):
        """Signs `user` in, grants what is asked for, and follows the authorization URL; the callback's members."""
        browser = Api(self.port, self.ca).sign_in(user, PASSWORD)
        browser.must("PUT", f"/api/auth/grant/{CLIENT}", {"scope": "openid"})
        status, headers, text = browser.ask("GET", url[len(f"https://127.0.0.1:{self.port}"):] + "&g_continue")
        assert status in (302, 303), (status, text[:500])
        came = headers["Location"]
        assert came.startswith(REDIRECT), came
        return {k: v[0] for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(came).query).items()}
