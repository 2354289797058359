# The simulator: the real engine over the store in memory, with a clock, connections and faults made by hand.
check_PROGRAMS += tests/sim/sim
TESTS += tests/sim/sim
tests_sim_sim_SOURCES = \
	%reldir%/accounts.c %reldir%/accounts.h \
	%reldir%/bare.c %reldir%/bare.h \
	%reldir%/ledger.c %reldir%/ledger.h \
	%reldir%/shared.c %reldir%/shared.h \
	%reldir%/sim.c \
	%reldir%/world.c %reldir%/world.h
tests_sim_sim_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
tests_sim_sim_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread
if HAVE_CMOCKA
check_PROGRAMS += %reldir%/test_conflict
TESTS += %reldir%/test_conflict
tests_sim_test_conflict_SOURCES = \
	%reldir%/accounts.c %reldir%/accounts.h \
	%reldir%/bare.c %reldir%/bare.h \
	%reldir%/ledger.c %reldir%/ledger.h \
	%reldir%/test_conflict.c \
	%reldir%/world.c %reldir%/world.h
tests_sim_test_conflict_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
tests_sim_test_conflict_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)
check_PROGRAMS += %reldir%/test_brokers
TESTS += %reldir%/test_brokers
tests_sim_test_brokers_SOURCES = \
	%reldir%/accounts.c %reldir%/accounts.h \
	%reldir%/bare.c %reldir%/bare.h \
	%reldir%/shared.c %reldir%/shared.h \
	%reldir%/test_brokers.c \
	%reldir%/world.c %reldir%/world.h
tests_sim_test_brokers_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
tests_sim_test_brokers_LDADD = libengine.la libstore.la librole.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) $(CRYPTO_LIBS) -lpthread $(CMOCKA_LIBS)
endif
TESTS += %reldir%/check_brokers.sh
EXTRA_DIST += %reldir%/README.md %reldir%/check_brokers.sh

# make sim SEED=n [STEPS=n]: one run again, or a longer one
.PHONY: sim
sim: tests/sim/sim
	tests/sim/sim $(SEED) $(STEPS)
