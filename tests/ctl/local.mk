# countersignctl against a broker that is a script, and the manuals against the programs.
EXTRA_DIST += \
	%reldir%/conftest.py \
	%reldir%/fake_broker.py \
	%reldir%/files/countersign.conf \
	%reldir%/files/services/checkout \
	%reldir%/files/services/common \
	%reldir%/files/services/kiosk \
	%reldir%/files/services/other \
	%reldir%/test_bad_answers.py \
	%reldir%/test_check.py \
	%reldir%/test_commands.py \
	%reldir%/test_completion.py \
	%reldir%/test_drift.py \
	%reldir%/test_events.py \
	%reldir%/test_example.py \
	%reldir%/test_files.py \
	%reldir%/test_manual_client.py \
	%reldir%/test_manual_ctl.py \
	%reldir%/test_manual_plugin.py \
	%reldir%/test_plugin_install.py \
	%reldir%/test_plugin_kit.py \
	%reldir%/test_plugin_new.py \
	%reldir%/test_replay.py \
	%reldir%/test_rules.py \
	%reldir%/stacks \
	%reldir%/test_store.py \
	%reldir%/test_stack_golden.py \
	%reldir%/test_stack_run.py
dist_check_SCRIPTS += %reldir%/check_ctl.sh
TESTS += %reldir%/check_ctl.sh
