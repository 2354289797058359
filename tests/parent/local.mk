# The parent alone, with scripts in the place of the roles.
EXTRA_DIST += %reldir%/fake_role.py %reldir%/test_parent.py
dist_check_SCRIPTS += %reldir%/check_parent.sh
TESTS += %reldir%/check_parent.sh
