# quickstart and check, how to run a broker from the build tree, and the policies that are shipped.
EXTRA_DIST += \
	%reldir%/quickstart \
	%reldir%/try-cluster \
	%reldir%/check \
	%reldir%/lib/common.sh \
	%reldir%/lib/compile_commands.py \
	%reldir%/lib/count_tests.py \
	%reldir%/story/authority.py \
	%reldir%/story/broker.py \
	%reldir%/story/browser.py \
	%reldir%/story/chapters.py \
	%reldir%/story/client.py \
	%reldir%/story/cluster.py \
	%reldir%/story/common.py \
	%reldir%/story/fleet.py \
	%reldir%/story/play.py \
	%reldir%/story/screen.py

# Installed under $(docdir), as they stand here: packaging/policy/X becomes $(docdir)/policy/X.
policy_files = \
	%reldir%/policy/README.md \
	%reldir%/policy/mas-srf/README.md \
	%reldir%/policy/mas-srf/conf.d/mas-srf.conf \
	%reldir%/policy/mas-srf/services/mas-srf \
	%reldir%/policy/mas-srf/vectors \
	%reldir%/policy/pboc-2015-43/README.md \
	%reldir%/policy/pboc-2015-43/conf.d/pboc-2015-43.conf \
	%reldir%/policy/pboc-2015-43/services/pboc-2015-43 \
	%reldir%/policy/pboc-2015-43/services/pboc-2015-43-class-1 \
	%reldir%/policy/pboc-2015-43/services/pboc-2015-43-class-2 \
	%reldir%/policy/pboc-2015-43/services/pboc-2015-43-class-3 \
	%reldir%/policy/pboc-2015-43/services/pboc-static-qr \
	%reldir%/policy/pboc-2015-43/vectors \
	%reldir%/policy/psd2-rts/README.md \
	%reldir%/policy/psd2-rts/conf.d/psd2-rts.conf \
	%reldir%/policy/psd2-rts/services/psd2-rts \
	%reldir%/policy/psd2-rts/services/psd2-rts-contactless \
	%reldir%/policy/psd2-rts/services/psd2-rts-recurring \
	%reldir%/policy/psd2-rts/services/psd2-rts-trusted \
	%reldir%/policy/psd2-rts/vectors \
	%reldir%/policy/rbi-emandate/README.md \
	%reldir%/policy/rbi-emandate/conf.d/rbi-emandate.conf \
	%reldir%/policy/rbi-emandate/services/rbi-emandate \
	%reldir%/policy/rbi-emandate/services/rbi-emandate-lakh \
	%reldir%/policy/rbi-emandate/vectors
example_files = \
	%reldir%/examples/countersign.conf \
	%reldir%/examples/conf.d/checkout.conf \
	%reldir%/examples/conf.d/gate.conf \
	%reldir%/examples/conf.d/wallet.conf \
	%reldir%/examples/redis/redis.conf \
	%reldir%/examples/services/checkout \
	%reldir%/examples/services/common \
	%reldir%/examples/services/gate \
	%reldir%/examples/services/other \
	%reldir%/examples/services/wallet
pages = doc/from-pam.md doc/scaling.md doc/shared-store.md
EXTRA_DIST += $(policy_files) $(example_files) $(pages) doc/step-up.png

# What is known of identity providers that many have; read by `include "profiles/*.conf"`.
profilesdir = $(sysconfdir)/countersign/profiles
dist_profiles_DATA = \
	%reldir%/profiles/alipay.conf \
	%reldir%/profiles/apple.conf \
	%reldir%/profiles/google.conf \
	%reldir%/profiles/microsoft.conf \
	%reldir%/profiles/phone-cn.conf \
	%reldir%/profiles/wechat.conf

# What `countersignctl plugin new` writes out, with the plugin's name filled in.
skeletondir = $(pkgdatadir)/plugin-skeleton
dist_skeleton_DATA = \
	%reldir%/plugin-skeleton/Makefile.am \
	%reldir%/plugin-skeleton/Makefile.make \
	%reldir%/plugin-skeleton/README.md \
	%reldir%/plugin-skeleton/configure.ac \
	%reldir%/plugin-skeleton/factor.c \
	%reldir%/plugin-skeleton/notify.c \
	%reldir%/plugin-skeleton/provider.c \
	%reldir%/plugin-skeleton/risk.c \
	%reldir%/plugin-skeleton/token.c

