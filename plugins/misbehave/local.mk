# A plugin for tests, built beside the others and never installed: -rpath is what makes libtool build it as a module.
check_LTLIBRARIES += plugins/misbehave.la
plugins_misbehave_la_SOURCES = %reldir%/plugin.c %reldir%/acts.c %reldir%/acts.h %reldir%/doors.c %reldir%/misbehave.h
plugins_misbehave_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags) -rpath /nowhere
