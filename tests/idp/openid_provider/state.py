# SPDX-License-Identifier: Apache-2.0
"""What the provider remembers: clients, people, grants, access tokens, requests, the time.

Everything is bounded, and no lock is held while a request waits.
"""

import collections
import dataclasses
import hashlib
import hmac
import re
import secrets
import threading
import time

from .keys import ALGORITHMS
from .tokens import merge

CODE_LIFETIME_S = 60
ACCESS_TOKEN_LIFETIME_S = 300
GRANTS_MAX = 4096  # far more than one test run makes; the oldest goes first
LOG_MAX = 2000
CLIENTS_MAX = 256
PEOPLE_MAX = 1024
PATHS_MAX = 1024  # distinct paths counted; a scanner's further ones count as "other"
USER_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Refused(Exception):
    """What was asked for is wrong; the message says what and how to mend it."""


class Clock:
    """Wall time plus an offset that tests move together with the broker's clock."""

    def __init__(self):
        self.offset_s = 0

    def now(self):
        return int(time.time()) + self.offset_s


@dataclasses.dataclass(frozen=True)
class Client:
    id: str
    secret: str = ""  # empty: a public client
    redirect_uris: tuple = ()
    alg: str = ALGORITHMS[0]

    def secret_matches(self, given):
        return hmac.compare_digest(self.secret.encode(), given.encode())

    @classmethod
    def parse(cls, text):
        """ID:SECRET:REDIRECT[,REDIRECT], as on the command line."""
        parts = text.split(":", 2)
        if len(parts) != 3 or not parts[0]:
            raise Refused(f"client {text!r}: write it as ID:SECRET:REDIRECT[,REDIRECT]")
        return cls(parts[0], parts[1], tuple(u for u in parts[2].split(",") if u))


class Clients:
    def __init__(self, initial=()):
        self._initial = {client.id: client for client in initial}
        self.reset()

    def reset(self):
        self._clients = dict(self._initial)

    def put(self, client):
        if client.alg not in ALGORITHMS:
            raise Refused(f"alg {client.alg!r}: use one of {', '.join(ALGORITHMS)}")
        if client.id not in self._clients and len(self._clients) >= CLIENTS_MAX:
            raise Refused(f"there are {CLIENTS_MAX} clients already; reset first")
        self._clients = {**self._clients, client.id: client}

    def get(self, client_id):
        return self._clients.get(client_id)

    def ids(self):
        return sorted(self._clients)


class People:
    """Anybody who is named exists. The subject is a hash of provider and name, so it is stable."""

    def __init__(self, provider_name):
        self._provider_name = provider_name
        self._changes = {}

    def reset(self):
        self._changes = {}

    def subject(self, user):
        if not USER_PATTERN.fullmatch(user):
            raise Refused(f"user {user!r}: use 1 to 64 letters, digits, dots, dashes, underscores")
        return hashlib.sha256(f"{self._provider_name}\0{user}".encode()).hexdigest()[:32]

    def claims(self, user):
        claims = {
            "sub": self.subject(user),
            "email": f"{user}@{self._provider_name}.test",
            "email_verified": True,
            "name": user,
        }
        return merge(claims, self._changes.get(user, {}))

    def change(self, user, claims):
        """Give this user other claims from now on; null drops one."""
        self.subject(user)
        if user not in self._changes and len(self._changes) >= PEOPLE_MAX:
            raise Refused(f"{PEOPLE_MAX} users were changed already; reset first")
        self._changes = {**self._changes, user: claims}


@dataclasses.dataclass
class Grant:
    """One authorization code and what it was given for."""

    client_id: str
    redirect_uri: str
    user: str
    scope: str
    nonce: str
    code_challenge: str
    auth_time: int
    expires_at: int
    used: bool = False
    access_token: str = ""


class Grants:
    """Codes and access tokens. A code works once; used twice, what it gave is revoked."""

    def __init__(self, clock):
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self):
        with self._lock:
            self._codes = collections.OrderedDict()
            self._tokens = collections.OrderedDict()

    def add_code(self, **fields):
        now = self._clock.now()
        code = secrets.token_urlsafe(32)
        grant = Grant(auth_time=now, expires_at=now + CODE_LIFETIME_S, **fields)
        with self._lock:
            self._codes[code] = grant
            while len(self._codes) > GRANTS_MAX:
                self._codes.popitem(last=False)
        return code

    def take_code(self, code, client_id, redirect_uri, challenge):
        """Return (grant, access_token), or raise Refused. A code is spent by the first try that
        names its client, right or wrong, so that a verifier cannot be guessed."""
        with self._lock:
            grant = self._codes.get(code)
            if grant is None or grant.client_id != client_id:
                raise Refused("the code is unknown, or was given to another client")
            if grant.used:
                self._tokens.pop(grant.access_token, None)
                raise Refused("the code was used before; its access token is revoked")
            grant.used = True
            self._check(grant, redirect_uri, challenge)
            grant.access_token = self._add_token(grant)
            return grant, grant.access_token

    def _check(self, grant, redirect_uri, challenge):
        if self._clock.now() >= grant.expires_at:
            raise Refused(f"the code is older than {CODE_LIFETIME_S} seconds")
        if redirect_uri != grant.redirect_uri:
            raise Refused("redirect_uri is not the one of the authorization request")
        if not hmac.compare_digest(challenge, grant.code_challenge):
            raise Refused("code_verifier does not match code_challenge")

    def _add_token(self, grant):
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (grant, self._clock.now() + ACCESS_TOKEN_LIFETIME_S)
        while len(self._tokens) > GRANTS_MAX:
            self._tokens.popitem(last=False)
        return token

    def find_token(self, token):
        """The grant behind an access token, or None."""
        with self._lock:
            grant, expires_at = self._tokens.get(token, (None, 0))
        return grant if self._clock.now() < expires_at else None


class RequestLog:
    """Counts requests per path as they arrive, so that a test can assert that few were made.

    Only paths are kept: never a query, a header or a body.
    """

    def __init__(self):
        self._changed = threading.Condition()
        self._closed = False
        self.reset()

    def close(self):
        """Let go of whoever waits: the provider stops."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def reset(self):
        with self._changed:
            self._counts = collections.Counter()
            self._recent = collections.deque(maxlen=LOG_MAX)
            self._changed.notify_all()

    def arrived(self, method, path):
        entry = {"method": method, "path": path, "status": None}
        with self._changed:
            if path not in self._counts and len(self._counts) >= PATHS_MAX:
                path = entry["path"] = "other"
            self._counts[path] += 1
            self._recent.append(entry)
            self._changed.notify_all()
        return entry

    def answered(self, entry, status):
        with self._changed:
            entry["status"] = status
            self._changed.notify_all()

    def wait(self, path, count, timeout_s):
        """Wait until `path` was asked for `count` times; return how often it was."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._counts[path] >= count, timeout_s)
            return self._counts[path]

    def snapshot(self):
        with self._changed:
            return {"counts": dict(self._counts), "requests": [dict(e) for e in self._recent]}
