# The factor approve: the code of webauthn under another name.
plugin_LTLIBRARIES += plugins/approve.la
plugins_approve_la_SOURCES = $(webauthn_sources)
plugins_approve_la_CPPFLAGS = $(AM_CPPFLAGS) $(FIDO2_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS) -DWEBAUTHN_APPROVES
plugins_approve_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_approve_la_LIBADD = $(FIDO2_LIBS) $(JANSSON_LIBS) $(CRYPTO_LIBS)
EXTRA_DIST += %reldir%/README.md
