# The provider wechat. Built once as a convenience library that the tests and fuzzers link too.
plugin_LTLIBRARIES += plugins/wechat.la
noinst_LTLIBRARIES += libwechat.la
libwechat_la_SOURCES = \
	%reldir%/answer.c %reldir%/answer.h \
	%reldir%/plugin.c
libwechat_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libwechat_la_LIBADD = libprovider.la $(JANSSON_LIBS) $(CRYPTO_LIBS)
plugins_wechat_la_SOURCES =
plugins_wechat_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_wechat_la_LIBADD = libwechat.la
EXTRA_DIST += %reldir%/README.md
