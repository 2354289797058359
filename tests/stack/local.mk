# The language of stacks against what it is made after: a model of its own, and Debian's libpam.
if HAVE_CMOCKA
stack_tests = %reldir%/test_dispatch
%canon_reldir%_test_dispatch_SOURCES = %reldir%/test_dispatch.c tests/unit/unit.h
%canon_reldir%_test_dispatch_LDADD = libcore.la libbase.la $(CMOCKA_LIBS)

if HAVE_PAM
# A module for libpam that tells which lines ran; -rpath is what makes libtool build it as a module.
check_LTLIBRARIES += %reldir%/pam_recorder.la
%canon_reldir%_pam_recorder_la_SOURCES = %reldir%/pam_recorder.c
%canon_reldir%_pam_recorder_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
%canon_reldir%_pam_recorder_la_LIBADD = -lpam

stack_tests += %reldir%/test_libpam
%canon_reldir%_test_libpam_SOURCES = %reldir%/test_libpam.c %reldir%/write_stacks.c %reldir%/write_stacks.h tests/unit/unit.h
%canon_reldir%_test_libpam_LDADD = libconfig.la libcore.la libbase.la -lpam $(CMOCKA_LIBS)
else
TESTS += %reldir%/no_libpam.sh
endif
check_PROGRAMS += $(stack_tests)
TESTS += $(stack_tests)
endif
EXTRA_DIST += %reldir%/no_libpam.sh
