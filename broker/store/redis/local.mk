# store/redis: the shared store. Its network layer is the fleet; see README.md.
noinst_LTLIBRARIES += libstoreredis.la
libstoreredis_la_SOURCES = \
	%reldir%/fleet.h \
	%reldir%/slots.c %reldir%/slots.h
libstoreredis_la_CPPFLAGS = $(AM_CPPFLAGS) $(HIREDIS_CFLAGS) $(SSL_CFLAGS) $(SQLITE_CFLAGS)
libstoreredis_la_LIBADD = $(HIREDIS_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(SQLITE_LIBS)
