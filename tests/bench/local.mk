# tests of tests/bench

EXTRA_PROGRAMS += %reldir%/bench_store
%canon_reldir%_bench_store_SOURCES = %reldir%/bench_store.c
%canon_reldir%_bench_store_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
%canon_reldir%_bench_store_LDADD = libstore.la libbase.la $(SQLITE_LIBS)
CLEANFILES += %reldir%/bench_store
