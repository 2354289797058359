/*
 * The @KIND@ `@NAME@`: says which client of an authorization server a service is. As it stands it knows none.
 *
 * The contract of every function is in countersign/plugin.h, and in countersign-plugin(3). In short: what comes in is
 * borrowed for the call, what goes out is copied into the caller's buffers, in->call.request is copied to the answer,
 * time is in->call.now_ms, and a call returns before in->call.deadline_boot_ms.
 */
#include <stdlib.h>
#include <string.h>

#include <countersign/plugin.h>

struct @IDENT@ {
	const struct countersign_host_v1 *host; /* log, clock, random, http, and the values of the keys below */
};

/* Settings of the block in countersign.conf. The host refuses what does not fit before init() is called. */
static const struct countersign_config_key keys[] = {
	{.name = "issuer", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED, .max = 255,
	    .help = "The authorization server; the plugin may fetch from there, and from nowhere else."},
};

/* No network and no configuration here: prove that the code and its libraries work, with values that are built in. */
static int
self_test(const struct countersign_host_v1 *host)
{
	(void)host;
	return COUNTERSIGN_OK;
}

static int
init(const struct countersign_host_v1 *host, void **instance)
{
	struct @IDENT@ *self = calloc(1, sizeof(*self));

	if (self == NULL)
		return COUNTERSIGN_INTERNAL;
	self->host = host;
	*instance = self;
	return COUNTERSIGN_OK;
}

static void
fini(void *instance)
{
	free(instance);
}

/* Such a plugin has nothing to say of itself. */
static int
profile(void *instance, struct countersign_profile *out)
{
	(void)instance;
	out->assurance = 0;
	out->controls = NULL;
	return COUNTERSIGN_OK;
}

/*
 * Which client was this access token given to? Check signature or introspection, issuer, audience and times; with the scheme
 * DPoP the proof too, and with a certificate the binding to it. What the client may do is the broker's configuration.
 */
static int
check(void *instance, const struct countersign_token *in, struct countersign_token_answer *out)
{
	(void)instance;
	(void)in;
	(void)out;
	return COUNTERSIGN_BAD_TOKEN;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_token_v1 token = {
		.size = sizeof(token),
		.check = check,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_TOKEN,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(keys) / sizeof(keys[0]),
		.config_key_size = sizeof(keys[0]),
		.config = keys,
		.name = "@NAME@",
		.version = "0.1",
		.help = "Says which client an access token was given to.",
		.self_test = self_test,
		.init = init,
		.fini = fini,
		.profile = profile,
		.token = &token,
	};

	return &plugin;
}
