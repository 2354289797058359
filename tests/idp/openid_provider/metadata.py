# SPDX-License-Identifier: Apache-2.0
"""What the provider publishes about itself: OpenID Connect Discovery 1.0 and its JWKS."""

from .keys import ALGORITHMS


def discovery(provider, request):
    issuer = provider.issuer
    return provider.answer("discovery", request, {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["openid", "email", "profile"],
        "prompt_values_supported": ["none", "login"],
        "claims_supported": ["sub", "email", "email_verified", "name", "auth_time", "amr"],
    })


def jwks(provider, request):
    dialect = provider.dialect
    keys = [dialect.published(provider, key) for key in provider.ring.published()
            if key.alg in dialect.algorithms]
    return provider.answer("jwks", request, {"keys": keys})
