# SPDX-License-Identifier: Apache-2.0
"""The worker with the plugin microsoft against an imitation of Microsoft's endpoints. Attack L2 (nOAuth) is here too."""

import uuid

import pytest

from idp import start
from openid_provider.microsoft import PERSONAL, TENANT, Microsoft
from relying_party import RelyingParty
from sign_in import answer, authorization_url, exchange, identify, mint

OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    handle = start(tmp_path_factory.mktemp("entra"), name="contoso", dialect=Microsoft())
    yield handle
    handle.stop()


@pytest.fixture
def rp(provider):
    provider.dialect.key_issuer = None
    party = RelyingParty(provider.issuer, provider.ca, "6731de76-14a6-49ae-97bc-6eba6914391e",
                         authorize="/organizations/oauth2/v2.0/authorize")
    party.control("reset")
    party.register(alg="RS256")
    yield party
    party.close()


@pytest.fixture
def microsoft(start_worker, provider, rp, tmp_path):
    """Starts a worker for a tenant, with more lines in its block."""
    secret = tmp_path / "secret"
    secret.write_text(rp.secret + "\n")
    secret.chmod(0o600)

    def start_one(tenant, lines=""):
        worker = start_worker("microsoft", "provider", f"""
        set tenant "{tenant}"
        set client-id "{rp.client_id}"
        set client-secret file "{secret}"
        set ca-file "{provider.ca}"
        set authority "{provider.issuer}"
        {lines}""")
        assert worker.ready, worker.log()
        return worker.connect()

    return start_one


def of(connection, rp, **claims):
    """How a token with these claims is judged; iss follows tid."""
    tid = claims.setdefault("tid", TENANT)
    claims.setdefault("iss", f"{rp.issuer}/{tid}/v2.0")
    return answer(identify, connection, rp, id_token=mint(rp, alg="RS256", overrides=claims))


def test_sign_in_from_url_to_identity(microsoft, rp):
    connection = microsoft("organizations", f'set allow-tenant "{TENANT}"')
    url = authorization_url(connection, rp)
    assert url.startswith(rp.issuer + "/organizations/oauth2/v2.0/authorize?")
    came = rp.get(url[len(rp.issuer):] + "&prompt=none&login_hint=alice").redirect_fields()
    assert "iss" not in came
    got = exchange(connection, rp, came["code"][0], iss=None)
    assert got["issuer"] == f"{rp.issuer}/{TENANT}/v2.0"
    assert str(uuid.UUID(got["subject"])) == got["subject"]
    assert got["display"] == "alice@contoso.test" and "evidence" not in got


def test_person_is_tenant_and_object_id(microsoft, rp):
    """`sub` differs for each client; another tenant's person with the same oid is somebody else."""
    connection = microsoft("common", 'set allow-tenant "any"')
    oid = str(uuid.uuid4())

    def who(**claims):
        tid = claims.get("tid", TENANT)
        token = mint(rp, overrides={"oid": oid, "iss": f"{rp.issuer}/{tid}/v2.0", **claims})
        got = identify(connection, rp, id_token=token)
        return got["issuer"], got["subject"]

    assert who(sub="one") == who(sub="two") == (f"{rp.issuer}/{TENANT}/v2.0", oid)
    assert who(tid=OTHER) != who()


def test_tenants_that_may_sign_in(microsoft, rp):
    connection = microsoft("common", f'set allow-tenant "{TENANT}" "personal"')
    assert of(connection, rp) == "good"
    assert of(connection, rp, tid=PERSONAL) == "good"
    assert of(connection, rp, tid=OTHER) == "bad_issuer"


@pytest.mark.parametrize("tenant,own", [(TENANT, TENANT), ("consumers", PERSONAL)])
def test_one_tenant_needs_no_list(microsoft, rp, tenant, own):
    connection = microsoft(tenant)
    assert of(connection, rp, tid=own) == "good"
    assert of(connection, rp, tid=OTHER) == "bad_issuer"


def test_issuer_and_tenant_must_be_the_same(microsoft, rp):
    connection = microsoft("common", 'set allow-tenant "any"')
    assert of(connection, rp, iss=f"{rp.issuer}/{OTHER}/v2.0") == "bad_issuer"
    assert of(connection, rp, iss=f"https://sts.windows.net/{TENANT}/") == "bad_issuer"
    assert of(connection, rp, iss=rp.issuer + "/{tenantid}/v2.0") == "bad_issuer"
    assert of(connection, rp, tid="../" + TENANT, iss=f"{rp.issuer}/../{TENANT}/v2.0") == "bad_issuer"
    assert of(connection, rp, tid=TENANT.upper()) == "bad_issuer"
    assert of(connection, rp, tid=None, iss=f"{rp.issuer}/{TENANT}/v2.0") == "bad_issuer"
    assert of(connection, rp, oid=None) == "bad_token"
    assert of(connection, rp, oid="alice@contoso.test") == "bad_token"


def test_key_of_one_tenant_signs_for_no_other(microsoft, rp, provider):
    provider.dialect.key_issuer = f"{provider.issuer}/{OTHER}/v2.0"
    connection = microsoft("common", 'set allow-tenant "any"')
    assert of(connection, rp) == "bad_key"
    assert of(connection, rp, tid=OTHER) == "good"


def test_l2_mutable_address_of_an_attackers_tenant(microsoft, rp):
    """nOAuth: whoever runs a tenant writes any address into it. It neither finds nor proves anybody."""
    connection = microsoft("common", 'set allow-tenant "any"')

    def sign_in(tid, oid, **claims):
        return identify(connection, rp, id_token=mint(rp, overrides={
            "tid": tid, "oid": oid, "iss": f"{rp.issuer}/{tid}/v2.0", "email": "victim@contoso.test",
            "preferred_username": "victim@contoso.test", "upn": "victim@contoso.test", **claims}))

    victim = sign_in(TENANT, str(uuid.uuid4()))
    attacker = sign_in(OTHER, str(uuid.uuid4()), email_verified=True, verified_primary_email=["victim@contoso.test"])
    assert (victim["issuer"], victim["subject"]) != (attacker["issuer"], attacker["subject"])
    assert "victim" not in attacker["subject"] + attacker["issuer"]
    assert "evidence" not in attacker
    # Only where Microsoft says that the tenant owns the domain is the address worth anything.
    assert sign_in(OTHER, str(uuid.uuid4()), xms_edov=True)["evidence"] == ["email 0 victim@contoso.test"]
    assert "evidence" not in sign_in(OTHER, str(uuid.uuid4()), xms_edov=False)


def test_microsofts_refusals(microsoft, rp):
    connection = microsoft("organizations", 'set allow-tenant "any"')
    assert answer(exchange, connection, rp, "0.made-up", iss=None) == "bad_code"
    rp.register(alg="RS256", secret="another")
    assert answer(exchange, connection, rp, iss=None) == "provider_error"


@pytest.mark.parametrize("tenant,lines,said", [
    ("organizations", "", "allow-tenant is missing"),
    ("contoso.example", "", "allow-tenant is missing"),
    ("common", 'set allow-tenant "contoso.example"', "allow-tenant must be a tenant's id"),
    ("../common", 'set allow-tenant "any"', "tenant must be an id or a name"),
])
def test_configuration_that_would_let_anybody_in(start_worker, provider, rp, tenant, lines, said):
    worker = start_worker("microsoft", "provider", f"""
    set tenant "{tenant}"
    set client-id "{rp.client_id}"
    set ca-file "{provider.ca}"
    {lines}""")
    assert not worker.ready and said in worker.log()
