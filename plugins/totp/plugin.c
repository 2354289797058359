/* SPDX-License-Identifier: Apache-2.0 */
/* The factor `totp`: time-based codes of an authenticator app (RFC 6238). See README.md. */
#include <liboath/oath.h>
#include <stdlib.h>

#include "plugins/totp/code.h"

struct totp {
	const struct countersign_host_v1 *host;
	struct totp_parameters parameters;
	struct countersign_view issuer;  /* of the configuration */
};

static const struct countersign_config_key config[] = {
	{.name = "period", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = TOTP_PERIOD_MAX_S,
	    .default_value = "30",
	    .help = "Seconds that a code is good for; most apps know only 30."},
	{.name = "digits", .type = COUNTERSIGN_CONFIG_INT, .min = TOTP_DIGITS_MIN,
	    .max = TOTP_DIGITS_MAX, .default_value = "6", .help = "Digits of a code."},
	{.name = "algorithm", .type = COUNTERSIGN_CONFIG_WORD, .words = "SHA1 SHA256 SHA512",
	    .default_value = "SHA1", .help = "Hash under the HMAC; many apps know only SHA1."},
	{.name = "drift", .type = COUNTERSIGN_CONFIG_INT, .min = 0, .max = TOTP_DRIFT_MAX,
	    .default_value = "1",
	    .help = "Steps that the user's clock may be early or late."},
	{.name = "issuer", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 64,
	    .default_value = "Countersign", .help = "Who made the entry, as the app shows it."},
};

/* RFC 6238 appendix B, time 59: one line for each algorithm. */
static int
totp_self_test(const struct countersign_host_v1 *host)
{
	static const char seed[] =
	    "1234567890123456789012345678901234567890123456789012345678901234";
	static const struct {
		enum totp_algorithm algorithm;
		size_t seed_len;
		const char *code;
	} vectors[] = {
		{TOTP_SHA1, 20, "94287082"},
		{TOTP_SHA256, 32, "46119246"},
		{TOTP_SHA512, 64, "90693936"},
	};

	(void)host;
	if (oath_init() != OATH_OK)
		return COUNTERSIGN_INTERNAL;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct totp_parameters p = {vectors[i].algorithm, 30, 8, 1};
		struct countersign_view secret = {seed, vectors[i].seed_len};
		int64_t step;

		if (totp_match(&p, secret, countersign_view_of(vectors[i].code), -1, 59000,
			&step) != COUNTERSIGN_OK ||
		    step != 1)
			return COUNTERSIGN_INTERNAL;
		if (totp_match(&p, secret, countersign_view_of(vectors[i].code), 1, 59000, &step) !=
		    COUNTERSIGN_OK || step != -1)
			return COUNTERSIGN_INTERNAL;
	}
	return COUNTERSIGN_OK;
}

static int
totp_init(const struct countersign_host_v1 *host, void **instance)
{
	struct totp *t = calloc(1, sizeof(*t));

	if (t == NULL || oath_init() != OATH_OK) {
		free(t);
		return COUNTERSIGN_INTERNAL;
	}
	t->host = host;
	t->parameters.period_s = (unsigned)host->config_int(host->context, "period", 30);
	t->parameters.digits = (unsigned)host->config_int(host->context, "digits", 6);
	t->parameters.drift = (unsigned)host->config_int(host->context, "drift", 1);
	t->parameters.algorithm =
	    totp_algorithm_of(host->config_text(host->context, "algorithm", 0));
	t->issuer = host->config_text(host->context, "issuer", 0);
	if (t->parameters.algorithm == TOTP_ALGORITHM_COUNT) {
		free(t);
		return COUNTERSIGN_INVALID;
	}
	*instance = t;
	return COUNTERSIGN_OK;
}

static void
totp_fini(void *instance)
{
	free(instance);
	oath_done();
}

static int
totp_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

static int
totp_enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	const struct totp *t = instance;
	struct countersign_view issuer = in->issuer.len > 0 ? in->issuer : t->issuer;
	char bytes[TOTP_SECRET_BYTES];
	struct countersign_view secret = {bytes, sizeof(bytes)};
	int rc;

	t->host->random(t->host->context, bytes, sizeof(bytes));
	rc = countersign_put(&out->secret, bytes, sizeof(bytes));
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK)
		rc = totp_uri(&t->parameters, secret, issuer, in->account_hint,
		    &out->steps[0].value);
	explicit_bzero(bytes, sizeof(bytes));
	if (rc != COUNTERSIGN_OK)
		return rc;
	out->steps[0].kind = COUNTERSIGN_STEP_SHOW;
	out->steps[1].kind = COUNTERSIGN_STEP_CODE;
	out->steps[1].digits = t->parameters.digits;
	out->steps_count = 2;
	return COUNTERSIGN_OK;
}

static int
totp_verify(void *instance, const struct countersign_verify *in,
    struct countersign_verify_answer *out)
{
	const struct totp *t = instance;
	int64_t step;
	int rc;

	if (in->secret.len < TOTP_SECRET_MIN_BYTES || in->secret.len > TOTP_SECRET_MAX_BYTES)
		return COUNTERSIGN_INVALID;
	rc = totp_match(&t->parameters, in->secret, in->answer, in->last_step, in->call.now_ms,
	    &step);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc != COUNTERSIGN_OK)
		return rc;
	out->verdict = step >= 0;
	out->step = step;
	return COUNTERSIGN_OK;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
		.size = sizeof(factor),
		.kind = "totp",
		.enrol = totp_enrol,
		.verify = totp_verify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_FACTOR,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "totp",
		.version = "1",
		.help = "Time-based codes of an authenticator app (RFC 6238).",
		.self_test = totp_self_test,
		.init = totp_init,
		.fini = totp_fini,
		.profile = totp_profile,
		.factor = &factor,
	};

	return &plugin;
}
