# The attacks that are written down, each named after its number, on the scenarios' broker.
EXTRA_DIST += \
	%reldir%/README.md \
	%reldir%/conftest.py \
	%reldir%/log.py \
	%reldir%/authorization_server.py \
	%reldir%/test_abroad_attacks.py \
	%reldir%/test_bearer_attacks.py %reldir%/test_lying_doors.py \
	%reldir%/test_browser_attacks.py \
	%reldir%/test_changes.py \
	%reldir%/test_cooling_off.py \
	%reldir%/test_device_attacks.py \
	%reldir%/test_doors.py \
	%reldir%/test_entra_attacks.py \
	%reldir%/owner.py \
	%reldir%/test_independence.py \
	%reldir%/test_linking.py \
	%reldir%/test_log.py \
	%reldir%/test_money.py \
	%reldir%/test_plugin_files.py \
	%reldir%/test_cage.py \
	%reldir%/test_plugins.py \
	%reldir%/test_rekey.py \
	%reldir%/test_risk_attacks.py \
	%reldir%/test_sent_codes_attacks.py \
	%reldir%/test_signal_sources.py \
	%reldir%/test_signals.py \
	%reldir%/test_stepup.py \
	%reldir%/test_stepup_attacks.py \
	%reldir%/test_table.py \
	%reldir%/test_tokens.py \
	%reldir%/test_two_factors.py \
	%reldir%/test_view_attacks.py
dist_check_SCRIPTS += %reldir%/check_attack.sh
TESTS += %reldir%/check_attack.sh
