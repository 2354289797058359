#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The broker's processes against programs that were written apart from them, for `make check`, with Debian's Python.
python=/usr/bin/python3

if ! $python -c 'import pytest, jwcrypto, cryptography' 2>/dev/null; then
	echo "skipped: install python3-pytest, python3-jwcrypto and python3-cryptography"
	exit 77
fi
PYTHONDONTWRITEBYTECODE=1 exec $python -m pytest -q -rs -p no:cacheprovider "${CS_SRCDIR:-.}/tests/interop"
