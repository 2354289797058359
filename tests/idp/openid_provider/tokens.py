# SPDX-License-Identifier: Apache-2.0
"""ID tokens: the claims of an honest one, and the steps of signing that a switch may bend.

JWS is put together by hand (RFC 7515 section 7.1), since a JOSE library would refuse to make
most of the tokens that a test needs. The tests verify honest tokens with jwcrypto.
"""

import base64
import dataclasses
import hashlib
import json
from typing import Callable, Optional

from .keys import KeyRing, SigningKey


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def compact_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def half_hash(text):
    """at_hash of OpenID Connect Core section 3.1.3.6, for algorithms over SHA-256."""
    return b64url(hashlib.sha256(text.encode("ascii")).digest()[:16])


@dataclasses.dataclass
class Draft:
    """A token on its way to being signed. Switches change it; `seal` makes the string.

    `encode` and `encode_header` turn the objects into bytes, `sign` turns the signing input into
    a signature, and each of `finish` turns the compact form into what is sent.
    """

    header: dict
    claims: dict
    key: SigningKey
    ring: KeyRing
    now: int
    client_secret: str = ""
    encode: Callable = compact_json
    encode_header: Callable = compact_json
    sign: Optional[Callable] = None
    finish: list = dataclasses.field(default_factory=list)

    def use_key(self, key):
        """Sign with another key, leaving the header as it is."""
        self.sign = key.sign


def draft(provider, client, claims, alg=None):
    """`alg`: the client's own; of a dialect that has one, that."""
    wanted = alg or client.alg
    algorithms = provider.dialect.algorithms
    key = provider.ring.current(wanted if wanted in algorithms else algorithms[0])
    return Draft(provider.dialect.header(key), dict(claims), key, provider.ring, provider.clock.now(),
                 client.secret, sign=key.sign)


def seal(token):
    parts = token.encode_header(token.header), token.encode(token.claims)
    signing_input = ".".join(b64url(part) for part in parts)
    signature = token.sign(signing_input.encode("ascii"))
    text = f"{signing_input}.{b64url(signature)}"
    for step in token.finish:
        text = step(text)
    return text


def honest_claims(provider, audience, person, user, nonce):
    """The claims of an honest ID token; `person` is a dict with sub, email and the like."""
    dialect, now = provider.dialect, provider.clock.now()
    claims = {
        "iss": dialect.issuer(provider, person),
        "aud": audience,
        "exp": now + dialect.id_token_lifetime_s,
        "iat": now,
        "auth_time": now,
        "amr": ["pwd"],
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if isinstance(audience, list) and len(audience) > 1:
        claims["azp"] = audience[0]  # Core section 2: needed when there are several audiences
    first = audience[0] if isinstance(audience, list) and audience else audience
    return merge(claims, dialect.claims(provider, first, person, user))


def merge(claims, overrides):
    """Claims with overrides applied; null drops a claim."""
    merged = {**claims, **overrides}
    return {name: value for name, value in merged.items() if value is not None}
