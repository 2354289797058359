# The provider alipay. Built once as a convenience library that the tests and fuzzers link too.
plugin_LTLIBRARIES += plugins/alipay.la
noinst_LTLIBRARIES += libalipay.la
libalipay_la_SOURCES = \
	%reldir%/answer.c %reldir%/answer.h \
	%reldir%/key.c %reldir%/key.h \
	%reldir%/plugin.c \
	%reldir%/request.c %reldir%/request.h
libalipay_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libalipay_la_LIBADD = libprovider.la $(JANSSON_LIBS) $(CRYPTO_LIBS)
plugins_alipay_la_SOURCES =
plugins_alipay_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_alipay_la_LIBADD = libalipay.la
EXTRA_DIST += %reldir%/README.md
