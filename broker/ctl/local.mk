# ctl: countersignctl, for admins. One file a noun; text and JSON are two printers of the same values.
bin_PROGRAMS += countersignctl
countersignctl_SOURCES = \
	broker/client/wire.c broker/client/wire.h \
	%reldir%/account.c \
	%reldir%/bar.c %reldir%/bar.h \
	%reldir%/broker.c \
	%reldir%/call.c %reldir%/call.h \
	%reldir%/check.c %reldir%/check.h \
	%reldir%/check_config.c \
	%reldir%/check_limits.c \
	%reldir%/check_lines.c \
	%reldir%/check_stack.c \
	%reldir%/check_stepup.c \
	%reldir%/ctl.h \
	%reldir%/events.c \
	%reldir%/events_verify.c %reldir%/events_verify.h \
	%reldir%/explain.c %reldir%/explain.h \
	%reldir%/explain_files.c \
	%reldir%/explain_payment.c \
	%reldir%/factor.c \
	%reldir%/finding.c %reldir%/finding.h \
	%reldir%/getent.c \
	%reldir%/link.c \
	%reldir%/log_read.c %reldir%/log_read.h \
	%reldir%/key_table.c %reldir%/key_table.h \
	%reldir%/main.c \
	%reldir%/member.c %reldir%/member.h \
	%reldir%/mend.c %reldir%/mend.h %reldir%/mend_internal.h \
	%reldir%/mend_factor.c \
	%reldir%/mend_limit.c \
	%reldir%/plugin.c %reldir%/plugin.h \
	%reldir%/plugin_file.c \
	%reldir%/plugin_hostile.c %reldir%/plugin_hostile.h \
	%reldir%/plugin_install.c \
	%reldir%/plugin_new.c \
	%reldir%/plugin_test.c \
	%reldir%/plugin_trials.c %reldir%/plugin_trials.h \
	%reldir%/plugin_verify.c \
	%reldir%/plugin_worker.c %reldir%/plugin_worker.h \
	%reldir%/print.c %reldir%/print_json.c %reldir%/print.h \
	%reldir%/provider.c \
	%reldir%/replay.c %reldir%/replay.h \
	%reldir%/replay_html.c %reldir%/replay_html.h \
	%reldir%/replay_html_days.c \
	%reldir%/replay_html_flow.c \
	%reldir%/replay_html_sums.c \
	%reldir%/replay_html_text.c \
	%reldir%/replay_past.c \
	%reldir%/replay_print.c \
	%reldir%/replay_tally.c \
	%reldir%/scope.c %reldir%/scope.h \
	%reldir%/signal.c %reldir%/signal.h \
	%reldir%/stack.c \
	%reldir%/status.c \
	%reldir%/store.c %reldir%/store.h \
	%reldir%/store_check.c \
	%reldir%/store_check_claims.c \
	%reldir%/store_check_file.c \
	%reldir%/store_check_redis.c %reldir%/store_check_redis.h \
	%reldir%/store_digest.c %reldir%/store_digest.h \
	%reldir%/store_event_page.c %reldir%/store_event_page.h \
	%reldir%/store_export.c \
	%reldir%/store_export_tables.c %reldir%/store_export_tables.h \
	%reldir%/store_import.c %reldir%/store_import.h \
	%reldir%/store_import_tables.c \
	%reldir%/store_import_verify.c \
	%reldir%/store_migrate.c \
	%reldir%/store_offline.c \
	%reldir%/store_status.c \
	%reldir%/store_tool.c \
	%reldir%/table.c \
	%reldir%/trial.c %reldir%/trial.h
countersignctl_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCTL_CONFIG_DEFAULT='"$(sysconfdir)/countersign/countersign.conf"' \
	-DCTL_PLUGINS_DEFAULT='"$(plugindir)"' \
	-DCTL_LIBEXEC_DEFAULT='"$(libexecdir)/countersign"' \
	-DCTL_KEYS_DEFAULT='"$(sysconfdir)/countersign/trusted-plugins"' \
	-DCTL_SKELETON_DEFAULT='"$(pkgdatadir)/plugin-skeleton"'
countersignctl_LDADD = libprove.la libengine.la libstoreredis.la libstore.la libpluginfile.la libconfig.la libcore.la libbase.la $(SQLITE_LIBS) \
	$(CRYPTO_LIBS) -lpthread

# What check asks of stacks; tests link it too.
noinst_LTLIBRARIES += libprove.la
libprove_la_SOURCES = \
	%reldir%/prove.c %reldir%/prove.h \
	%reldir%/suppose.c %reldir%/suppose.h \
	%reldir%/walk.c %reldir%/walk.h
EXTRA_DIST += %reldir%/README.md
dist_man_MANS += %reldir%/countersignctl.8

# Installed under the command's name, where bash looks for it.
completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = %reldir%/bash/countersignctl
