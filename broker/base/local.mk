# base: what every process needs; knows nothing of identity.
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	%reldir%/buf.h \
	%reldir%/bytes.c %reldir%/bytes.h \
	%reldir%/check.c %reldir%/check.h \
	%reldir%/clock.c %reldir%/clock.h \
	%reldir%/err.c %reldir%/err.h \
	%reldir%/json.c %reldir%/json_bind.c %reldir%/json_write.c %reldir%/json.h \
	%reldir%/log.c %reldir%/log.h \
	%reldir%/sandbox.c %reldir%/sandbox.h \
	%reldir%/secret.c %reldir%/secret.h \
	%reldir%/varlink.c %reldir%/varlink.h
libbase_la_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
libbase_la_LIBADD = $(CRYPTO_LIBS)
