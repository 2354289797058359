# One folder a plugin.
include plugins/totp/local.mk
include plugins/oidc/local.mk
