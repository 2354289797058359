# SPDX-License-Identifier: Apache-2.0
# What quickstart and check share: saying things, Debian packages, long steps with progress. Sourced by bash.

# The libraries and tools that ./configure asks for, as Debian 12 names them.
build_packages=(gcc libc6-dev make autoconf automake libtool pkg-config libssl-dev libevent-dev libhiredis-dev libsqlite3-dev tzdata
	libjansson-dev libcjose-dev liboauth2-dev libcurl4-openssl-dev liboath-dev libfido2-dev libpam0g-dev
	libqrencode-dev libseccomp-dev)
# What the OpenID Provider on loopback, the story and the tests are written in.
python_packages=(python3 python3-cryptography python3-jwcrypto)

me=${0##*/}
cores=$(nproc 2>/dev/null || echo 2)
on_tty=false
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then on_tty=true; fi
bold= dim= red= green= yellow= plain=
if $on_tty && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
fi

say() { printf '%s\n' "$*"; }

die() {
	printf '%s: %s\n' "$me" "$1" >&2
	shift
	[ $# -eq 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

# The job of run_step, stopped when we are.
step_pid=
stop_step() {
	[ -z "$step_pid" ] || kill -TERM -- "-$step_pid" 2>/dev/null || kill -TERM "$step_pid" 2>/dev/null || true
}
trap 'stop_step; $on_tty && printf "\r\e[K"; exit 130' INT
trap 'stop_step; exit 143' TERM

# run_step TEXT LOG COMMAND...: quiet when it is short or when all is well. On a terminal one line tells what goes on and
# is then erased; elsewhere a long step says that it began, that it goes on, and that it ended. step_note, a function that
# prints a few words, adds how far it is. Returns the status of COMMAND; its output is in LOG.
long_step_s=2
tell_every_s=60
step_note() { :; }
run_step() {
	local text=$1 log=$2 began=$SECONDS told=0 passed=0 status=0 note beats='|/-\' beat=0
	shift 2
	set -m # a process group of its own, so that all of it can be stopped
	"$@" >"$log" 2>&1 </dev/null &
	step_pid=$!
	set +m
	while kill -0 "$step_pid" 2>/dev/null; do
		sleep 0.2
		passed=$((SECONDS - began))
		if $on_tty; then
			note=$(step_note "$log")
			beat=$(((beat + 1) % 4))
			printf '\r\e[K%s %s %s' "${dim}${beats:beat:1}${plain}" "$text" "${dim}${passed} s${note:+, $note}${plain}"
		elif [ "$passed" -ge "$long_step_s" ] && [ "$told" -eq 0 ]; then
			say "$text ..."
			told=$SECONDS
		elif [ "$told" -ne 0 ] && [ $((SECONDS - told)) -ge "$tell_every_s" ]; then
			note=$(step_note "$log")
			say "  $passed s${note:+, $note}"
			told=$SECONDS
		fi
	done
	wait "$step_pid" || status=$?
	step_pid=
	if $on_tty; then
		printf '\r\e[K'
	elif [ "$told" -ne 0 ] && [ "$status" -eq 0 ]; then
		say "  done in $passed s"
	fi
	return "$status"
}

# The end of a log, for a step that failed.
log_end() {
	printf '%s\n' "${dim}--- the end of $1${plain}" >&2
	tail -n "${2:-25}" "$1" >&2
	printf '%s\n' "${dim}---${plain}" >&2
}

missing_packages() {
	local package
	for package in "$@"; do
		case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) printf '%s\n' "$package" ;;
		esac
	done
}

# Installs those of the named Debian packages that are missing.
need_packages() {
	local log=$1 missing root=()
	shift
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "This is no Debian: install the counterparts of: $*"
		return 0
	fi
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		root=(sudo)
		[ -t 0 ] || root=(sudo -n)
		command -v sudo >/dev/null || die "these Debian packages are missing, and only root may install them:" \
			"${missing[*]}" "Run this as root once, or: apt-get install ${missing[*]}"
		say "Installing ${#missing[@]} Debian packages needs sudo: ${missing[*]}"
		"${root[@]}" true || die "sudo did not let us. Have an administrator run:" "apt-get install ${missing[*]}"
	fi
	local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120)
	if run_step "Installing ${#missing[@]} Debian packages" "$log" \
		"${apt[@]}" install --no-install-recommends "${missing[@]}"; then
		return 0
	fi
	run_step "Reading Debian's package lists" "$log" "${apt[@]}" update || true # install says what is wrong
	run_step "Installing ${#missing[@]} Debian packages" "$log" \
		"${apt[@]}" install --no-install-recommends "${missing[@]}" && return 0
	log_end "$log"
	die "apt-get could not install: ${missing[*]}" "Repeat it with: apt-get update && apt-get install ${missing[*]}"
}

# Makes configure when it is missing or older than what it is made from.
need_bootstrap() {
	local log=$1
	if [ ! -f "$top/configure" ] || [ ! -f "$top/Makefile.in" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
		[ -w "$top" ] || die "$top is not writable, and autoconf writes configure there." "Clone it to a place of your own."
		run_step "Making configure" "$log" "$top/bootstrap" || { log_end "$log"; die "./bootstrap failed"; }
	fi
}

# build_note: how many files of $files_total are compiled, from the lines that automake's silent rules print.
files_total=0
build_note() {
	local files
	files=$(grep -cE '^ +(CC|CCLD) ' "$1" 2>/dev/null) || true
	[ "$files" -eq 0 ] || printf '%s' "$files files"
}

# build_for_story [PACKAGE...]: installs what is missing, with these, and builds what the story plays on in
# build-quickstart/, which it leaves in $build. One at a time.
build_for_story() {
	local began=$SECONDS
	build=$top/build-quickstart
	mkdir -p "$build" 2>/dev/null || die "cannot make $build: clone the project to a place of your own"
	[ -w "$build" ] || die "$build belongs to somebody else: clone the project to a place of your own"
	exec 9>"$build/.lock"
	flock -n 9 || { say "Another quickstart is building; waiting for it."; flock 9; }
	need_packages "$build/packages.log" "${build_packages[@]}" "${python_packages[@]}" curl "$@"
	need_bootstrap "$build/bootstrap.log"
	if [ ! -f "$build/Makefile" ] || [ "$top/configure" -nt "$build/config.status" ]; then
		run_step "Configuring" "$build/configure.log" env -C "$build" "$top/configure" CFLAGS=-O2 ||
			{ log_end "$build/configure.log"; die "configure failed: the line above its last says why"; }
	fi
	step_note() { build_note "$1"; }
	run_step "Building with $cores cores" "$build/build.log" make -C "$build" -j"$cores" quickstart-programs ||
		{ log_end "$build/build.log"; die "the build failed" "Repeat it with: make -C $build quickstart-programs"; }
	exec 9>&-
	[ $((SECONDS - began)) -lt 5 ] || say "Built in $((SECONDS - began)) s; a second run takes seconds."
}
