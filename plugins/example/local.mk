# Examples for authors of plugins: built and tested with all others, and never installed.
check_LTLIBRARIES += plugins/door.la plugins/tan.la
plugins_door_la_SOURCES = %reldir%/door.c
plugins_door_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags) -rpath /nowhere
plugins_tan_la_SOURCES = %reldir%/tan.c
plugins_tan_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags) -rpath /nowhere
EXTRA_DIST += %reldir%/README.md %reldir%/hours.py
