#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of this folder with pytest.
python=/usr/bin/python3
if ! "$python" -c 'import pytest' 2>/dev/null; then
	echo "SKIP: install python3-pytest" >&2
	exit 77
fi
exec "$python" -B -m pytest -q -rsfE -p no:cacheprovider "$CS_SRCDIR/tests/parent"
