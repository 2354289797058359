#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The broker's processes against programs that were written apart from them, for `make check`, with Debian's Python.
python=/usr/bin/python3

if ! $python -c 'import pytest, jwcrypto, cryptography' 2>/dev/null; then
	echo "skipped: install python3-pytest, python3-jwcrypto and python3-cryptography"
	exit 77
fi
# node's oidc-provider, in the exact versions of node/package-lock.json. Why it is not there is what its tests say when they
# are skipped.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
modules=${CS_BUILDDIR:-$PWD}/tests/interop/npm

install_node_provider() {
	rm -f "$modules/missing"
	cmp -s "$here/node/package-lock.json" "$modules/installed" && return 0
	for program in node npm; do
		command -v $program >/dev/null || { echo "install $program, of Node.js 18 or newer" >"$modules/missing"; return 0; }
	done
	cp "$here/node/package.json" "$here/node/package-lock.json" "$modules" && chmod u+w "$modules"/package*.json || return 1
	npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund --no-update-notifier >"$modules/log" 2>&1 || {
		# A failure that is not the network's is one of the tests.
		grep -Eq 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED' "$modules/log" || {
			cat "$modules/log"
			return 1
		}
		echo "npm cannot reach its registry for oidc-provider; see $modules/log" >"$modules/missing"
		return 0
	}
	cp "$here/node/package-lock.json" "$modules/installed" && chmod u+w "$modules/installed"
}

mkdir -p "$modules" && install_node_provider || exit 1
PYTHONDONTWRITEBYTECODE=1 exec $python -m pytest -q -rsfE -p no:cacheprovider "${CS_SRCDIR:-.}/tests/interop"
