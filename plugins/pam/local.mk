# The factor pam, where libpam is. Built once as a convenience library that the tests link too.
EXTRA_DIST += %reldir%/README.md
if HAVE_PAM
plugin_LTLIBRARIES += plugins/pam.la
noinst_LTLIBRARIES += libpamfactor.la
libpamfactor_la_SOURCES = \
	%reldir%/dialogue.c %reldir%/dialogue.h \
	%reldir%/keeper.c %reldir%/keeper.h \
	%reldir%/plugin.c \
	%reldir%/talk.c %reldir%/talk.h \
	%reldir%/wire.c %reldir%/wire.h
libpamfactor_la_LIBADD = -lpam
plugins_pam_la_SOURCES =
plugins_pam_la_LDFLAGS = $(AM_LDFLAGS) $(plugin_ldflags)
plugins_pam_la_LIBADD = libpamfactor.la
endif
