# tests of tests/bench

EXTRA_PROGRAMS += %reldir%/bench_store
%canon_reldir%_bench_store_SOURCES = %reldir%/bench_store.c
%canon_reldir%_bench_store_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
%canon_reldir%_bench_store_LDADD = libstore.la libbase.la $(SQLITE_LIBS)
CLEANFILES += %reldir%/bench_store

# JSON in and out of one Authorize; budget 1.5 us a decision.
EXTRA_PROGRAMS += %reldir%/bench_json
%canon_reldir%_bench_json_SOURCES = %reldir%/bench_json.c
%canon_reldir%_bench_json_LDADD = libbase.la
CLEANFILES += %reldir%/bench_json
