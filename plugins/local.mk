# One folder a plugin. A plugin shows one symbol and is linked to its own libraries alone.
plugin_ldflags = -module -avoid-version -shared -export-symbols-regex '^countersign_plugin_v1$$'
include plugins/totp/local.mk
include plugins/oidc/local.mk