install-data-local: install-policy
install-policy:
	@for file in $(policy_files) $(example_files); do \
		to="$(DESTDIR)$(docdir)/$${file#packaging/}"; \
		$(MKDIR_P) "$$(dirname "$$to")" && $(INSTALL_DATA) "$(srcdir)/$$file" "$$to" || exit 1; \
	done
	@for file in $(pages); do $(INSTALL_DATA) "$(srcdir)/$$file" "$(DESTDIR)$(docdir)/$${file#doc/}" || exit 1; done
uninstall-local: uninstall-policy
uninstall-policy:
	rm -rf "$(DESTDIR)$(docdir)/policy" "$(DESTDIR)$(docdir)/examples" "$(DESTDIR)$(docdir)/from-pam.md" \
		"$(DESTDIR)$(docdir)/shared-store.md"

quickstart_programs = countersignd countersign-engine countersign-gateway countersign-worker countersignctl \
	plugins/oidc.la plugins/totp.la plugins/webhook.la plugins/misbehave.la

quickstart-programs: $(BUILT_SOURCES)
	@$(MAKE) $(AM_MAKEFLAGS) $(quickstart_programs)

# A broker of this build tree with a scratch configuration, until Ctrl-C. RUN_FLAGS="--story" plays the story first.
RUN_FLAGS =
run: quickstart-programs
	@/usr/bin/python3 -B $(srcdir)/%reldir%/story/play.py --build . --no-story $(RUN_FLAGS)

# The whole of `make check` with AddressSanitizer and UBSan, in asan-build/ of the build tree. -g1 names functions and lines in
# reports, and is compiled in four fifths of the time of -g.
ASAN_FLAGS = address,undefined
check-asan:
	@$(MKDIR_P) asan-build
	@test -f asan-build/Makefile || { cd asan-build && \
		$(abs_top_srcdir)/configure -q --enable-werror --enable-sanitize=$(ASAN_FLAGS) CFLAGS="-g1 -O1"; }
	@CS_SANITIZED=1 ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}" \
	 UBSAN_OPTIONS="$${UBSAN_OPTIONS:-print_stacktrace=1}" \
		$(MAKE) $(AM_MAKEFLAGS) -C asan-build check

# What has threads, with ThreadSanitizer, in tsan-build/: the store's helper thread and the client library.
TSAN_TESTS = tests/store/test_cache tests/store/test_contract tests/store/test_crash tests/store/test_mem \
	tests/store/test_sqlite tests/unit/test_client
check-tsan:
	@$(MKDIR_P) tsan-build
	@test -f tsan-build/Makefile || { cd tsan-build && \
		$(abs_top_srcdir)/configure -q --enable-werror --enable-sanitize=thread CFLAGS="-g -O1"; }
	@TSAN_OPTIONS="$${TSAN_OPTIONS:-second_deadlock_stack=1}" \
		$(MAKE) $(AM_MAKEFLAGS) -C tsan-build check check_PROGRAMS="$(TSAN_TESTS)" TESTS="$(TSAN_TESTS)"

# What the compiler does not say: layering, words, layout. clang-tidy's findings are advice.
tidy: compile_commands.json
	@$(srcdir)/tests/unit/check_tidy
	@command -v clang-tidy >/dev/null || { echo "tidy: install clang-tidy" >&2; exit 1; }
	@clang-tidy -p . --quiet --checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling' \
		$$(cd $(srcdir) && find $(abs_top_srcdir)/broker $(abs_top_srcdir)/plugins -name '*.c') 2>/dev/null

format:
	@command -v clang-format >/dev/null || { echo "format: install clang-format" >&2; exit 1; }
	@cd $(srcdir) && clang-format -i $$(find broker plugins include tests examples -name '*.[ch]')

# For editors and clang-tidy: what make would run, without running it.
# compile_old: what makes makefiles is left alone, which -B would otherwise make again.
compile_old = -o Makefile -o config.status -o config.h -o stamp-h1 -o $(srcdir)/Makefile.in -o $(srcdir)/configure \
	-o $(srcdir)/aclocal.m4 -o $(srcdir)/config.h.in -o libtool
compile_commands.json: Makefile
	$(AM_V_GEN)$(MAKE) -s -n -B V=1 $(compile_old) all 2>/dev/null | /usr/bin/python3 -B \
		$(srcdir)/%reldir%/lib/compile_commands.py $(abs_builddir) $(abs_srcdir) > $@.tmp && mv $@.tmp $@
CLEANFILES += compile_commands.json

clean-local: clean-asan
clean-asan:
	rm -rf asan-build tsan-build
.PHONY: install-policy uninstall-policy quickstart-programs run check-asan check-tsan tidy format clean-asan
