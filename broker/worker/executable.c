/* SPDX-License-Identifier: Apache-2.0 */
/* A program as a plugin: what it says it is becomes the struct; self-test, configuration, profile. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/worker/executable_run.h"
#include "broker/worker/load.h"

enum { STRING_MAX = 4096 };

/* One process has one plugin, and plugins are not unloaded: what it said of itself stays. */
static struct executable program;

static const struct {
	const char *word;
	uint32_t bit;
} assurances[] = {
	{"stable_subject", COUNTERSIGN_STABLE_SUBJECT},
	{"honours_max_age", COUNTERSIGN_HONOURS_MAX_AGE},
	{"verified_email", COUNTERSIGN_VERIFIED_EMAIL},
	{"sends_signals", COUNTERSIGN_SENDS_SIGNALS},
	{"syncs_secrets", COUNTERSIGN_SYNCS_SECRETS},
	{"code_alone", COUNTERSIGN_CODE_ALONE},
};

static const char *const key_types[] = {
	[COUNTERSIGN_CONFIG_STRING] = "string",
	[COUNTERSIGN_CONFIG_INT] = "int",
	[COUNTERSIGN_CONFIG_BOOL] = "bool",
	[COUNTERSIGN_CONFIG_WORD] = "word",
	[COUNTERSIGN_CONFIG_URL] = "url",
	[COUNTERSIGN_CONFIG_SECRET] = "secret",
};

/* NULL where nothing was said. */
static const char *
keep(struct view v)
{
	char *copy;

	if (v.data == NULL)
		return NULL;
	copy = strndup(v.data, v.len);
	CHECK(copy != NULL);
	return copy;
}

/* ---- what it says of itself ------------------------------------------------------------------ */

struct said {
	struct view name, version, help, factor_kind, code_parameter;
	uint32_t kinds, operations, keys, assurance, controls;
	bool uses_http, sends;
};

#define SAID(member, type, required, max) {#member, type, required, offsetof(struct said, member), 0, max}

static const struct json_field said_fields[] = {
    SAID(name, JSON_F_ID, true, 32),
    SAID(version, JSON_F_ID, true, 64),
    SAID(help, JSON_F_ID, true, 512),
    SAID(kinds, JSON_F_ARRAY, true, 8),
    SAID(factor_kind, JSON_F_ID, false, 32),
    SAID(operations, JSON_F_ARRAY, false, 16),
    SAID(keys, JSON_F_ARRAY, false, EXECUTABLE_KEYS_MAX),
    SAID(uses_http, JSON_F_BOOL, false, 0),
    SAID(sends, JSON_F_BOOL, false, 0),
    SAID(assurance, JSON_F_ARRAY, false, 16),
    SAID(controls, JSON_F_ARRAY, false, EXECUTABLE_CONTROLS_MAX),
    SAID(code_parameter, JSON_F_ID, false, 64),
    {.name = NULL},
};

struct said_key {
	struct view name, type, words, default_value, help;
	int64_t min, max;
	bool required, many;
};

#define KEY(name, member, type, required, max) {name, type, required, offsetof(struct said_key, member), 0, max}

static const struct json_field key_fields[] = {
    KEY("name", name, JSON_F_ID, true, 32),
    KEY("type", type, JSON_F_ID, true, 16),
    KEY("words", words, JSON_F_ID, false, 512),
    KEY("default", default_value, JSON_F_STRING, false, STRING_MAX),
    KEY("help", help, JSON_F_ID, true, 512),
    {"min", JSON_F_INT, false, offsetof(struct said_key, min), INT64_MIN, INT64_MAX},
    {"max", JSON_F_INT, false, offsetof(struct said_key, max), INT64_MIN, INT64_MAX},
    KEY("required", required, JSON_F_BOOL, false, 0),
    KEY("many", many, JSON_F_BOOL, false, 0),
    {.name = NULL},
};

static bool
take_key(const struct json *doc, uint32_t object, struct countersign_config_key *to)
{
	struct said_key k = {.name = {NULL, 0}};
	struct json_problem problem;
	uint32_t type = COUNTERSIGN_CONFIG_STRING;

	if (json_type(doc, object) != JSON_OBJECT || json_bind(doc, object, key_fields, true, &k, &problem) != CS_OK)
		return false;
	while (type <= COUNTERSIGN_CONFIG_SECRET && !view_equal(k.type, view_str(key_types[type])))
		type++;
	*to = (struct countersign_config_key){keep(k.name), type,
	    (k.required ? COUNTERSIGN_CONFIG_REQUIRED : 0U) | (k.many ? COUNTERSIGN_CONFIG_MANY : 0U), k.min, k.max,
	    keep(k.words), keep(k.default_value), keep(k.help)};
	return true;
}

