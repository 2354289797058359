# parent: configuration and children. libconfig.la is linked by every role, before libcore.la and libbase.la.
noinst_LTLIBRARIES += libconfig.la
libconfig_la_SOURCES = \
	%reldir%/config.c %reldir%/config.h \
	%reldir%/config_check.c \
	%reldir%/config_option.h \
	%reldir%/config_stack.c \
	%reldir%/config_table.c \
	%reldir%/config_types.c \
	%reldir%/config_words.c %reldir%/config_words.h
