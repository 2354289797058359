# The benchmark: `make bench` runs everything below in one go and prints one table of ratios; BENCH_FLAGS="--quick" is
# half a minute of it, see README.md. The programs are built by `make bench` only.
bench_client = %reldir%/driver.c %reldir%/driver.h %reldir%/hist.c %reldir%/hist.h
bench_forms = %reldir%/form.c %reldir%/form.h %reldir%/people.c %reldir%/people.h
bench_programs = %reldir%/load %reldir%/pingpong %reldir%/bare_sqlite %reldir%/redis_load %reldir%/https_load \
	%reldir%/populate %reldir%/bench_stack %reldir%/bench_cage
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs) bench.json bench-step-up.json bench-signals.json bench-shared.json bench-profile.txt
EXTRA_DIST += %reldir%/README.md %reldir%/run %reldir%/process.py %reldir%/peers.py %reldir%/broker.py %reldir%/report.py \
	%reldir%/shared.py %reldir%/signals.py %reldir%/stepup.py \
	%reldir%/decide.lua %reldir%/preload.lua

BENCH_FLAGS =
bench: all $(bench_programs)
	$(AM_V_at)%reldir%/bench_stack
	$(AM_V_at)PYTHONDONTWRITEBYTECODE=1 $(srcdir)/%reldir%/run --build . $(BENCH_FLAGS)
.PHONY: bench

%canon_reldir%_load_SOURCES = %reldir%/load.c $(bench_client) $(bench_forms)
%canon_reldir%_load_LDADD = -lm
%canon_reldir%_pingpong_SOURCES = %reldir%/pingpong.c $(bench_client)
%canon_reldir%_pingpong_LDADD = -lm
%canon_reldir%_redis_load_SOURCES = %reldir%/redis_load.c $(bench_client) $(bench_forms)
%canon_reldir%_redis_load_LDADD = -lm
%canon_reldir%_https_load_SOURCES = %reldir%/https_load.c $(bench_client) $(bench_forms)
%canon_reldir%_https_load_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%canon_reldir%_https_load_LDADD = $(SSL_LIBS) $(CRYPTO_LIBS) -lm
%canon_reldir%_populate_SOURCES = %reldir%/populate.c
%canon_reldir%_populate_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_populate_LDADD = libstoreopen.la libengine.la libstoreredis.la libstore.la librole.la libconfig.la libcore.la libbase.la \
	$(CRYPTO_LIBS) $(SQLITE_LIBS) -lpthread
%canon_reldir%_bare_sqlite_SOURCES = %reldir%/bare_sqlite.c
%canon_reldir%_bare_sqlite_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
%canon_reldir%_bare_sqlite_LDADD = $(SQLITE_LIBS)

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

# What a stack of 20 lines adds to a decision; part of `make bench`.
%canon_reldir%_bench_stack_SOURCES = %reldir%/bench_stack.c tests/unit/core_fixture.c tests/unit/core_fixture.h
%canon_reldir%_bench_stack_LDADD = libcore.la libbase.la

# What the cage adds to a call of a plugin; part of `make bench`.
%canon_reldir%_bench_cage_SOURCES = %reldir%/bench_cage.c
%canon_reldir%_bench_cage_LDADD = libworker.la libsandbox.la librole.la libconfig.la libcore.la libbase.la $(SECCOMP_LIBS)

# What the gateway costs by itself: https_load against it, with this behind it.
EXTRA_PROGRAMS += %reldir%/fake_engine
%canon_reldir%_fake_engine_SOURCES = %reldir%/fake_engine.c
CLEANFILES += %reldir%/fake_engine

# What a decision costs in the engine alone, without sockets and disk.
EXTRA_PROGRAMS += %reldir%/bench_engine
%canon_reldir%_bench_engine_SOURCES = %reldir%/bench_engine.c tests/sim/accounts.c tests/sim/bare.c tests/sim/world.c
%canon_reldir%_bench_engine_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%canon_reldir%_bench_engine_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) \
	$(CRYPTO_LIBS) -lpthread
CLEANFILES += %reldir%/bench_engine