static bool
take_keys(struct executable *x, const struct json *doc, uint32_t array)
{
	uint32_t at = array == 0 ? 0 : json_first(doc, array);
	size_t n = array == 0 ? 0 : doc->tokens[array].count;

	for (size_t i = 0; i < n; i++, at = json_next(doc, at))
		if (!take_key(doc, at, &x->keys[i]))
			return false;
	x->plugin.config = x->keys;
	x->plugin.config_count = (uint32_t)n;
	x->plugin.config_key_size = sizeof(x->keys[0]);
	return true;
}

/* A kind that this version does not know is left out, as of every plugin. */
static uint32_t
kinds_of(const struct json *doc, uint32_t array)
{
	uint32_t at = json_first(doc, array), kinds = 0;
	const char *name;

	for (size_t i = 0; i < doc->tokens[array].count; i++, at = json_next(doc, at))
		for (size_t k = 0; (name = load_kind_name(UINT32_MAX, k)) != NULL; k++)
			if (json_type(doc, at) == JSON_STRING && view_equal(json_text(doc, at), view_str(name)))
				kinds |= 1U << k;
	return kinds;
}

/* A word that is not known may be a promise that this version cannot hold it to: left out, nothing is lost. */
static bool
take_profile(struct executable *x, const struct json *doc, uint32_t assurance, uint32_t controls, struct view code_parameter)
{
	uint32_t at = assurance == 0 ? 0 : json_first(doc, assurance);
	size_t n = 0;

	if (assurance != 0)
		x->assurance = 0;
	for (size_t i = 0; assurance != 0 && i < doc->tokens[assurance].count; i++, at = json_next(doc, at))
		for (size_t k = 0; k < sizeof(assurances) / sizeof(assurances[0]); k++)
			if (json_type(doc, at) == JSON_STRING && view_equal(json_text(doc, at), view_str(assurances[k].word)))
				x->assurance |= assurances[k].bit;
	at = controls == 0 ? 0 : json_first(doc, controls);
	for (; controls != 0 && n < doc->tokens[controls].count; n++, at = json_next(doc, at)) {
		if (json_type(doc, at) != JSON_STRING || !json_printable(json_text(doc, at)))
			return false;
		x->controls[n] = keep(json_text(doc, at));
	}
	if (controls != 0)
		x->controls[n] = NULL;
	if (code_parameter.data != NULL)
		x->code_parameter = keep(code_parameter);
	return true;
}

static bool
take_said(struct executable *x, const struct json *doc, uint32_t parameters)
{
	struct said s = {.name = {NULL, 0}};
	struct json_problem problem = {.reason = "is missing"};

	if (parameters == 0 || json_bind(doc, parameters, said_fields, true, &s, &problem) != CS_OK) {
		log_error("plugin msg=\"Describe of the program: %s %s\"", problem.field == NULL ? "its answer" : problem.field,
		    problem.reason);
		return false;
	}
	x->plugin.name = keep(s.name);
	x->plugin.version = keep(s.version);
	x->plugin.help = keep(s.help);
	x->plugin.kinds = kinds_of(doc, s.kinds);
	x->plugin.flags = COUNTERSIGN_STARTS_PROCESSES | (s.uses_http ? COUNTERSIGN_USES_HTTP : 0U) | (s.sends ? COUNTERSIGN_SENDS : 0U);
	x->factor.kind = keep(s.factor_kind);
	snprintf(x->name, sizeof(x->name), "%s", x->plugin.name);
	executable_operations(x, doc, s.operations);
	return take_keys(x, doc, s.keys) && take_profile(x, doc, s.assurance, s.controls, s.code_parameter);
}

/* ---- the functions of the struct ------------------------------------------------------------- */

static int
test_itself(const struct countersign_host_v1 *host)
{
	struct executable *x = &program;
	struct json_writer w = executable_begin(x, "org.countersign.Plugin.SelfTest");
	uint32_t parameters;
	int rc;

	x->host = host;
	rc = executable_ask(x, &w, executable_boot_ms() + EXECUTABLE_START_MS, &parameters);
	executable_forget(x);
	x->host = NULL;
	return rc;
}

