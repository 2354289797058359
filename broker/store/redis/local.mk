# store/redis: the shared store, see README.md. Its network layer is the fleet. Its scripts are files of their own, of
# which the build makes texts.
noinst_LTLIBRARIES += libstoreredis.la
libstoreredis_la_SOURCES = \
	%reldir%/claim_code.c %reldir%/claim_code.h \
	%reldir%/claim_take.c %reldir%/claim_take.h \
	%reldir%/claims.c %reldir%/claims.h %reldir%/claims_int.h \
	%reldir%/claims_find.c \
	%reldir%/commit_call.c \
	%reldir%/commit_code.c %reldir%/commit_code.h \
	%reldir%/address.c %reldir%/address.h \
	%reldir%/fleet.c %reldir%/fleet.h %reldir%/fleet_int.h \
	%reldir%/fleet_batch.c \
	%reldir%/fleet_greet.c \
	%reldir%/fleet_node.c \
	%reldir%/replies.c %reldir%/replies.h \
	%reldir%/tls.c %reldir%/tls.h \
	%reldir%/wire.c %reldir%/wire.h \
	%reldir%/import.c %reldir%/import.h \
	%reldir%/gate.h \
	%reldir%/journal.c %reldir%/journal.h %reldir%/journal_int.h \
	%reldir%/ground.c %reldir%/ground.h \
	%reldir%/journal_code.c %reldir%/journal_code.h \
	%reldir%/journal_file.c \
	%reldir%/lanes.c %reldir%/lanes.h \
	%reldir%/layout.c %reldir%/layout.h \
	%reldir%/members.c %reldir%/members.h \
	%reldir%/merge.c %reldir%/merge.h \
	%reldir%/pollset.c %reldir%/pollset.h \
	%reldir%/redis.c %reldir%/redis.h %reldir%/redis_int.h \
	%reldir%/redis_calls.c \
	%reldir%/redis_commit.c \
	%reldir%/redis_open.c \
	%reldir%/redis_read.c \
	%reldir%/redis_report.c \
	%reldir%/redis_words.c \
	%reldir%/repair.c \
	%reldir%/scan.c %reldir%/scan.h %reldir%/scan_int.h \
	%reldir%/scan_all.c %reldir%/scan_heads.c %reldir%/scan_one.c \
	%reldir%/scan_merge.c %reldir%/scan_merge.h \
	%reldir%/scripts.c %reldir%/scripts.h \
	%reldir%/slots.c %reldir%/slots.h \
	%reldir%/tenure.c %reldir%/tenure.h %reldir%/tenure_int.h \
	%reldir%/tenure_admin.c \
	%reldir%/offline.c %reldir%/offline.h \
	%reldir%/tool.c %reldir%/tool.h \
	%reldir%/word_code.c %reldir%/word_code.h
nodist_libstoreredis_la_SOURCES = %reldir%/scripts_text.h
libstoreredis_la_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS) $(SSL_CFLAGS) $(SQLITE_CFLAGS)
libstoreredis_la_LIBADD = $(HIREDIS_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS)

# Each with its row in scripts.h and scripts.c.
redis_scripts = \
	%reldir%/beat.lua \
	%reldir%/check.lua \
	%reldir%/claim_cas.lua \
	%reldir%/claim_repair.lua \
	%reldir%/claim_verify.lua \
	%reldir%/commit.lua \
	%reldir%/import.lua \
	%reldir%/import_mark.lua \
	%reldir%/mend_claim.lua \
	%reldir%/prove.lua \
	%reldir%/putback.lua \
	%reldir%/putout.lua \
	%reldir%/read.lua \
	%reldir%/release.lua \
	%reldir%/settle.lua \
	%reldir%/scan_page.lua \
	%reldir%/scan_rows.lua \
	%reldir%/scan_walk.lua
EXTRA_DIST += $(redis_scripts) %reldir%/README.md %reldir%/texts.awk

%reldir%/scripts_text.h: $(redis_scripts) %reldir%/texts.awk
	$(AM_V_at)$(MKDIR_P) %reldir%
	$(AM_V_GEN)for f in $(redis_scripts); do \
		test -f $$f || f=$(srcdir)/$$f; \
		$(AWK) -f $(srcdir)/%reldir%/texts.awk $$f || exit 1; \
	done > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += %reldir%/scripts_text.h
CLEANFILES += %reldir%/scripts_text.h
# Known on the first build too, when nothing has told the dependencies yet.
$(libstoreredis_la_OBJECTS): %reldir%/scripts_text.h
