# countersignctl against a broker that is a script, and the manuals against the programs.
EXTRA_DIST += \
	%reldir%/conftest.py \
	%reldir%/test_manual_client.py
dist_check_SCRIPTS += %reldir%/check_ctl.sh
TESTS += %reldir%/check_ctl.sh
