#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of this folder for `make check`, with Debian's Python, three files at a time where xdist is there.
# CS_LONG=1 plays the long ones too; with CS_SANITIZED=1 only the attacks and the checker are played.
python=/usr/bin/python3
here=$(cd "$(dirname "$0")" && pwd) || exit 1

if ! $python -c 'import pytest, jwcrypto, cryptography' 2>/dev/null; then
	echo "skipped: install python3-pytest, python3-jwcrypto and python3-cryptography"
	exit 77
fi
if ! command -v redis-server >/dev/null; then
	echo "skipped: install redis-server"
	exit 77
fi
workers=
if $python -c 'import xdist' 2>/dev/null; then
	workers="-n 3 --dist loadfile" # they wait more than they work
fi
what=$here
if [ "${CS_SANITIZED:-}" = 1 ]; then
	what="$here/test_checker.py $here/test_attacks.py"
fi
# shellcheck disable=SC2086 # words
PYTHONDONTWRITEBYTECODE=1 exec $python -m pytest -q -rsfE -p no:cacheprovider $workers $what
