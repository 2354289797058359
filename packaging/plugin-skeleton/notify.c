/*
 * The @KIND@ `@NAME@`: tells somebody what was decided. As it stands it tells the log of the broker that there was something.
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
	{.name = "level", .type = COUNTERSIGN_CONFIG_WORD, .words = "info debug", .default_value = "info",
	    .help = "How loud the log is told."},
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
 * in->document is a JSON object of what was decided. Called once: what cannot be delivered before the deadline is lost here.
 * With COUNTERSIGN_USES_HTTP among the flags host->http() posts it to an origin of the configuration.
 */
static int
deliver(void *instance, const struct countersign_deliver *in, struct countersign_delivery *out)
{
	const struct @IDENT@ *self = instance;
	struct countersign_view level = self->host->config_text(self->host->context, "level", 0);

	self->host->log(self->host->context, level.len > 0 && level.data[0] == 'd' ? COUNTERSIGN_LOG_DEBUG : COUNTERSIGN_LOG_INFO,
	    countersign_view_of("something was decided"));
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_notify_v1 notify = {
		.size = sizeof(notify),
		.deliver = deliver,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_NOTIFY,
		.flags = 0,
		.config_count = sizeof(keys) / sizeof(keys[0]),
		.config_key_size = sizeof(keys[0]),
		.config = keys,
		.name = "@NAME@",
		.version = "0.1",
		.help = "Tells somebody what was decided.",
		.self_test = self_test,
		.init = init,
		.fini = fini,
		.profile = profile,
		.notify = &notify,
	};

	return &plugin;
}
