# The whole broker, with its processes and an OpenID Provider, on a clock that tests move.
EXTRA_DIST += \
	%reldir%/abroad.py \
	%reldir%/conftest.py \
	%reldir%/correspondent.py \
	%reldir%/harness.py \
	%reldir%/test_abroad.py \
	%reldir%/test_accounts.py \
	%reldir%/test_admin.py \
	%reldir%/test_allowances.py \
	%reldir%/test_approve.py \
	%reldir%/test_bad_input.py \
	%reldir%/test_bad_plugin.py \
	%reldir%/test_browser.py \
	%reldir%/test_enrol_page.py \
	%reldir%/test_events.py \
	%reldir%/test_explain.py \
	%reldir%/test_factors.py \
	%reldir%/test_forward.py \
	%reldir%/test_https.py \
	%reldir%/test_limits.py \
	%reldir%/test_links.py \
	%reldir%/test_notify.py \
	%reldir%/test_payments.py \
	%reldir%/test_policy_packs.py \
	%reldir%/test_processes.py \
	%reldir%/test_prompts.py \
	%reldir%/test_quickstart.py \
	%reldir%/test_receivers.py \
	%reldir%/test_recovery_codes.py \
	%reldir%/test_reload.py \
	%reldir%/test_replacing.py \
	%reldir%/test_replay.py \
	%reldir%/signalling.py %reldir%/test_signal_streams.py %reldir%/test_signals.py \
	%reldir%/test_risk.py \
	%reldir%/test_risk_open.py \
	%reldir%/test_rules.py \
	%reldir%/test_sent_codes.py \
	%reldir%/test_session_times.py \
	%reldir%/test_sessions.py \
	%reldir%/test_shadow.py \
	%reldir%/test_stepup.py \
	%reldir%/test_store_migrate.py \
	%reldir%/test_store_tools.py \
	%reldir%/test_view.py \
	%reldir%/test_view_pages.py \
	%reldir%/test_story.py \
	%reldir%/test_totp_settings.py \
	%reldir%/test_webauthn.py \
	%reldir%/test_wire.py \
	%reldir%/waiting.py
dist_check_SCRIPTS += %reldir%/check_scenario.sh
TESTS += %reldir%/check_scenario.sh
