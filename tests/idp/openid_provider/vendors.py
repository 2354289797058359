# SPDX-License-Identifier: Apache-2.0
"""Every dialect by the name that the command line has for it."""

from .dialect import Dialect
from .google import Google
from .microsoft import Microsoft

ALL = {"openid": Dialect, "google": Google, "microsoft": Microsoft}
