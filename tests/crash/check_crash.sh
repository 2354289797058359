#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of this folder for `make check`, with Debian's Python. CS_CRASH_SEED repeats a run.
python=/usr/bin/python3
here=$(cd "$(dirname "$0")" && pwd) || exit 1

if ! $python -c 'import pytest, jwcrypto, cryptography' 2>/dev/null; then
	echo "skipped: install python3-pytest, python3-jwcrypto and python3-cryptography"
	exit 77
fi
PYTHONDONTWRITEBYTECODE=1 exec $python -m pytest -q -rsfE -p no:cacheprovider "$here"
