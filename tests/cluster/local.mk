# Several brokers over real redis-servers: faults under load, judged by a checker, and attacks over two brokers.
EXTRA_DIST += \
	%reldir%/README.md \
	%reldir%/brokers.py \
	%reldir%/checker.py \
	%reldir%/conftest.py \
	%reldir%/evidence.py \
	%reldir%/history.py \
	%reldir%/links.py \
	%reldir%/servers.py \
	%reldir%/test_attacks.py \
	%reldir%/test_checker.py \
	%reldir%/test_faults.py \
	%reldir%/test_migrate.py \
	%reldir%/test_servers.py \
	%reldir%/wrong_clock.c
dist_check_SCRIPTS += %reldir%/check_cluster.sh
TESTS += %reldir%/check_cluster.sh
