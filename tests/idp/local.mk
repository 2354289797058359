# The OpenID Provider that tests and the quickstart sign in with.
EXTRA_DIST += \
	%reldir%/README.md \
	%reldir%/idp.py \
	%reldir%/openid_provider/__init__.py \
	%reldir%/openid_provider/app.py \
	%reldir%/openid_provider/authorize.py \
	%reldir%/openid_provider/bad_answers.py \
	%reldir%/openid_provider/bad_tokens.py \
	%reldir%/openid_provider/control.py \
	%reldir%/openid_provider/dialect.py \
	%reldir%/openid_provider/exchange.py \
	%reldir%/openid_provider/google.py \
	%reldir%/openid_provider/keys.py \
	%reldir%/openid_provider/metadata.py \
	%reldir%/openid_provider/microsoft.py \
	%reldir%/openid_provider/page.py \
	%reldir%/openid_provider/server.py \
	%reldir%/openid_provider/signals.py \
	%reldir%/openid_provider/state.py \
	%reldir%/openid_provider/switches.py \
	%reldir%/openid_provider/tls.py \
	%reldir%/openid_provider/tokens.py \
	%reldir%/openid_provider/vendors.py \
	%reldir%/lookalikes/__init__.py \
	%reldir%/lookalikes/alipay.py \
	%reldir%/lookalikes/apple.py \
	%reldir%/lookalikes/host.py \
	%reldir%/lookalikes/keys.pem \
	%reldir%/lookalikes/keys.py \
	%reldir%/lookalikes/wechat.py \
	%reldir%/conftest.py \
	%reldir%/relying_party.py \
	%reldir%/test_idp.py \
	%reldir%/test_signals.py \
	%reldir%/test_switches.py
dist_check_SCRIPTS += %reldir%/check_idp.sh
TESTS += %reldir%/check_idp.sh
