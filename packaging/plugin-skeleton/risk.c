/*
 * The @KIND@ `@NAME@`: says how risky a request looks. As it stands it knows big amounts and young links.
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
	{.name = "big", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 1000000000, .default_value = "1000",
	    .help = "From so many whole units on an amount is big."},
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

enum { WEEK_MS = 7 * 24 * 3600 * 1000 };

/* 0: nothing is suspicious, to 100. It only adds caution: a low score permits nothing by itself. */
static int
assess(void *instance, const struct countersign_assess *in, struct countersign_assessment *out)
{
	const struct @IDENT@ *self = instance;
	int64_t units = in->amount_minor;
	const char *reason = "nothing";
	int big, young;

	for (int32_t i = 0; i < in->currency_digits; i++)
		units /= 10;
	big = units >= self->host->config_int(self->host->context, "big", 1000);
	young = in->link_age_ms >= 0 && in->link_age_ms < WEEK_MS;
	out->score = big && young ? 90 : big || young ? 50 : 5;
	if (big || young)
		reason = big && young ? "big_and_young" : big ? "big" : "young";
	if (countersign_put(&out->reason, reason, strlen(reason)) != COUNTERSIGN_OK)
		return COUNTERSIGN_FULL;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_risk_v1 risk = {
		.size = sizeof(risk),
		.assess = assess,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_RISK,
		.flags = 0,
		.config_count = sizeof(keys) / sizeof(keys[0]),
		.config_key_size = sizeof(keys[0]),
		.config = keys,
		.name = "@NAME@",
		.version = "0.1",
		.help = "Says how risky a request looks.",
		.self_test = self_test,
		.init = init,
		.fini = fini,
		.profile = profile,
		.risk = &risk,
	};

	return &plugin;
}
