# The worker against an OpenID Provider, and against a plugin that misbehaves.
EXTRA_DIST += \
	%reldir%/conftest.py \
	%reldir%/passkey.py \
	%reldir%/test_oidc_idp.py \
	%reldir%/test_webauthn.py \
	%reldir%/test_worker.py \
	%reldir%/worker_process.py
dist_check_SCRIPTS += %reldir%/check_interop.sh
TESTS += %reldir%/check_interop.sh
