# base: what every process needs; knows nothing of identity. Needs libc alone.
#
# libbase.la            what is installed is made of
# libbase_testclock.la  the same, with a clock that tests move (see clock.c); for uninstalled test daemons only
noinst_LTLIBRARIES += libbase.la libbase_testclock.la libbase_common.la

libbase_common_la_SOURCES = \
	%reldir%/ascii.h \
	%reldir%/base64url.c %reldir%/base64url.h \
	%reldir%/buf.h \
	%reldir%/bytes.c %reldir%/bytes.h \
	%reldir%/check.c %reldir%/check.h \
	%reldir%/err.c %reldir%/err.h \
	%reldir%/json.c %reldir%/json_bind.c %reldir%/json_write.c %reldir%/json.h \
	%reldir%/log.c %reldir%/log.h \
	%reldir%/poller.h \
	%reldir%/sandbox.c %reldir%/sandbox.h \
	%reldir%/sandbox_landlock.c %reldir%/sandbox_landlock.h \
	%reldir%/secret.c %reldir%/secret.h \
	%reldir%/utf8.c %reldir%/utf8.h \
	%reldir%/varlink.c %reldir%/varlink.h

libbase_la_SOURCES = %reldir%/clock.c %reldir%/clock.h
libbase_la_LIBADD = libbase_common.la

libbase_testclock_la_SOURCES = %reldir%/clock.c %reldir%/clock.h
libbase_testclock_la_CPPFLAGS = $(AM_CPPFLAGS) -DCS_TEST_CLOCK
libbase_testclock_la_LIBADD = libbase_common.la

# libseccomp.so stays with who needs it: the worker.
noinst_LTLIBRARIES += libsandbox.la
libsandbox_la_SOURCES = %reldir%/sandbox_seccomp.c %reldir%/sandbox_seccomp.h
libsandbox_la_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)

EXTRA_DIST += %reldir%/README.md
