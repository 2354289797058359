# SPDX-License-Identifier: Apache-2.0
"""Where the built programs are."""
import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def source():
    return pathlib.Path(os.environ.get("CS_SRCDIR", pathlib.Path(__file__).parents[2]))


@pytest.fixture(scope="session")
def build():
    return pathlib.Path(os.environ.get("CS_BUILDDIR", "."))
