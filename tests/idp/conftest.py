# SPDX-License-Identifier: Apache-2.0
"""One provider for all tests of this folder, back at its start before each of them."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from idp import start  # noqa: E402
from relying_party import RelyingParty  # noqa: E402


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    handle = start(tmp_path_factory.mktemp("idp"))
    yield handle
    handle.stop()


@pytest.fixture
def rp(provider):
    """A confidential client of a provider in its initial state."""
    party = RelyingParty(provider.issuer, provider.ca)
    party.control("reset")
    party.register()
    yield party
    party.close()