static void
put_values(struct json_writer *w, const struct countersign_host_v1 *host, const struct countersign_config_key *key)
{
	size_t n = host->config_count(host->context, key->name);

	if (n == 0)
		return;
	json_object_begin(w);
	json_member_str(w, "name", view_str(key->name));
	json_key(w, VIEW("values"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		struct countersign_view v = host->config_text(host->context, key->name, i);

		json_put_str(w, view_of(v.data == NULL ? "" : v.data, v.len));
	}
	json_array_end(w);
	json_object_end(w);
}

static void
put_secret(struct json_writer *w, const struct countersign_host_v1 *host, const struct countersign_config_key *key)
{
	char bytes[SECRET_MAX], text[BASE64URL_LEN(SECRET_MAX)];
	struct countersign_buffer b = {bytes, sizeof(bytes), 0};

	if (host->config_secret(host->context, key->name, &b) == COUNTERSIGN_OK) {
		json_object_begin(w);
		json_member_str(w, "name", view_str(key->name));
		json_member_str(w, "value", view_of(text, base64url_encode((const uint8_t *)bytes, b.len, text)));
		json_object_end(w);
	}
	secret_wipe(bytes, sizeof(bytes));
	secret_wipe(text, sizeof(text));
}

static void
put_settings(struct json_writer *w, const struct executable *x, bool secrets)
{
	json_key(w, secrets ? VIEW("secrets") : VIEW("settings"));
	json_array_begin(w);
	for (size_t i = 0; i < x->plugin.config_count; i++) {
		if ((x->keys[i].type == COUNTERSIGN_CONFIG_SECRET) != secrets)
			continue;
		if (secrets)
			put_secret(w, x->host, &x->keys[i]);
		else
			put_values(w, x->host, &x->keys[i]);
	}
	json_array_end(w);
}

static int
start(const struct countersign_host_v1 *host, void **instance)
{
	static const struct json_field fields[] = {
	    SAID(assurance, JSON_F_ARRAY, false, 16),
	    SAID(controls, JSON_F_ARRAY, false, EXECUTABLE_CONTROLS_MAX),
	    SAID(code_parameter, JSON_F_ID, false, 64),
	    {.name = NULL},
	};
	struct executable *x = &program;
	struct json_writer w = executable_begin(x, "org.countersign.Plugin.Configure");
	struct json_problem problem;
	struct said s = {.assurance = 0};
	uint32_t parameters = 0;
	int rc;

	x->host = host;
	put_settings(&w, x, false);
	put_settings(&w, x, true);
	rc = executable_ask(x, &w, executable_boot_ms() + EXECUTABLE_START_MS, &parameters);
	if (rc == COUNTERSIGN_OK && parameters != 0 &&
	    (json_bind(&x->doc, parameters, fields, true, &s, &problem) != CS_OK ||
	        !take_profile(x, &x->doc, s.assurance, s.controls, s.code_parameter)))
		rc = EXECUTABLE_GARBAGE;
	executable_forget(x);
	*instance = x;
	return rc;
}

static void
finish(void *instance)
{
	executable_stop(instance);
}

static int
profile(void *instance, struct countersign_profile *p)
{
	(void)instance;
	p->assurance = program.assurance;
	p->controls = program.controls;
	p->code_parameter = program.code_parameter;
	return COUNTERSIGN_OK;
}

/* ---- the start ------------------------------------------------------------------------------- */

enum cs_err
executable_load(int fd, const struct countersign_plugin_v1 **plugin, char *problem)
{
	struct executable *x = &program;
	struct json_writer w;
	uint32_t parameters = 0;
	bool good;

	*x = (struct executable){.fd = -1, .stderr_fd = -1, .name = "program",
	    .plugin = {.size = sizeof(x->plugin), .abi = COUNTERSIGN_PLUGIN_ABI, .self_test = test_itself, .init = start,
		.fini = finish, .profile = profile}};
	if (executable_start(fd, x) != CS_OK) {
		snprintf(problem, LOAD_PROBLEM_MAX, "it is a program, and no process can be started for it (%s): write  cage { processes yes }  "
		    "in its block", strerror(errno));
		return CS_ERR_SYSTEM;
	}
	w = executable_begin(x, "org.countersign.Plugin.Describe");
	good = executable_ask(x, &w, executable_boot_ms() + EXECUTABLE_START_MS, &parameters) == COUNTERSIGN_OK &&
	    take_said(x, &x->doc, parameters);
	executable_forget(x);
	if (!good) {
		executable_stop(x);
		snprintf(problem, LOAD_PROBLEM_MAX, "it is a program, and does not answer org.countersign.Plugin.Describe on descriptor 3 as "
		    "that interface says; the lines before tell more");
		return CS_ERR_CORRUPT;
	}
	*plugin = &x->plugin;
	return CS_OK;
}
