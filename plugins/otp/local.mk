# The factor otp. Built once as a convenience library that the tests and the fuzzer link too.
plugin_LTLIBRARIES += plugins/otp.la
noinst_LTLIBRARIES += libotp.la
libotp_la_SOURCES = \
	%reldir%/address.c %reldir%/address.h \
	%reldir%/code.c %reldir%/code.h \
	%reldir%/mail.c %reldir%/mail.h \
	%reldir%/message.c %reldir%/message.h \
	%reldir%/plugin.c \
	%reldir%/send.c %reldir%/send.h \
	%reldir%/settings.c %reldir%/settings.h \
	%reldir%/smtp.c \
	%reldir%/template.c %reldir%/template.h
libotp_la_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
libotp_la_LIBADD = $(CURL_LIBS) $(JANSSON_LIBS) $(CRYPTO_LIBS)
plugins_otp_la_SOURCES =
plugins_otp_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_otp_la_LIBADD = libotp.la
EXTRA_DIST += %reldir%/README.md
