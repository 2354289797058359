# The shipped policies: what they say is what they do, and the manual of stacks is the table of rules.
check_PROGRAMS += tests/policy/vectors
tests_policy_vectors_SOURCES = %reldir%/vectors.c tests/unit/core_fixture.c tests/unit/core_fixture.h
tests_policy_vectors_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
tests_policy_vectors_LDADD = libengine.la libconfig.la libcore.la libbase.la $(CRYPTO_LIBS)
EXTRA_DIST += \
	%reldir%/conftest.py \
	%reldir%/test_examples.py \
	%reldir%/test_manual_stack.py \
	%reldir%/test_packs.py
dist_check_SCRIPTS += %reldir%/check_policy.sh
TESTS += %reldir%/check_policy.sh
