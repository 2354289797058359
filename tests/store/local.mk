# The store contract against every store, and what is particular to each.
store_tests = \
	%reldir%/test_cache \
	%reldir%/test_claim_steps \
	%reldir%/test_claims \
	%reldir%/test_contract \
	%reldir%/test_crash \
	%reldir%/test_fleet \
	%reldir%/test_journal \
	%reldir%/test_mem \
	%reldir%/test_redis_code \
	%reldir%/test_redis_fate \
	%reldir%/test_redis_two \
	%reldir%/test_repair \
	%reldir%/test_scan \
	%reldir%/test_sqlite \
	%reldir%/test_tool

store_harness = %reldir%/harness.c %reldir%/harness.h
store_libs = libstore.la libbase.la $(SQLITE_LIBS) $(CMOCKA_LIBS)

%canon_reldir%_test_cache_SOURCES = %reldir%/test_cache.c $(store_harness)
%canon_reldir%_test_cache_LDADD = $(store_libs)

redis_harness = $(store_harness) %reldir%/redis_server.c %reldir%/redis_server.h
# Instead of the fleet, for tests of what stands on it.
plain_fleet = %reldir%/plain_fleet.c %reldir%/plain_fleet.h
redis_libs = libstoreredis.la $(store_libs) $(HIREDIS_LIBS)

%canon_reldir%_test_claim_steps_SOURCES = %reldir%/test_claim_steps.c $(redis_harness)
%canon_reldir%_test_claim_steps_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_claim_steps_LDADD = $(redis_libs)

%canon_reldir%_test_claims_SOURCES = %reldir%/test_claims.c $(redis_harness) $(plain_fleet)
%canon_reldir%_test_claims_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_claims_LDADD = $(redis_libs)

%canon_reldir%_test_contract_SOURCES = %reldir%/test_contract.c %reldir%/openers.c %reldir%/openers.h $(redis_harness)
%canon_reldir%_test_contract_LDADD = $(redis_libs)

%canon_reldir%_test_crash_SOURCES = %reldir%/test_crash.c $(store_harness)
%canon_reldir%_test_crash_LDADD = $(store_libs)

%canon_reldir%_test_fleet_SOURCES = %reldir%/test_fleet.c %reldir%/fleet_world.c %reldir%/fleet_world.h %reldir%/liar.c $(redis_harness)
%canon_reldir%_test_fleet_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_fleet_LDADD = $(redis_libs)

%canon_reldir%_test_journal_SOURCES = %reldir%/test_journal.c $(store_harness)
%canon_reldir%_test_journal_LDADD = libstoreredis.la $(store_libs)

%canon_reldir%_test_mem_SOURCES = %reldir%/test_mem.c $(store_harness)
%canon_reldir%_test_mem_LDADD = $(store_libs)

%canon_reldir%_test_redis_code_SOURCES = %reldir%/test_redis_code.c $(store_harness)
%canon_reldir%_test_redis_code_LDADD = libstoreredis.la $(store_libs)

%canon_reldir%_test_repair_SOURCES = %reldir%/test_repair.c %reldir%/repair_world.c %reldir%/repair_world.h $(redis_harness) $(plain_fleet)
%canon_reldir%_test_repair_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_repair_LDADD = $(redis_libs)

%canon_reldir%_test_scan_SOURCES = %reldir%/test_scan.c $(redis_harness) $(plain_fleet)
%canon_reldir%_test_scan_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_scan_LDADD = $(redis_libs)

%canon_reldir%_test_redis_fate_SOURCES = %reldir%/test_redis_fate.c $(redis_harness) $(plain_fleet)
%canon_reldir%_test_redis_fate_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_redis_fate_LDADD = $(redis_libs)

%canon_reldir%_test_redis_two_SOURCES = %reldir%/test_redis_two.c $(redis_harness)
%canon_reldir%_test_redis_two_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS)
%canon_reldir%_test_redis_two_LDADD = $(redis_libs)

%canon_reldir%_test_tool_SOURCES = %reldir%/test_tool.c $(redis_harness)
%canon_reldir%_test_tool_LDADD = $(redis_libs)

%canon_reldir%_test_sqlite_SOURCES = %reldir%/test_sqlite.c $(store_harness)
%canon_reldir%_test_sqlite_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
%canon_reldir%_test_sqlite_LDADD = $(store_libs)

if HAVE_CMOCKA
check_PROGRAMS += $(store_tests)
TESTS += $(store_tests)
endif
