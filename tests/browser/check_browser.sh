#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of the pages in Debian's chromium, for `make check`. The driver and the checker of accessibility are
# installed into the build tree, in the exact versions of package-lock.json.
python=/usr/bin/python3
here=$(cd "$(dirname "$0")" && pwd) || exit 1
modules=${CS_BUILDDIR:-$PWD}/tests/browser/npm

skip() {
	echo "skipped: $1"
	exit 77
}

[ -x "${CS_CHROMIUM:-/usr/bin/chromium}" ] || skip "install chromium"
command -v node >/dev/null || skip "install nodejs, version 18 or newer"
command -v npm >/dev/null || skip "install npm"
$python -c 'import pytest, jwcrypto, cryptography' 2>/dev/null ||
	skip "install python3-pytest, python3-jwcrypto and python3-cryptography"

mkdir -p "$modules" || exit 1
if ! cmp -s "$here/package-lock.json" "$modules/installed"; then
	cp "$here/package.json" "$here/package-lock.json" "$modules" && chmod u+w "$modules"/package*.json || exit 1
	npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund --no-update-notifier >"$modules/log" 2>&1 || {
		# A failure that is not the network's is one of the tests.
		grep -Eq 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED' "$modules/log" &&
			skip "npm cannot reach its registry for playwright-core and axe-core; see $modules/log"
		cat "$modules/log"
		exit 1
	}
	cp "$here/package-lock.json" "$modules/installed" && chmod u+w "$modules/installed" || exit 1
fi

workers=
if $python -c 'import xdist' 2>/dev/null; then
	workers="-n 2 --dist loadfile"
fi
# A build with sanitizers is asked for the same pages by the gateway's tests: here its passkeys are enough.
only=$here
[ -z "$CS_SANITIZED" ] || only=$here/test_passkey.py
PYTHONDONTWRITEBYTECODE=1 exec $python -m pytest -q -rsfE -p no:cacheprovider $workers "$only"
