#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of this folder with pytest.
python=/usr/bin/python3
if ! "$python" -c 'import pytest' 2>/dev/null; then
	echo "SKIP: pytest is missing: install python3-pytest" >&2
	exit 77
fi
# Skeletons are built with the compiler of whoever writes a plugin: sanitizers of ours have no part in it.
without=
[ -z "$CS_SANITIZED" ] || without="--ignore=$CS_SRCDIR/tests/ctl/test_plugin_new.py"
exec "$python" -B -m pytest -q -rsfE -p no:cacheprovider $without "$CS_SRCDIR/tests/ctl"
