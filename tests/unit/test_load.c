/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin must be before it is called, and what its configuration must be before it is
 * started.
 */
#include <string.h>

#include "broker/worker/load.h"
#include "broker/worker/settings.h"
#include "tests/unit/unit.h"

static int
nothing(void *instance, struct countersign_profile *p)
{
	(void)instance, (void)p;
	return 0;
}

static int
test_nothing(const struct countersign_host_v1 *host)
{
	(void)host;
	return 0;
}

static int
start(const struct countersign_host_v1 *host, void **instance)
{
	(void)host, (void)instance;
	return 0;
}

static int
enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	(void)instance, (void)in, (void)out;
	return 0;
}

static int
verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	(void)instance, (void)in, (void)out;
	return 0;
}

static int
begin(void *instance, const struct countersign_begin *in, struct countersign_begin_answer *out)
{
	(void)instance, (void)in, (void)out;
	return 0;
}

/* A plugin with all that it needs, for each test to take something away. */
struct made {
	struct countersign_plugin_v1 plugin;
	struct countersign_factor_v1 factor;
	struct countersign_config_key keys[5];
};

static struct made *
make(void)
{
	static struct made m;

	memset(&m, 0, sizeof(m));
	m.factor = (struct countersign_factor_v1){
	    .size = sizeof(m.factor), .kind = "code", .enrol = enrol, .verify = verify};
	m.keys[0] = (struct countersign_config_key){
	    "period", COUNTERSIGN_CONFIG_INT, 0, 1, 60, NULL, "30", "Seconds."};
	m.keys[1] = (struct countersign_config_key){"mode", COUNTERSIGN_CONFIG_WORD, 0, 0, 0,
	    "fast slow", NULL, "How."};
	m.keys[2] = (struct countersign_config_key){"home", COUNTERSIGN_CONFIG_URL,
	    COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY, 9, 40, NULL, NULL, "Where."};
	m.keys[3] = (struct countersign_config_key){"password", COUNTERSIGN_CONFIG_SECRET, 0, 4, 8,
	    NULL, NULL, "What."};
	m.keys[4] = (struct countersign_config_key){"loud", COUNTERSIGN_CONFIG_BOOL, 0, 0, 0, NULL,
	    "no", "Whether."};
	m.plugin = (struct countersign_plugin_v1){
		.size = sizeof(m.plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_FACTOR,
		.config_count = 5,
		.config_key_size = sizeof(m.keys[0]),
		.config = m.keys,
		.name = "made-1",
		.version = "1",
		.help = "Made.",
		.self_test = test_nothing,
		.init = start,
		.profile = nothing,
		.factor = &m.factor,
	};
	return &m;
}

static void
assert_refused(const struct made *m, enum cs_err expected, const char *sentence)
{
	char problem[LOAD_PROBLEM_MAX] = "";

	assert_int_equal(load_check(&m->plugin, problem), expected);
	if (strstr(problem, sentence) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", problem, sentence);
}

static void
test_whole_plugin_is_accepted(void **state)
{
	struct made *m = make();
	char problem[LOAD_PROBLEM_MAX];

	(void)state;
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	/* One of tomorrow, whose struct has grown, and which is of a kind more. */
	m->plugin.size += 64;
	m->plugin.kinds |= 32;
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	/* One of yesterday, built before risk and notify were appended. */
	m = make();
	m->plugin.size = offsetof(struct countersign_plugin_v1, risk);
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	/* And a factor before begin and tell were: what stands behind it is not looked at. */
	m->factor.begin = begin;
	assert_true(load_factor_begins(&m->factor));
	assert_false(load_factor_tells(&m->factor));
	m->factor.size = offsetof(struct countersign_factor_v1, begin);
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	assert_false(load_factor_begins(&m->factor));
}

static int
assess(void *instance, const struct countersign_assess *in, struct countersign_assessment *out)
{
	(void)instance, (void)in, (void)out;
	return COUNTERSIGN_INVALID;
}

static int
deliver(void *instance, const struct countersign_deliver *in, struct countersign_delivery *out)
{
	(void)instance, (void)in, (void)out;
	return COUNTERSIGN_INVALID;
}

static int
check_token(void *instance, const struct countersign_token *in, struct countersign_token_answer *out)
{
	(void)instance, (void)in, (void)out;
	return COUNTERSIGN_INVALID;
}

static int
authorization_url(void *instance, const struct countersign_authorize *in, struct countersign_authorize_answer *out)
{
	(void)instance, (void)in, (void)out;
	return COUNTERSIGN_INVALID;
}

static int
identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	(void)instance, (void)in, (void)out;
	return COUNTERSIGN_INVALID;
}

static int
rekey(void *instance, const struct countersign_rekey *in, struct countersign_rekey_answer *out)
{
	(void)instance, (void)in, (void)out;
	return COUNTERSIGN_INVALID;
}

/* A provider of the time before signals: it loads, and nothing behind its struct is looked at. */
static void
test_an_older_provider_loads(void **state)
{
	struct countersign_provider_v1 provider = {.size = sizeof(provider), .authorization_url = authorization_url,
	    .identify = identify, .rekey = rekey};
	struct made *m = make();
	char problem[LOAD_PROBLEM_MAX];

	(void)state;
	m->plugin.kinds |= COUNTERSIGN_KIND_PROVIDER;
	m->plugin.provider = &provider;
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	assert_true(load_provider_rekeys(&provider));
	assert_false(load_provider_signals(&provider) || load_provider_polls(&provider) || load_provider_streams(&provider));
	provider.size = offsetof(struct countersign_provider_v1, rekey);
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	assert_false(load_provider_rekeys(&provider));
	provider.size = offsetof(struct countersign_provider_v1, signal);
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	provider.size--;
	assert_refused(m, CS_ERR_CORRUPT, "it is a provider");
}

static void
test_names_of_parameters(void **state)
{
	(void)state;
	assert_true(load_parameter_good(NULL) && load_parameter_good("auth_code") && load_parameter_good("C-1"));
	assert_false(load_parameter_good("") || load_parameter_good("a b") || load_parameter_good("code="));
	assert_true(load_parameter_good("0123456789012345678901234567890123456789012345678901234567890123"));
	assert_false(load_parameter_good("01234567890123456789012345678901234567890123456789012345678901234"));
}

static void
test_appended_kinds_need_their_operations(void **state)
{
	struct countersign_risk_v1 risk = {sizeof(risk), assess};
	struct countersign_notify_v1 notify = {sizeof(notify), deliver};
	struct countersign_token_v1 token = {sizeof(token), check_token};
	struct made *m = make();
	char problem[LOAD_PROBLEM_MAX];

	(void)state;
	m->plugin.kinds = COUNTERSIGN_KIND_RISK | COUNTERSIGN_KIND_NOTIFY;
	assert_refused(m, CS_ERR_CORRUPT, "lacks assess");
	m->plugin.risk = &risk;
	assert_refused(m, CS_ERR_CORRUPT, "lacks deliver");
	m->plugin.notify = &notify;
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	risk.assess = NULL;
	assert_refused(m, CS_ERR_CORRUPT, "lacks assess");
	risk.assess = assess;
	risk.size = sizeof(risk.size);
	assert_refused(m, CS_ERR_CORRUPT, "lacks assess");
	risk.size = sizeof(risk);
	m->plugin.kinds |= COUNTERSIGN_KIND_TOKEN;
	assert_refused(m, CS_ERR_CORRUPT, "lacks check");
	m->plugin.token = &token;
	assert_int_equal(load_check(&m->plugin, problem), CS_OK);
	m->plugin.size = offsetof(struct countersign_plugin_v1, token);
	assert_refused(m, CS_ERR_CORRUPT, "lacks check");
	/* What stands past the end of an older struct is not looked at. */
	m->plugin.size = offsetof(struct countersign_plugin_v1, notify);
	assert_refused(m, CS_ERR_CORRUPT, "lacks deliver");
}

static void
test_another_version_is_refused(void **state)
{
	struct made *m = make();
	char problem[LOAD_PROBLEM_MAX];

	(void)state;
	assert_int_equal(load_check(NULL, problem), CS_ERR_CORRUPT);
	m->plugin.abi = 2;
	assert_refused(m, CS_ERR_VERSION, "another version");
	m = make();
	m->plugin.size = offsetof(struct countersign_plugin_v1, risk) - sizeof(void *);
	assert_refused(m, CS_ERR_VERSION, "another version");
	m->plugin.size = 4;
	assert_refused(m, CS_ERR_VERSION, "ABI 0");
	m = make();
	m->plugin.kinds = 32;
	assert_refused(m, CS_ERR_VERSION, "no kind");
}

static void
test_missing_parts_are_refused(void **state)
{
	struct made *m = make();

	(void)state;
	m->plugin.self_test = NULL;
	assert_refused(m, CS_ERR_CORRUPT, "self_test");
	m = make();
	m->factor.verify = NULL;
	assert_refused(m, CS_ERR_CORRUPT, "enrol or verify");
	m = make();
	m->plugin.factor = NULL;
	assert_refused(m, CS_ERR_CORRUPT, "it is a factor");
	m = make();
	m->plugin.kinds |= COUNTERSIGN_KIND_PROVIDER;
	assert_refused(m, CS_ERR_CORRUPT, "it is a provider");
	m = make();
	m->plugin.name = "../etc";
	assert_refused(m, CS_ERR_CORRUPT, "proper name");
}

static void
test_table_that_contradicts_itself_is_refused(void **state)
{
	struct made *m = make();

	(void)state;
	m->keys[0].default_value = "61";
	assert_refused(m, CS_ERR_CORRUPT, "breaks its own rule");
	m = make();
	m->keys[4].name = "mode";
	assert_refused(m, CS_ERR_CORRUPT, "mode twice");
	m = make();
	m->keys[1].words = NULL;
	assert_refused(m, CS_ERR_CORRUPT, "no words");
	m = make();
	m->keys[0].type = 7;
	assert_refused(m, CS_ERR_VERSION, "does not know");
	m = make();
	m->plugin.config_key_size = 8;
	assert_refused(m, CS_ERR_CORRUPT, "malformed");
	m = make();
	m->plugin.config_count = 1000000;
	assert_refused(m, CS_ERR_CORRUPT, "malformed");
}

static struct setting
setting(const char *name, const char *const *values, size_t count, const struct secret *secret)
{
	return (struct setting){name, count, values, secret};
}

/* One setting beside a good home; what it says, or "" when it is accepted. */
static const char *
says(const char *name, const char *value, const struct secret *secret)
{
	static char problem[SETTINGS_PROBLEM_MAX];
	static const char *const home[] = {"https://a"};
	const char *const values[] = {value};
	struct settings s = {.name = "x", .kind = COUNTERSIGN_KIND_FACTOR, .count = 2};

	problem[0] = '\0';
	s.items[0] = setting("home", home, 1, NULL);
	s.items[1] = setting(name, values, 1, secret);
	if (settings_check(&s, &make()->plugin, problem) == CS_OK)
		assert_string_equal(problem, "");
	else
		assert_string_not_equal(problem, "");
	return problem;
}

static void
test_settings_within_bounds(void **state)
{
	static const struct secret good = {.len = 4}, empty = {.len = 0}, big = {.len = 9};

	(void)state;
	assert_string_equal(says("period", "60", NULL), "");
	assert_non_null(strstr(says("period", "61", NULL), "from 1 to 60"));
	assert_non_null(strstr(says("period", "0", NULL), "from 1 to 60"));
	assert_non_null(strstr(says("period", "3 ", NULL), "whole number"));
	assert_non_null(strstr(says("period", "", NULL), "whole number"));
	assert_non_null(strstr(says("period", "99999999999999999999", NULL), "whole number"));
	assert_string_equal(says("mode", "slow", NULL), "");
	assert_non_null(strstr(says("mode", "slo", NULL), "fast slow"));
	assert_non_null(strstr(says("mode", "fast slow", NULL), "one of"));
	assert_string_equal(says("loud", "yes", NULL), "");
	assert_non_null(strstr(says("loud", "true", NULL), "yes or no"));
	assert_string_equal(says("password", "/file", &good), "");
	assert_non_null(strstr(says("password", "word", NULL), "set password file"));
	assert_non_null(strstr(says("password", "/file", &empty), "4 to 8"));
	assert_non_null(strstr(says("password", "/file", &big), "4 to 8"));
	assert_non_null(strstr(says("mode", "/file", &good), "no secret"));
	assert_non_null(strstr(says("perod", "30", NULL), "it knows: period mode"));
	/* A host's key is the host's only where the plugin uses HTTP. */
	assert_non_null(strstr(says("ca-file", "/ca.pem", NULL), "no key"));
}

/* The host's own keys hold to the same rules as a plugin's. */
static void
test_keys_of_the_host(void **state)
{
	static const char *const file[] = {"/etc/a.pem"}, *const two[] = {"/a", "/b"}, *const home[] = {"https://a"};
	static const struct secret secret = {.len = 4};
	struct settings s = {.name = "x", .kind = COUNTERSIGN_KIND_FACTOR, .count = 2};
	struct made *m = make();
	char problem[SETTINGS_PROBLEM_MAX];

	(void)state;
	m->plugin.flags = COUNTERSIGN_USES_HTTP;
	s.items[0] = setting("home", home, 1, NULL);
	s.items[1] = setting("tls-certificate", file, 1, NULL);
	assert_int_equal(settings_check(&s, &m->plugin, problem), CS_ERR_NOT_FOUND);
	assert_non_null(strstr(problem, "set tls-key file"));
	s.items[s.count++] = setting("tls-key", file, 1, NULL);
	assert_int_equal(settings_check(&s, &m->plugin, problem), CS_ERR_DENIED);
	s.items[2] = setting("tls-key", file, 1, &secret);
	assert_int_equal(settings_check(&s, &m->plugin, problem), CS_OK);
	s.items[1] = setting("ca-file", file, 1, NULL);
	assert_int_equal(settings_check(&s, &m->plugin, problem), CS_ERR_NOT_FOUND);
	assert_non_null(strstr(problem, "set tls-certificate \""));
	s.items[1] = setting("ca-file", two, 2, NULL);
	assert_int_equal(settings_check(&s, &m->plugin, problem), CS_ERR_RANGE);
}

static void
test_settings_as_a_whole(void **state)
{
	static const char *const homes[] = {"https://a", "https://b"}, *const http[] = {
									   "http://abcdef"};
	static const char *const modes[] = {"fast", "slow"};
	struct settings s = {.name = "x", .kind = COUNTERSIGN_KIND_FACTOR};
	char problem[SETTINGS_PROBLEM_MAX];

	(void)state;
	assert_int_equal(settings_check(&s, &make()->plugin, problem), CS_ERR_NOT_FOUND);
	assert_non_null(strstr(problem, "needs the key home"));
	s.items[s.count++] = setting("home", homes, 2, NULL);
	assert_int_equal(settings_check(&s, &make()->plugin, problem), CS_OK);
	s.items[s.count++] = setting("mode", modes, 2, NULL);
	assert_int_equal(settings_check(&s, &make()->plugin, problem), CS_ERR_RANGE);
	assert_non_null(strstr(problem, "takes one value"));
	s.count = 1;
	s.items[0] = setting("home", http, 1, NULL);
	assert_int_equal(settings_check(&s, &make()->plugin, problem), CS_ERR_RANGE);
	assert_non_null(strstr(problem, "https://"));
	s.kind = COUNTERSIGN_KIND_PROVIDER;
	assert_int_equal(settings_check(&s, &make()->plugin, problem), CS_ERR_RANGE);
	assert_non_null(strstr(problem, "no provider"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_plugin_is_accepted),
		cmocka_unit_test(test_appended_kinds_need_their_operations),
		cmocka_unit_test(test_an_older_provider_loads),
		cmocka_unit_test(test_names_of_parameters),
		cmocka_unit_test(test_another_version_is_refused),
		cmocka_unit_test(test_missing_parts_are_refused),
		cmocka_unit_test(test_table_that_contradicts_itself_is_refused),
		cmocka_unit_test(test_settings_within_bounds),
		cmocka_unit_test(test_keys_of_the_host),
		cmocka_unit_test(test_settings_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
