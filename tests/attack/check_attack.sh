#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the attacks of this folder for `make check`, with Debian's Python, two brokers at a time where xdist is there.
python=/usr/bin/python3
here=$(cd "$(dirname "$0")" && pwd) || exit 1

if ! $python -c 'import pytest, jwcrypto, cryptography' 2>/dev/null; then
	echo "skipped: install python3-pytest, python3-jwcrypto and python3-cryptography"
	exit 77
fi
workers=
if $python -c 'import xdist' 2>/dev/null; then
	workers="-n 2 --dist loadfile"
fi
PYTHONDONTWRITEBYTECODE=1 exec $python -m pytest -q -rsfE -p no:cacheprovider $workers "$here"
