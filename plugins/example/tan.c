/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A factor for an author's first afternoon: a list of numbered codes on paper, used one after the other. See README.md.
 *
 * All that it keeps of an owner is the list, which the broker seals and hands back with each call: no files, no
 * state of its own. That a code is used once is the broker's: verify() says which step of the list a right answer is,
 * and the broker takes no step that is not newer than the last.
 */
#include <stdio.h>

#include "countersign/plugin.h"

enum { CODES_MAX = 99, DIGITS = 6 };

static const struct countersign_host_v1 *host;
static size_t codes = 0;

static const struct countersign_config_key config[] = {
	{.name = "codes", .type = COUNTERSIGN_CONFIG_INT, .min = 2, .max = CODES_MAX, .default_value = "20",
	    .help = "How many codes a list has."},
};

/* The list is its secret: the digits of all codes, one behind the other. Code number n is its step n. */
static const char *
code_at(struct countersign_view list, size_t n)
{
	return list.data + n * DIGITS;
}

/* Looks at all of them, each to its end, so that the time that it takes says nothing. -1: none of those after `last`. */
static int64_t
find(struct countersign_view list, struct countersign_view answer, int64_t last)
{
	int64_t found = -1;

	if (answer.len != DIGITS)
		return -1;
	for (size_t n = 0; n < list.len / DIGITS; n++) {
		unsigned differs = 0;

		for (size_t i = 0; i < DIGITS; i++)
			differs |= (unsigned)(code_at(list, n)[i] ^ answer.data[i]);
		if (differs == 0 && (int64_t)n > last && found < 0)
			found = (int64_t)n;
	}
	return found;
}

/* No network and no configuration: it proves that the code works on this machine. */
static int
tan_self_test(const struct countersign_host_v1 *h)
{
	const struct countersign_view list = {"111111222222111111", 18};

	(void)h;
	return find(list, countersign_view_of("111111"), -1) == 0 && find(list, countersign_view_of("111111"), 0) == 2 &&
	        find(list, countersign_view_of("222222"), 1) == -1 ?
	    COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

/* The configuration was held against the table: here it can only be read. */
static int
tan_init(const struct countersign_host_v1 *h, void **instance)
{
	(void)instance; /* what this plugin keeps is static: a process has one instance */
	host = h;
	codes = (size_t)h->config_int(h->context, "codes", 20);
	return COUNTERSIGN_OK;
}

static int
tan_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance, (void)profile; /* it promises nothing */
	return COUNTERSIGN_OK;
}

static int
tan_enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	char list[CODES_MAX * DIGITS], text[COUNTERSIGN_STEP_VALUE_MAX];
	size_t len = 0;

	(void)instance;
	host->random(host->context, list, codes * DIGITS);
	for (size_t i = 0; i < codes * DIGITS; i++) {
		/* Only what is below a multiple of ten: each digit is as likely as the others. */
		while ((unsigned char)list[i] >= 250)
			host->random(host->context, &list[i], 1);
		list[i] = (char)('0' + (unsigned char)list[i] % 10);
	}
	for (size_t n = 0; n < codes && len < sizeof(text); n++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%zu: %.*s", n == 0 ? "" : "\n", n + 1, DIGITS,
		    &list[n * DIGITS]);
	out->steps[0].kind = COUNTERSIGN_STEP_SHOW;
	out->steps[1].kind = COUNTERSIGN_STEP_CODE;
	out->steps[1].digits = DIGITS;
	out->steps_count = 2;
	if (len >= sizeof(text) || countersign_put(&out->steps[0].value, text, len) != COUNTERSIGN_OK ||
	    countersign_put(&out->secret, list, codes * DIGITS) != COUNTERSIGN_OK)
		return COUNTERSIGN_FULL;
	explicit_bzero(list, sizeof(list));
	explicit_bzero(text, sizeof(text));
	/* Every answer names the call that it answers. */
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

/* The same for the answer that ends an enrolment, and for every one after it. */
static int
tan_verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	(void)instance;
	out->step = find(in->secret, in->answer, in->last_step);
	out->verdict = out->step >= 0 ? COUNTERSIGN_RIGHT : COUNTERSIGN_WRONG;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
		.size = sizeof(factor),
		.kind = "tan",
		.enrol = tan_enrol,
		.verify = tan_verify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_FACTOR,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "tan",
		.version = "1.0",
		.help = "A list of numbered codes on paper.",
		.self_test = tan_self_test,
		.init = tan_init,
		.profile = tan_profile,
		.factor = &factor,
	};

	return &plugin;
}
