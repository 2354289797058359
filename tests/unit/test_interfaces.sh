#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The interfaces are sound, and the code calls nothing that they do not have.
exec /usr/bin/python3 -B "$CS_SRCDIR/tests/unit/check_varlink.py" "$CS_SRCDIR"
