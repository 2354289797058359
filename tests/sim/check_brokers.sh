#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Several brokers over one store that forgets: sound ones pass, and each of those that are wrong on purpose is found out.
sim=$CS_BUILDDIR/tests/sim/sim
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
ulimit -c 0
seed=${SEED:-$(date +%s)}

for brokers in 2 3; do
	for how in sound forgetful; do
		if ! "$sim" "$seed" 5000 $brokers $how >"$log" 2>&1; then
			tail -n 5 "$log"
			echo "FAIL: sim $seed 5000 $brokers $how" >&2
			exit 1
		fi
		tail -n 1 "$log"
	done
done
# With sanitizers each of these runs costs many seconds, and shows nothing more.
[ -z "$CS_SANITIZED" ] || exit 0
for fault in no-repair no-journal no-question no-tenure no-ground; do
	tries=0
	first=$seed
	# Another record of the same revision is rare, one seed in a hundred, and so is an answer that rests on what nobody else has: so
	# from seeds that are near one.
	[ $fault != no-tenure ] || first=60
	[ $fault != no-ground ] || first=500010
	while "$sim" $((first + tries)) 5000 3 $fault >"$log" 2>&1; do
		tries=$((tries + 1))
		if [ $tries -eq 40 ]; then
			echo "FAIL: nobody noticed $fault, with seeds from $first on" >&2
			exit 1
		fi
	done
	grep -q 'invariant broken\|was permitted; now' "$log" || { tail -n 5 "$log"; exit 1; }
	echo "$fault is found out, after $tries runs that did not show it"
done
