/*
 * The @KIND@ `@NAME@`: a means of step-up that the account owns. As it stands every answer is wrong.
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
	{.name = "digits", .type = COUNTERSIGN_CONFIG_INT, .min = 6, .max = 10, .default_value = "6",
	    .help = "Digits of a code."},
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

/* What a factor rests on is said at the end of an enrolment, by verify(). */
static int
profile(void *instance, struct countersign_profile *out)
{
	(void)instance;
	out->assurance = 0;
	out->controls = NULL;
	return COUNTERSIGN_OK;
}

enum { SECRET_BYTES = 32 };

/* Makes the secret that the broker seals and gives back with every answer, and says what the owner is asked for. */
static int
enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	const struct @IDENT@ *self = instance;
	unsigned char secret[SECRET_BYTES];
	int rc;

	self->host->random(self->host->context, secret, sizeof(secret));
	rc = countersign_put(&out->secret, secret, sizeof(secret));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	out->steps[0].kind = COUNTERSIGN_STEP_CODE;
	out->steps[0].digits = (uint32_t)self->host->config_int(self->host->context, "digits", 6);
	out->steps_count = 1;
	return rc;
}

/*
 * Is this answer right? Compare in constant time, count codes by `step` so that none is taken twice (greater than
 * in->last_step), and let a factor that signs sign in->challenge. A wrong answer is COUNTERSIGN_OK with COUNTERSIGN_WRONG.
 */
static int
verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	(void)instance;
	if (in->secret.len != SECRET_BYTES)
		return COUNTERSIGN_INVALID;
	out->verdict = COUNTERSIGN_WRONG;
	out->step = -1;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
		.size = sizeof(factor),
		.kind = "@NAME@",
		.enrol = enrol,
		.verify = verify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_FACTOR,
		.flags = 0,
		.config_count = sizeof(keys) / sizeof(keys[0]),
		.config_key_size = sizeof(keys[0]),
		.config = keys,
		.name = "@NAME@",
		.version = "0.1",
		.help = "Knows its owner by an answer.",
		.self_test = self_test,
		.init = init,
		.fini = fini,
		.profile = profile,
		.factor = &factor,
	};

	return &plugin;
}
