# A plugin that was built against the first header of version 1, for tests/interop/test_old_plugin.py; never installed.
check_LTLIBRARIES += tests/abi/old.la
tests_abi_old_la_SOURCES = %reldir%/old.c %reldir%/plugin-first.h
tests_abi_old_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags) -rpath /nowhere
EXTRA_DIST += %reldir%/README.md %reldir%/old-x86_64.so
