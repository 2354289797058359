# The worker against an OpenID Provider, a mail server, a gateway for text messages, real PAM stacks, and a plugin that misbehaves.
EXTRA_DIST += \
	%reldir%/README.md \
	%reldir%/conftest.py \
	%reldir%/glewlwyd.py \
	%reldir%/node/package-lock.json \
	%reldir%/node/package.json \
	%reldir%/node/provider.mjs \
	%reldir%/node_provider.py \
	%reldir%/passkey.py \
	%reldir%/sign_in.py \
	%reldir%/sinks.py \
	%reldir%/test_factor_codes.py \
	%reldir%/test_factor_pam.py \
	%reldir%/test_glewlwyd.py \
	%reldir%/test_google.py \
	%reldir%/test_microsoft.py \
	%reldir%/odd_program.py \
	%reldir%/test_example_plugins.py \
	%reldir%/test_executable.py \
	%reldir%/test_node_provider.py \
	%reldir%/test_oidc_idp.py \
	%reldir%/test_old_plugin.py \
	%reldir%/test_provider_faults.py \
	%reldir%/test_otp.py \
	%reldir%/test_providers.py \
	%reldir%/test_webauthn.py \
	%reldir%/test_worker.py \
	%reldir%/worker_process.py
dist_check_SCRIPTS += %reldir%/check_interop.sh
TESTS += %reldir%/check_interop.sh

clean-local: clean-interop
clean-interop:
	rm -rf %reldir%/npm
.PHONY: clean-interop
