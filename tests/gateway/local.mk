# The gateway, as its parent starts it, before an engine that is a script: what it answers to whom.
EXTRA_DIST += \
	%reldir%/conftest.py \
	%reldir%/fake_engine.py \
	%reldir%/harness.py \
	%reldir%/pages.py \
	%reldir%/test_api.py \
	%reldir%/test_authzen.py \
	%reldir%/test_connections.py \
	%reldir%/test_device_page.py \
	%reldir%/test_enrol_page.py \
	%reldir%/test_events.py \
	%reldir%/test_page_size.py \
	%reldir%/test_pages.py \
	%reldir%/test_ssf.py \
	%reldir%/test_view.py
dist_check_SCRIPTS += %reldir%/check_gateway.sh
TESTS += %reldir%/check_gateway.sh
