# One folder a plugin. A plugin shows one symbol and is linked to its own libraries alone. All are built as
# plugins/NAME.la, so that a broker in the build tree is given --plugins BUILD/plugins/.libs.
plugin_ldflags = -module -avoid-version -shared -export-symbols-regex '^countersign_plugin_v1$$'
include plugins/misbehave/local.mk
include plugins/example/local.mk
include plugins/totp/local.mk
include plugins/lib/local.mk
include plugins/oidc/local.mk
include plugins/google/local.mk
include plugins/microsoft/local.mk
include plugins/oauth2/local.mk
include plugins/apple/local.mk
include plugins/wechat/local.mk
include plugins/alipay/local.mk
include plugins/otp/local.mk
include plugins/pam/local.mk
include plugins/recovery/local.mk
include plugins/webauthn/local.mk
include plugins/approve/local.mk
include plugins/push/local.mk
include plugins/webhook/local.mk
dist_check_SCRIPTS += plugins/check_symbols.sh
EXTRA_DIST += plugins/README.md
TESTS += plugins/check_symbols.sh
