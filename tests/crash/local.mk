# What a user was told is so after the process, or the disk, failed at the worst moment.
EXTRA_DIST += \
	%reldir%/burst.py \
	%reldir%/conftest.py \
	%reldir%/test_disk.py \
	%reldir%/test_kill.py
dist_check_SCRIPTS += %reldir%/check_crash.sh
TESTS += %reldir%/check_crash.sh
