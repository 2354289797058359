#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every plugin shows exactly one symbol of its own, so that no two plugins or libraries can meet by a name.
status=0
for so in plugins/.libs/*.so; do
	# What a sanitizer adds is not the plugin's.
	shown=$(nm -D --defined-only "$so" | awk '{print $3}' | grep -v -e '^__asan_' -e '^__odr_asan' -e '^__ubsan_')
	if [ "$shown" != countersign_plugin_v1 ]; then
		echo "$so shows: $shown"
		status=1
	fi
done
[ -e plugins/.libs/totp.so ] && [ -e plugins/.libs/oidc.so ] || { echo "no plugins were built"; status=1; }
exit $status
