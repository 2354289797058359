# countersign-prompt on a pseudo terminal and as JSON lines, against brokers that are scripts and a real one.
EXTRA_DIST += \
	%reldir%/conftest.py \
	%reldir%/terminal.py \
	%reldir%/test_broker.py \
	%reldir%/test_conversations.py \
	%reldir%/test_enrol.py \
	%reldir%/test_json.py \
	%reldir%/test_manual.py \
	%reldir%/test_terminal.py
dist_check_SCRIPTS += %reldir%/check_prompt.sh
TESTS += %reldir%/check_prompt.sh
