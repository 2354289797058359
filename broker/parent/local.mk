# parent: configuration and children. libconfig.la is linked by every role, before libcore.la and libbase.la.
noinst_LTLIBRARIES += libconfig.la
libconfig_la_SOURCES = \
	%reldir%/config.c %reldir%/config.h \
	%reldir%/config_check.c %reldir%/config_control.c \
	%reldir%/config_print.c \
	%reldir%/config_instance.c \
	%reldir%/config_option.h \
	%reldir%/config_stack.c %reldir%/config_stack.h \
	%reldir%/config_stack_compile.c \
	%reldir%/config_stack_words.c %reldir%/config_stack_words.h \
	%reldir%/config_store.c \
	%reldir%/config_table.c \
	%reldir%/config_types.c \
	%reldir%/config_zone.c %reldir%/config_zone.h \
	%reldir%/config_values.c \
	%reldir%/config_words.c %reldir%/config_words.h

# librole.la: how every role starts, and what it says to the parent; linked before libconfig.la.
noinst_LTLIBRARIES += librole.la
librole_la_SOURCES = \
	%reldir%/control.c %reldir%/control.h \
	%reldir%/role.c %reldir%/role.h

# libpluginfile.la: who could have written a plugin's file, and who vouches for it; before libconfig.la.
noinst_LTLIBRARIES += libpluginfile.la
libpluginfile_la_SOURCES = \
	%reldir%/plugin_trust.c %reldir%/plugin_trust.h \
	%reldir%/plugins.c %reldir%/plugins.h
libpluginfile_la_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
libpluginfile_la_LIBADD = $(CRYPTO_LIBS)

sbin_PROGRAMS += countersignd
countersignd_SOURCES = \
	%reldir%/children.c %reldir%/children.h \
	%reldir%/generation.c %reldir%/parent.h \
	%reldir%/main.c \
	%reldir%/privileges.c %reldir%/privileges.h \
	%reldir%/sockets.c %reldir%/sockets.h
countersignd_CPPFLAGS = $(AM_CPPFLAGS) \
	-DSYSCONFDIR='"$(sysconfdir)/countersign"' \
	-DLIBEXECDIR='"$(libexecdir)/countersign"' \
	-DPLUGINDIR='"$(plugindir)"'
countersignd_LDADD = libpluginfile.la librole.la libconfig.la libcore.la libbase.la

dist_man_MANS += %reldir%/countersignd.8 %reldir%/countersign.conf.5 %reldir%/countersign-stack.5
EXTRA_DIST += %reldir%/README.md
