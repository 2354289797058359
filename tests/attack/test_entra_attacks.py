# SPDX-License-Identifier: Apache-2.0
"""nOAuth against a broker that takes people of any tenant: whoever runs a tenant writes any address into it."""
import tempfile
import uuid

import pytest

from harness import STACK, Broker

from idp import start as start_provider  # of tests/idp, which harness put on the path
from openid_provider.microsoft import TENANT, Microsoft
from relying_party import RelyingParty

THIEFS = "11111111-2222-3333-4444-555555555555"
APP = "6731de76-14a6-49ae-97bc-6eba6914391e"
BLOCK = """
provider "microsoft" {{
    plugin "microsoft"  servers 1 deadline 20s cooling-off 0
    controls mail-domain "outlook.com"  syncs-secrets no
    set tenant "common"  set allow-tenant "any"
    set client-id "{app}"
    set authority "{issuer}"
    set ca-file "{ca}"
}}
"""


class EntraBroker(Broker):
    """`entra` mints tokens as Microsoft's apps get them."""

    def __init__(self):
        self._entra_dir = tempfile.TemporaryDirectory(prefix="cs-entra.")
        self._entra = start_provider(self._entra_dir.name, name="contoso", dialect=Microsoft())
        self.entra = RelyingParty(self._entra.issuer, self._entra.ca, APP)
        super().__init__(extra=BLOCK.format(app=APP, issuer=self._entra.issuer, ca=self._entra.ca),
                         clients=(("microsoft", APP),),
                         stack=STACK.replace("provider    sandbox", "provider    sandbox microsoft")
                         .replace("session     max-age=30d", "session"))

    def token(self, nonce, tid, oid, **claims):
        return self.entra.control("mint", user="alice", aud=APP, nonce=nonce, overrides={
            "iss": f"{self._entra.issuer}/{tid}/v2.0", "tid": tid, "oid": oid, **claims})["id_token"]

    def stop(self):
        status = super().stop()
        self.entra.close()
        self._entra.stop()
        self._entra_dir.cleanup()
        return status


@pytest.fixture(scope="module")
def running():
    broker = EntraBroker()
    yield broker
    log = broker.log()
    assert broker.stop() == 0, log
    assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture
def victim(broker):
    """An account with an ID of the organization's tenant."""
    person = broker.person(linked=False)
    person.oid = str(uuid.uuid4())
    begun = broker.service.call("Links.Begin", account=person.account, provider="microsoft", native=True)
    proposed = broker.service.call("Links.Complete", sign_in=begun["sign_in"],
                                   id_token=broker.token(begun["nonce"], TENANT, person.oid, email="boss@contoso.test"))
    assert proposed["outcome"] == "step_up", proposed
    person.confirm(proposed["challenge"]["id"])
    return person


def opened(broker, tid, oid, **claims):
    begun = broker.service.call("Sessions.Begin", provider="microsoft")
    token = broker.token(begun["nonce"], tid, oid, **claims)
    return {"sign_in": begun["sign_in"], "id_token": token}


def test_L2_the_owner_comes_in_with_whatever_address(broker, victim):
    for address in ("boss@contoso.test", "renamed@contoso.test", None):
        assert broker.service.call("Sessions.Open", **opened(broker, TENANT, victim.oid, email=address))[
            "account"] == victim.account


@pytest.mark.parametrize("claims", [
    {"email": "boss@contoso.test"},
    {"preferred_username": "boss@contoso.test", "upn": "boss@contoso.test", "email": "boss@contoso.test"},
    {"email": "boss@contoso.test", "email_verified": True, "xms_edov": "1"},
])
def test_L2_the_address_in_an_attackers_tenant_finds_nobody(broker, victim, log, claims):
    error = broker.service.fails("Sessions.Open", **opened(broker, THIEFS, str(uuid.uuid4()), **claims))
    assert error.parameters == {"what": "link"}
    log.strangers("checkout", "link")
    assert log.events(victim.account, "session_opened") == []


def test_L2_the_owners_object_id_in_another_tenant_is_somebody_else(broker, victim, log):
    error = broker.service.fails("Sessions.Open", **opened(broker, THIEFS, victim.oid))
    assert error.parameters == {"what": "link"}
    log.strangers("checkout", "link")


def test_L2_a_tenant_that_says_it_is_another_is_refused(broker, victim, log):
    """The token is of the attacker's tenant, and names the owner's in tid."""
    error = broker.service.fails("Sessions.Open", **opened(
        broker, TENANT, victim.oid, iss=f"{broker.entra.issuer}/{THIEFS}/v2.0"))
    assert error.parameters == {"field": "id_token", "reason": "bad_issuer"}
    log.strangers("checkout", "bad_issuer")
