# store: keeps the bytes of records and events; understands neither.
noinst_LTLIBRARIES += libstore.la
libstore_la_SOURCES = \
	%reldir%/cache.c %reldir%/cache.h \
	%reldir%/crc32c.c %reldir%/crc32c.h \
	%reldir%/mem.c %reldir%/mem.h \
	%reldir%/record.c %reldir%/record.h \
	%reldir%/sqlite.c %reldir%/sqlite.h %reldir%/sqlite_int.h \
	%reldir%/sqlite_checkpoint.c \
	%reldir%/sqlite_claim.c \
	%reldir%/sqlite_fill.c %reldir%/sqlite_fill.h \
	%reldir%/sqlite_fold.c \
	%reldir%/sqlite_log.c \
	%reldir%/sqlite_pages.c %reldir%/sqlite_pages.h \
	%reldir%/sqlite_read.c %reldir%/sqlite_read.h \
	%reldir%/sqlite_schema.c \
	%reldir%/sqlite_turn.c \
	%reldir%/sqlite_uri.c \
	%reldir%/sqlite_vfs.c \
	%reldir%/store.c %reldir%/store.h
libstore_la_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
libstore_la_LIBADD = $(SQLITE_LIBS) -lpthread
EXTRA_DIST += %reldir%/README.md

include broker/store/redis/local.mk
