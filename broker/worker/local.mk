# worker: the process that holds one plugin. libworker.la is what the unit tests link too.
noinst_LTLIBRARIES += libworker.la
libworker_la_SOURCES = \
	%reldir%/cage.c %reldir%/cage_calls.c %reldir%/cage.h \
	%reldir%/calls.c %reldir%/calls.h %reldir%/calls_run.h \
	%reldir%/calls_evidence.c %reldir%/calls_factor.c %reldir%/calls_prompt.c \
	%reldir%/calls_provider.c %reldir%/calls_signal.c %reldir%/calls_step.c \
	%reldir%/calls_token.c \
	%reldir%/describe.c %reldir%/describe.h \
	%reldir%/executable.c %reldir%/executable.h %reldir%/executable_run.h \
	%reldir%/executable_calls.c %reldir%/executable_start.c %reldir%/executable_talk.c \
	%reldir%/host.c %reldir%/host.h \
	%reldir%/http.c %reldir%/http.h \
	%reldir%/load.c %reldir%/load.h \
	%reldir%/serve.c %reldir%/serve.h \
	%reldir%/settings.c %reldir%/settings.h \
	%reldir%/supervise.c %reldir%/supervise.h
libworker_la_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
worker_LIBS = libworker.la libsandbox.la librole.la libconfig.la libcore.la

pkglibexec_PROGRAMS += countersign-worker
countersign_worker_SOURCES = %reldir%/main.c
countersign_worker_LDADD = $(worker_LIBS) libbase.la $(CURL_LIBS) $(SECCOMP_LIBS)

# The same with a clock that tests move.
noinst_PROGRAMS += testlibexec/countersign-worker
testlibexec_countersign_worker_SOURCES = %reldir%/main.c
testlibexec_countersign_worker_LDADD = $(worker_LIBS) libbase_testclock.la $(CURL_LIBS) $(SECCOMP_LIBS)
dist_man_MANS += %reldir%/countersign-plugin.3
EXTRA_DIST += %reldir%/README.md
