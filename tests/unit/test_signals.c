/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security events as providers' plugins read them: the examples of the specifications, signed by a transmitter made by hand;
 * what Google and Apple send; every refusal with its reason. No network.
 */
#include <dirent.h>
#include <stdio.h>

#include "plugins/lib/jwks.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/signals.h"
#include "tests/unit/oidc_issuer.h"
#include "tests/unit/unit.h"

#define NOW_S INT64_C(1800000000)
#define ISSUER "https://idp.example"
#define TRANSMITTER "https://tr.example/tenant/1"
#define RISC "https://schemas.openid.net/secevent/risc/event-type/"
#define CAEP "https://schemas.openid.net/secevent/caep/event-type/"
#define SSF "https://schemas.openid.net/secevent/ssf/event-type/"

/* The world of a test: one transmitter with its endpoints, one plugin. */
struct world {
	struct fake_host host;  /* first member */
	void *instance;
	const char *metadata_issuer;
	bool down;
	unsigned keys_fetches, metadata_fetches;
};

static struct issuer_key rsa, ec, other;

static int
put_json(struct countersign_http_response *response, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	int rc = countersign_put(&response->body, text, strlen(text));

	free(text);
	json_decref(v);
	return rc;
}

static int
answer(struct fake_host *h, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	struct world *w = (struct world *)h;
	char url[256];

	snprintf(url, sizeof(url), "%.*s", (int)request->url.len, request->url.data);
	response->status = 200;
	if (w->down)
		return COUNTERSIGN_UNREACHABLE;
	if (strcmp(url, "https://tr.example/.well-known/ssf-configuration/tenant/1") == 0) {
		w->metadata_fetches++;
		return put_json(response, json_pack("{ss ss s[s]}", "issuer", w->metadata_issuer, "jwks_uri",
		    "https://tr.example/keys", "critical_subject_members", "tenant"));
	}
	if (strcmp(url, "https://tr.example/keys") == 0 || strcmp(url, ISSUER "/keys") == 0) {
		w->keys_fetches++;
		return put_json(response, json_pack("{s[oo]}", "keys", issuer_jwk(&rsa), issuer_jwk(&ec)));
	}
	assert_string_equal(url, ISSUER "/.well-known/openid-configuration");
	return put_json(response, json_pack("{ss ss ss ss}", "issuer", ISSUER, "authorization_endpoint",
	    ISSUER "/authorize", "token_endpoint", ISSUER "/token", "jwks_uri", ISSUER "/keys"));
}

static const struct fake_setting usual[] = {
	{"issuer", ISSUER},
	{"issuer-alias", "idp.example"},
	{"client-id", "web"},
	{"algorithm", "RS256"},
	{"algorithm", "ES256"},
	{"signal-audience", "aud-1"},
	{NULL, NULL},
};

static void
start(struct world *w, enum set_format format, const struct fake_setting *settings)
{
	static struct oidc_kind kind;

	kind = (struct oidc_kind){.signals = (int)format};
	memset(w, 0, sizeof(*w));
	w->metadata_issuer = TRANSMITTER;
	fake_host_init(&w->host, countersign_plugin_v1(), settings == NULL ? usual : settings);
	w->host.answer = answer;
	w->host.boot_ms = 1000000;
	assert_int_equal(oidc_open(&w->host.table, &kind, &w->instance), COUNTERSIGN_OK);
}

static void
stop(struct world *w)
{
	oidc_fini(w->instance);
	fake_host_clear(&w->host);
}

/* The answer of signal(), with its text in memory of its own. */
struct told {
	struct countersign_signal_answer a;
	char head[5][256], events[COUNTERSIGN_SIGNAL_EVENTS][4][256];
};

static void
prepare(struct told *t)
{
	struct countersign_buffer *const head[] = {&t->a.request, &t->a.issuer, &t->a.id, &t->a.audience, &t->a.state};

	memset(t, 0, sizeof(*t));
	t->a.size = sizeof(t->a);
	for (size_t i = 0; i < 5; i++)
		*head[i] = (struct countersign_buffer){t->head[i], 255, 0};
	for (size_t i = 0; i < COUNTERSIGN_SIGNAL_EVENTS; i++) {
		struct countersign_security_event *e = &t->a.events[i];
		struct countersign_buffer *const of[] = {&e->name, &e->issuer, &e->subject, &e->detail};

		for (size_t k = 0; k < 4; k++)
			*of[k] = (struct countersign_buffer){t->events[i][k], 255, 0};
	}
}

struct shown {
	const char *type, *authorization, *client;
	int64_t now_s;
};

static int
signal_with(struct world *w, const char *body, const struct shown *shown, struct told *t)
{
	struct countersign_view client = countersign_view_of(shown->client == NULL ? "web" : shown->client);
	struct countersign_signal in = {.size = sizeof(in),
	    .call = {.now_ms = (shown->now_s == 0 ? NOW_S : shown->now_s) * 1000, .request = countersign_view_of("r9")},
	    .body = countersign_view_of(body), .content_type = countersign_view_of(shown->type),
	    .authorization = countersign_view_of(shown->authorization), .client_ids = &client, .client_ids_count = 1};
	int rc;

	prepare(t);
	rc = signals_signal(w->instance, &in, &t->a);
	fake_host_clear(&w->host);
	return rc;
}

static const struct shown pushed = {.type = "application/secevent+jwt"};

static json_t *
good_claims(void)
{
	return json_pack("{ss ss ss sI s{ss ss ss} s{s{ss sI}}}", "iss", ISSUER, "jti", "j-1", "aud", "aud-1", "iat",
	    (json_int_t)NOW_S - 5, "sub_id", "format", "iss_sub", "iss", ISSUER, "sub", "alice-1", "events",
	    RISC "account-disabled", "reason", "hijacking", "event_timestamp", (json_int_t)NOW_S - 60);
}

/* RFC 7396: members within members, too. */
static json_t *
merge(json_t *base, const char *patch)
{
	json_t *changes = json_loads(patch == NULL ? "{}" : patch, 0, NULL), *v;
	const char *name;

	assert_non_null(changes);
	json_object_foreach(changes, name, v) {
		json_t *old = json_object_get(base, name);
		char *inner = json_is_object(v) ? json_dumps(v, 0) : NULL;

		if (json_is_null(v))
			json_object_del(base, name);
		else if (inner != NULL)
			json_object_set_new(base, name, merge(json_is_object(old) ? json_incref(old) : json_object(), inner));
		else
			json_object_set(base, name, v);
		free(inner);
	}
	json_decref(changes);
	return base;
}

static char *
make_set(const struct issuer_key *k, const char *header_patch, const char *claims_patch)
{
	json_t *header = json_pack("{ss ss ss}", "alg", k->alg, "kid", k->kid, "typ", "secevent+jwt");

	return issuer_sign(k, merge(header, header_patch), merge(good_claims(), claims_patch));
}

static int
signal_patched(struct world *w, const struct issuer_key *k, const char *header, const char *claims, struct told *t)
{
	char *set = make_set(k, header, claims);
	int rc = signal_with(w, set, &pushed, t);

	free(set);
	return rc;
}

static void
test_good_set_says_what_happened_to_whom(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start(&w, SET_SSF, NULL);
	assert_int_equal(signal_patched(&w, &rsa, NULL, NULL, &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[0], "r9");
	assert_string_equal(t.head[1], ISSUER);
	assert_string_equal(t.head[2], "j-1");
	assert_string_equal(t.head[3], "aud-1");
	assert_string_equal(t.head[4], "");
	assert_int_equal(t.a.issued_at_ms, (NOW_S - 5) * 1000);
	assert_int_equal(t.a.events_count, 1);
	assert_string_equal(t.events[0][0], "account-disabled");
	assert_string_equal(t.events[0][1], ISSUER);
	assert_string_equal(t.events[0][2], "alice-1");
	assert_string_equal(t.events[0][3], "hijacking");
	assert_int_equal(t.a.events[0].at_ms, (NOW_S - 60) * 1000);
	assert_int_equal(signal_patched(&w, &ec, "{\"typ\":\"application/SecEvent+JWT\"}", "{\"aud\":[\"x\",\"web\"]}", &t),
	    COUNTERSIGN_OK);
	assert_string_equal(t.head[3], "web");
	stop(&w);
}

/* Every client of a project, as Google names them: that we are the last of many loses no event. */
static void
test_one_of_many_audiences_is_ours(void **state)
{
	json_t *aud = json_array(), *claims = json_pack("{so}", "aud", aud);
	struct world w;
	struct told t;
	char *text, name[16];

	(void)state;
	start(&w, SET_SSF, NULL);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "other-%u", i);
		json_array_append_new(aud, json_string(name));
	}
	json_array_append_new(aud, json_string("web"));
	text = json_dumps(claims, JSON_COMPACT);
	assert_int_equal(signal_patched(&w, &rsa, NULL, text, &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[3], "web");
	free(text);
	json_decref(claims);
	stop(&w);
}

/* One line a refusal. {"x": null} takes x away. */
static const struct {
	const char *what, *header, *claims;
	int expected;
} refusals[] = {
    {"no typ", "{\"typ\":null}", NULL, COUNTERSIGN_BAD_TYPE},
    {"an ID token's typ", "{\"typ\":\"JWT\"}", NULL, COUNTERSIGN_BAD_TYPE},
    {"typ is no string", "{\"typ\":1}", NULL, COUNTERSIGN_BAD_TYPE},
    {"crit", "{\"crit\":[\"exp\"]}", NULL, COUNTERSIGN_BAD_TOKEN},
    {"alg none", "{\"alg\":\"none\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg HS256", "{\"alg\":\"HS256\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg not allowed here", "{\"alg\":\"PS256\"}", NULL, COUNTERSIGN_BAD_ALGORITHM},
    {"alg of another key", "{\"alg\":\"ES256\"}", NULL, COUNTERSIGN_BAD_KEY},
    {"unknown kid", "{\"kid\":\"k9\"}", NULL, COUNTERSIGN_BAD_KEY},
    {"no iss", NULL, "{\"iss\":null}", COUNTERSIGN_BAD_TOKEN},
    {"another iss", NULL, "{\"iss\":\"https://evil.example\"}", COUNTERSIGN_BAD_ISSUER},
    {"iss with a slash", NULL, "{\"iss\":\"https://idp.example/\"}", COUNTERSIGN_BAD_ISSUER},
    {"an ID token's nonce", NULL, "{\"nonce\":\"n\"}", COUNTERSIGN_BAD_TYPE},
    {"sub at the top", NULL, "{\"sub\":\"alice-1\"}", COUNTERSIGN_BAD_TYPE},
    {"exp", NULL, "{\"exp\":1800000900}", COUNTERSIGN_BAD_TYPE},
    {"no events", NULL, "{\"events\":null}", COUNTERSIGN_BAD_TYPE},
    {"no aud", NULL, "{\"aud\":null}", COUNTERSIGN_BAD_AUDIENCE},
    {"another aud", NULL, "{\"aud\":\"x\"}", COUNTERSIGN_BAD_AUDIENCE},
    {"empty aud", NULL, "{\"aud\":[]}", COUNTERSIGN_BAD_AUDIENCE},
    {"aud with a number", NULL, "{\"aud\":[\"aud-1\",1]}", COUNTERSIGN_BAD_TOKEN},
    {"no jti", NULL, "{\"jti\":null}", COUNTERSIGN_BAD_TOKEN},
    {"empty jti", NULL, "{\"jti\":\"\"}", COUNTERSIGN_BAD_TOKEN},
    {"jti with a line", NULL, "{\"jti\":\"a\\nb\"}", COUNTERSIGN_BAD_TOKEN},
    {"jti that turns round", NULL, "{\"jti\":\"a\\u202eb\"}", COUNTERSIGN_BAD_TOKEN},
    {"no iat", NULL, "{\"iat\":null}", COUNTERSIGN_BAD_TOKEN},
    {"iat is a text", NULL, "{\"iat\":\"1800000000\"}", COUNTERSIGN_BAD_TOKEN},
    {"from the future", NULL, "{\"iat\":1800000011}", COUNTERSIGN_NOT_YET_VALID},
    {"eight days old", NULL, "{\"iat\":1799308800}", COUNTERSIGN_EXPIRED},
    {"events are a text", NULL, "{\"events\":\"{}\"}", COUNTERSIGN_BAD_TOKEN},
    {"events are empty", NULL, "{\"events\":{\"" RISC "account-disabled\":null}}", COUNTERSIGN_BAD_TOKEN},
    {"five events", NULL, "{\"events\":{\"a\":{},\"b\":{},\"c\":{},\"d\":{},\"e\":{}}}", COUNTERSIGN_BAD_TOKEN},
    {"an event is no object", NULL, "{\"events\":{\"" RISC "account-disabled\":true}}", COUNTERSIGN_BAD_TOKEN},
    {"no sub_id", NULL, "{\"sub_id\":null}", COUNTERSIGN_BAD_TOKEN},
    {"sub_id is a text", NULL, "{\"sub_id\":\"alice-1\"}", COUNTERSIGN_BAD_TOKEN},
    {"sub_id without a format", NULL, "{\"sub_id\":{\"format\":null}}", COUNTERSIGN_BAD_TOKEN},
    {"iss_sub without sub", NULL, "{\"sub_id\":{\"sub\":null}}", COUNTERSIGN_BAD_TOKEN},
    {"sub with a control character", NULL,
	"{\"sub_id\":{\"format\":\"iss_sub\",\"iss\":\"" ISSUER "\",\"sub\":\"a\\u0001\"}}", COUNTERSIGN_BAD_TOKEN},
    {"email without one", NULL, "{\"sub_id\":{\"format\":\"email\"}}", COUNTERSIGN_BAD_TOKEN},
    {"aliases that nest", NULL,
	"{\"sub_id\":{\"format\":\"aliases\",\"identifiers\":[{\"format\":\"aliases\",\"identifiers\":[]}]}}",
	COUNTERSIGN_BAD_TOKEN},
    {"aliases of two people", NULL,
	"{\"sub_id\":{\"format\":\"aliases\",\"identifiers\":[{\"format\":\"iss_sub\",\"iss\":\"" ISSUER "\",\"sub\":\"a\"},"
	"{\"format\":\"iss_sub\",\"iss\":\"" ISSUER "\",\"sub\":\"b\"}]}}",
	COUNTERSIGN_BAD_TOKEN},
    {"a part of a complex subject is a text", NULL, "{\"sub_id\":{\"iss\":null,\"sub\":null,\"format\":\"complex\",\"user\":\"alice-1\"}}",
	COUNTERSIGN_BAD_TOKEN},
    {"a verification's state is a number", NULL, "{\"events\":{\"" SSF "verification\":{\"state\":1}}}",
	COUNTERSIGN_BAD_TOKEN},
};

static void
test_refusals(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start(&w, SET_SSF, NULL);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		int rc = signal_patched(&w, &rsa, refusals[i].header, refusals[i].claims, &t);

		if (rc != refusals[i].expected)
			fail_msg("%s: %d, not %d", refusals[i].what, rc, refusals[i].expected);
	}
	assert_int_equal(signal_patched(&w, &other, "{\"kid\":\"r1\"}", NULL, &t), COUNTERSIGN_BAD_SIGNATURE);
	assert_int_equal(signal_with(&w, "a.b.c", &pushed, &t), COUNTERSIGN_BAD_TOKEN);
	stop(&w);
}

/* What of an event reaches the engine. subject NULL: the event concerns no link here. */
static const struct {
	const char *what, *claims, *name, *subject, *detail;
	bool timed;
} readings[] = {
    {"another spelling of the issuer", "{\"sub_id\":{\"iss\":\"idp.example\"}}", "account-disabled", "alice-1", "hijacking", true},
    {"another issuer's subject", "{\"sub_id\":{\"iss\":\"https://x.example\"}}", "account-disabled", NULL, "hijacking", true},
    {"mail address", "{\"sub_id\":{\"format\":\"email\",\"email\":\"a@b.example\"}}", "account-disabled", NULL, "hijacking", true},
    {"a format of its own", "{\"sub_id\":{\"format\":\"catalog_item\"}}", "account-disabled", NULL, "hijacking", true},
    {"aliases", "{\"sub_id\":{\"format\":\"aliases\",\"identifiers\":[{\"format\":\"email\",\"email\":\"a@b\"},"
		"{\"format\":\"iss_sub\",\"iss\":\"" ISSUER "\",\"sub\":\"bob\"}]}}", "account-disabled", "bob", "hijacking", true},
    {"a session of a person", "{\"sub_id\":{\"iss\":null,\"sub\":null,\"format\":\"complex\",\"user\":{\"format\":\"iss_sub\",\"iss\":\"" ISSUER
			      "\",\"sub\":\"bob\"},\"session\":{\"format\":\"opaque\",\"id\":\"s\"}}}",
	"account-disabled", "bob", "hijacking", true},
    {"a session alone", "{\"sub_id\":{\"iss\":null,\"sub\":null,\"format\":\"complex\",\"session\":{\"format\":\"opaque\",\"id\":\"s\"}}}",
	"account-disabled", NULL, "hijacking", true},
    {"no time", "{\"events\":{\"" RISC "account-disabled\":{\"event_timestamp\":null}}}", "account-disabled", "alice-1",
	"hijacking", false},
    {"a time ahead", "{\"events\":{\"" RISC "account-disabled\":{\"event_timestamp\":1900000000}}}", "account-disabled",
	"alice-1", "hijacking", false},
    {"a time in milliseconds", "{\"events\":{\"" RISC "account-disabled\":{\"event_timestamp\":1799999940000}}}",
	"account-disabled", "alice-1", "hijacking", true},
    {"toe", "{\"toe\":1799999940,\"events\":{\"" RISC "account-disabled\":{\"event_timestamp\":null}}}", "account-disabled",
	"alice-1", "hijacking", true},
    {"a detail of two words", "{\"events\":{\"" RISC "account-disabled\":null,\"" CAEP
			      "credential-change\":{\"change_type\":\"create\",\"credential_type\":\"fido2-roaming\"}}}",
	"credential-change", "alice-1", "fido2-roaming create", false},
    {"a detail with a line", "{\"events\":{\"" RISC "account-disabled\":{\"reason\":\"a\\nb\"}}}", "account-disabled",
	"alice-1", "", true},
    {"a name that is none", "{\"events\":{\"" RISC "account-disabled\":null,\"https://x.example/Über\":{}}}", "other",
	"alice-1", "", false},
    {"another's event", "{\"events\":{\"" RISC "account-disabled\":null,\"https://x.example/user-risk-change\":{}}}",
	"user-risk-change", "alice-1", "", false},
};

static void
test_readings(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start(&w, SET_SSF, NULL);
	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
		const char *subject = readings[i].subject;

		assert_int_equal(signal_patched(&w, &rsa, NULL, readings[i].claims, &t), COUNTERSIGN_OK);
		assert_int_equal(t.a.events_count, 1);
		if (strcmp(t.events[0][0], readings[i].name) != 0 || strcmp(t.events[0][3], readings[i].detail) != 0 ||
		    strcmp(t.events[0][2], subject == NULL ? "" : subject) != 0 ||
		    strcmp(t.events[0][1], subject == NULL ? "" : ISSUER) != 0 ||
		    t.a.events[0].at_ms != (readings[i].timed ? (NOW_S - 60) * 1000 : COUNTERSIGN_NO_TIME))
			fail_msg("%s: %s, %s, %s, %s, %lld", readings[i].what, t.events[0][0], t.events[0][1], t.events[0][2],
			    t.events[0][3], (long long)t.a.events[0].at_ms);
	}
	stop(&w);
}

static void
test_verification_and_several_events(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start(&w, SET_SSF, NULL);
	assert_int_equal(signal_patched(&w, &rsa, NULL, "{\"sub_id\":{\"format\":\"opaque\",\"id\":\"s\"},\"events\":{\"" RISC
	    "account-disabled\":null,\"" SSF "verification\":{\"state\":\"abc\"}}}", &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[4], "abc");
	assert_string_equal(t.events[0][0], "verification");
	assert_string_equal(t.events[0][2], "");
	assert_int_equal(signal_patched(&w, &rsa, NULL, "{\"events\":{\"" CAEP "session-revoked\":{}}}", &t), COUNTERSIGN_OK);
	assert_int_equal(t.a.events_count, 2);
	assert_string_equal(t.events[1][0], "session-revoked");
	assert_string_equal(t.events[1][2], "alice-1");
	stop(&w);
}

/* An ID token is no security event, in any format, and a security event is no ID token. */
static void
test_neither_is_taken_for_the_other(void **state)
{
	static const char id_token[] = "{\"sub\":\"alice-1\",\"exp\":1800003600,\"aud\":\"web\",\"events\":null,\"sub_id\":null}";
	struct world w;
	struct told t;
	char *set, wrapped[4096];

	(void)state;
	for (int format = SET_SSF; format <= SET_APPLE; format++) {
		start(&w, (enum set_format)format, NULL);
		set = make_set(&rsa, "{\"typ\":\"JWT\"}", id_token);
		snprintf(wrapped, sizeof(wrapped), "{\"payload\":\"%s\"}", set);
		assert_int_equal(format == SET_APPLE ? signal_with(&w, wrapped, &(struct shown){"application/json", NULL, NULL, 0}, &t) :
		    signal_with(&w, set, &pushed, &t), COUNTERSIGN_BAD_TYPE);
		free(set);
		stop(&w);
	}
	start(&w, SET_SSF, NULL);
	set = make_set(&rsa, NULL, NULL);
	{
		struct countersign_view client = countersign_view_of("web");
		struct countersign_identify in = {.size = sizeof(in), .call = {.now_ms = NOW_S * 1000},
		    .nonce = countersign_view_of("n"), .client_ids = &client, .client_ids_count = 1,
		    .id_token = countersign_view_of(set)};
		struct countersign_identity id = {.size = sizeof(id)};

		assert_int_equal(oidc_identify(w.instance, &in, &id), COUNTERSIGN_BAD_TYPE);
	}
	free(set);
	stop(&w);
}

static const struct fake_setting of_transmitter[] = {
	{"issuer", ISSUER},
	{"client-id", "web"},
	{"signal-issuer", TRANSMITTER},
	{"signal-authorization", "Bearer let-me-in"},
	{NULL, NULL},
};

static void
test_a_transmitter_with_an_issuer_of_its_own(void **state)
{
	static const char good[] = "{\"iss\":\"" TRANSMITTER "\",\"aud\":\"web\"}";
	static const char critical[] = "{\"iss\":\"" TRANSMITTER "\",\"aud\":\"web\",\"sub_id\":{\"iss\":null,\"sub\":null,\"format\":\"complex\",\"user\":"
	    "{\"format\":\"iss_sub\",\"iss\":\"" ISSUER "\",\"sub\":\"bob\"},\"tenant\":{\"format\":\"opaque\",\"id\":\"t\"}}}";
	const struct shown with = {.type = "application/secevent+jwt", .authorization = "Bearer let-me-in"};
	const struct shown with_another = {.type = "application/secevent+jwt", .authorization = "Bearer let-me-on"};
	struct world w;
	struct told t;
	char *set = make_set(&rsa, NULL, good), *from_op = make_set(&rsa, NULL, "{\"aud\":\"web\"}");
	char *tenant = make_set(&rsa, NULL, critical);

	(void)state;
	start(&w, SET_SSF, of_transmitter);
	/* The header first: nothing is fetched for who does not show it. */
	assert_int_equal(signal_with(&w, set, &pushed, &t), COUNTERSIGN_BAD_BINDING);
	assert_int_equal(signal_with(&w, set, &with_another, &t), COUNTERSIGN_BAD_BINDING);
	assert_int_equal(signal_with(&w, from_op, &with, &t), COUNTERSIGN_BAD_ISSUER);
	assert_int_equal(w.host.fetches, 0);
	assert_int_equal(signal_with(&w, set, &with, &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[1], TRANSMITTER);
	assert_string_equal(t.events[0][1], ISSUER);
	assert_int_equal(w.metadata_fetches, 1);
	/* What was polled was fetched by us. */
	assert_int_equal(signal_with(&w, set, &(struct shown){0}, &t), COUNTERSIGN_OK);
	/* "tenant" must be understood, says the transmitter, and is not: the event is nobody's. */
	assert_int_equal(signal_with(&w, tenant, &with, &t), COUNTERSIGN_OK);
	assert_string_equal(t.events[0][2], "");
	stop(&w);

	/* Metadata of another issuer; and a transmitter that is away is asked once a while. */
	start(&w, SET_SSF, of_transmitter);
	w.metadata_issuer = "https://tr.example/tenant/2";
	assert_int_equal(signal_with(&w, set, &with, &t), COUNTERSIGN_PROVIDER_ERROR);
	assert_int_equal(signal_with(&w, set, &with, &t), COUNTERSIGN_UNREACHABLE);
	assert_int_equal(w.host.fetches, 1);
	w.metadata_issuer = TRANSMITTER;
	w.host.boot_ms += 60000;
	assert_int_equal(signal_with(&w, set, &with, &t), COUNTERSIGN_OK);
	stop(&w);
	free(set);
	free(from_op);
	free(tenant);
}

static char *
google_set(const char *header_patch, const char *claims_patch)
{
	json_t *header = json_pack("{ss ss}", "alg", "RS256", "kid", rsa.kid);
	json_t *claims = json_pack("{ss ss ss sI s{s{s{ss ss ss} ss}}}", "iss", ISSUER "/", "aud", "web", "jti", "g-1", "iat",
	    (json_int_t)NOW_S - 5, "events", RISC "account-disabled", "subject", "subject_type", "iss-sub", "iss", ISSUER "/",
	    "sub", "7375626A656374", "reason", "hijacking");

	return issuer_sign(&rsa, merge(header, header_patch), merge(claims, claims_patch));
}

static int
google(struct world *w, const char *header, const char *claims, struct told *t)
{
	char *set = google_set(header, claims);
	int rc = signal_with(w, set, &pushed, t);

	free(set);
	return rc;
}

#define WITHOUT "{\"events\":{\"" RISC "account-disabled\":null,"
static void
test_what_google_sends(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start(&w, SET_GOOGLE, NULL);
	/* Two spellings of the issuer, typ absent or not, exp that says nothing. */
	assert_int_equal(google(&w, NULL, NULL, &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[1], ISSUER);
	assert_string_equal(t.events[0][1], ISSUER);
	assert_string_equal(t.events[0][2], "7375626A656374");
	assert_int_equal(google(&w, "{\"typ\":\"secevent+jwt\"}", "{\"iss\":\"" ISSUER "\",\"exp\":1}", &t), COUNTERSIGN_OK);
	assert_int_equal(google(&w, "{\"typ\":\"JWT\"}", NULL, &t), COUNTERSIGN_OK);
	assert_int_equal(google(&w, NULL, "{\"iss\":\"https://idp.example//\"}", &t), COUNTERSIGN_BAD_ISSUER);
	/* A token is nothing that a link has. */
	assert_int_equal(google(&w, NULL, WITHOUT "\"https://schemas.openid.net/secevent/oauth/event-type/token-revoked\":"
	    "{\"subject\":{\"subject_type\":\"oauth_token\",\"token_type\":\"refresh_token\","
	    "\"token_identifier_alg\":\"hash_base64_sha512_sha512\",\"token\":\"x\"}}}}", &t), COUNTERSIGN_OK);
	assert_string_equal(t.events[0][0], "token-revoked");
	assert_string_equal(t.events[0][2], "");
	assert_int_equal(google(&w, NULL, WITHOUT "\"" RISC "verification\":{\"state\":\"s-1\"}}}", &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[4], "s-1");
	assert_int_equal(google(&w, NULL, WITHOUT "\"" RISC "account-purged\":{\"subject\":\"x\"}}}", &t), COUNTERSIGN_BAD_TOKEN);
	/* An access token of Google's for this client, with typ absent as well. */
	assert_int_equal(google(&w, NULL, "{\"events\":null,\"sub\":\"1\",\"exp\":1800003600}", &t), COUNTERSIGN_BAD_TYPE);
	stop(&w);
}

static int
apple(struct world *w, const char *claims_patch, const char *event, struct told *t)
{
	json_t *header = json_pack("{ss ss}", "alg", "RS256", "kid", rsa.kid);
	json_t *claims = json_pack("{ss ss ss sI sI ss}", "iss", ISSUER, "aud", "web", "jti", "a-1", "iat",
	    (json_int_t)NOW_S - 5, "exp", (json_int_t)NOW_S + 86395, "events", event);
	char *set = issuer_sign(&rsa, header, merge(claims, claims_patch)), body[8192];
	int rc;

	snprintf(body, sizeof(body), "{\"payload\":\"%s\"}", set);
	rc = signal_with(w, body, &(struct shown){.type = "application/json"}, t);
	free(set);
	return rc;
}

static void
test_what_apple_sends(void **state)
{
	static const char revoked[] = "{\"type\":\"consent-revoked\",\"sub\":\"001.x.1\",\"event_time\":1799999940123}";
	struct world w;
	struct told t;
	char *set;

	(void)state;
	start(&w, SET_APPLE, NULL);
	assert_int_equal(apple(&w, NULL, revoked, &t), COUNTERSIGN_OK);
	assert_string_equal(t.head[2], "a-1");
	assert_int_equal(t.a.events_count, 1);
	assert_string_equal(t.events[0][0], "consent-revoked");
	assert_string_equal(t.events[0][1], ISSUER);
	assert_string_equal(t.events[0][2], "001.x.1");
	assert_int_equal(t.a.events[0].at_ms, (NOW_S - 60) * 1000);
	assert_int_equal(apple(&w, NULL, "{\"type\":\"account-deleted\",\"sub\":\"1\",\"event_time\":1799999940}", &t), COUNTERSIGN_OK);
	assert_string_equal(t.events[0][0], "account-delete");
	assert_int_equal(t.a.events[0].at_ms, (NOW_S - 60) * 1000);
	assert_int_equal(apple(&w, NULL, "{\"type\":\"email-disabled\",\"sub\":\"1\",\"email\":\"x@privaterelay.appleid.com\","
	    "\"is_private_email\":\"true\"}", &t), COUNTERSIGN_OK);
	assert_int_equal(apple(&w, "{\"iat\":1799900000,\"exp\":1799999990}", revoked, &t), COUNTERSIGN_EXPIRED);
	assert_int_equal(apple(&w, "{\"exp\":null}", revoked, &t), COUNTERSIGN_BAD_TOKEN);
	assert_int_equal(apple(&w, "{\"aud\":\"other.app\"}", revoked, &t), COUNTERSIGN_BAD_AUDIENCE);
	assert_int_equal(apple(&w, NULL, "{\"type\":\"consent-revoked\"}", &t), COUNTERSIGN_BAD_TOKEN);
	assert_int_equal(apple(&w, NULL, "{\"type\":\"Consent Revoked\",\"sub\":\"1\"}", &t), COUNTERSIGN_BAD_TOKEN);
	assert_int_equal(apple(&w, NULL, "not json", &t), COUNTERSIGN_BAD_TOKEN);
	/* A real security event, without Apple's wrapping. */
	set = make_set(&rsa, NULL, NULL);
	assert_int_equal(signal_with(&w, set, &pushed, &t), COUNTERSIGN_BAD_TYPE);
	assert_int_equal(signal_with(&w, set, &(struct shown){.type = "application/json"}, &t), COUNTERSIGN_BAD_TOKEN);
	free(set);
	stop(&w);
}

/* Made-up kids cause a few fetches and then no more; and none of those that sign-ins have. */
static void
test_a_flood_fetches_little(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start(&w, SET_SSF, NULL);
	for (int i = 0; i < 50; i++) {
		char header[64];

		snprintf(header, sizeof(header), "{\"kid\":\"made-up-%d\"}", i);
		assert_int_equal(signal_patched(&w, &rsa, header, NULL, &t), COUNTERSIGN_BAD_KEY);
	}
	assert_int_equal(w.keys_fetches, 4);
	assert_int_equal(signal_patched(&w, &rsa, NULL, NULL, &t), COUNTERSIGN_OK);
	assert_null(((struct oidc *)w.instance)->keys);
	stop(&w);
}

/* Every example of a security event in SSF 1.0, CAEP 1.0, its interoperability profile, and RISC 1.0. */
static void
play_example(const char *path, const char *name)
{
	json_error_t err;
	json_t *claims = json_load_file(path, 0, &err), *events = json_object_get(claims, "events");
	const json_t *sub_id = json_object_get(claims, "sub_id"), *aud = json_object_get(claims, "aud");
	const json_t *user = json_object_get(sub_id, "user");
	const char *iss = json_string_value(json_object_get(claims, "iss"));
	const json_t *who = user != NULL ? user : sub_id;
	const char *client = json_string_value(json_is_array(aud) ? json_array_get(aud, 1) : aud);
	const struct fake_setting settings[] = {{"issuer", iss}, {"client-id", "web"}, {"algorithm", "RS256"},
	    {NULL, NULL}};
	struct shown shown = {.type = "application/secevent+jwt", .client = client,
	    .now_s = json_integer_value(json_object_get(claims, "iat")) + 1};
	bool linked = json_object_get(who, "sub") != NULL &&
	    strcmp(json_string_value(json_object_get(who, "iss")), iss) == 0;
	const char *uri = json_object_iter_key(json_object_iter(events));
	struct world w;
	struct told t;
	struct jwks *keys;
	const char *why;
	char *set;
	int rc;

	if (claims == NULL || iss == NULL || client == NULL || uri == NULL)
		fail_msg("%s: cannot be read: %s", name, err.text);
	start(&w, SET_SSF, settings);
	/* The example's issuer publishes nothing: its keys are put where fetched ones are. */
	{
		struct oidc *o = w.instance;
		json_t *document = json_pack("{s[o]}", "keys", issuer_jwk(&rsa));

		keys = jwks_new(o->signature, document, &why);
		assert_non_null(keys);
		json_decref(document);
		o->signals->source.keys = keys;
		o->signals->source.keys_fetched_boot_ms = w.host.boot_ms;
		o->metadata.known = true;
		snprintf(o->metadata.jwks_uri, sizeof(o->metadata.jwks_uri), "%s", ISSUER "/keys");
		o->metadata.fetched_boot_ms = w.host.boot_ms;
	}
	set = issuer_sign(&rsa, json_pack("{ss ss ss}", "alg", "RS256", "kid", rsa.kid, "typ", "secevent+jwt"),
	    json_incref(claims));
	rc = signal_with(&w, set, &shown, &t);
	if (rc != COUNTERSIGN_OK)
		fail_msg("%s: %d", name, rc);
	assert_int_equal(t.a.events_count, json_object_size(events));
	assert_string_equal(t.events[0][0], strrchr(uri, '/') + 1);
	assert_string_equal(t.events[0][1], linked ? iss : "");
	assert_string_equal(t.head[3], client);
	if (linked)
		assert_string_equal(t.events[0][2], json_string_value(json_object_get(who, "sub")));
	assert_int_equal(w.host.fetches, 0);
	free(set);
	json_decref(claims);
	stop(&w);
}

static void
test_examples_of_the_specifications(void **state)
{
	const char *vectors = getenv("CS_VECTORS");
	char dir[2048], path[4096];
	struct dirent *e;
	size_t played = 0;
	DIR *d;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/ssf/spec-examples", vectors == NULL ? "../shared/vectors" : vectors);
	d = opendir(dir);
	if (d == NULL) {
		print_message("skipped: there are no vectors at CS_VECTORS/ssf\n");
		skip();
	}
	while ((e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len < 9 || strcmp(e->d_name + len - 9, "-set.json") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		play_example(path, e->d_name);
		played++;
	}
	closedir(d);
	assert_true(played >= 20);
	print_message("%zu examples\n", played);
}

static int
keys_new(void **state)
{
	(void)state;
	rsa = issuer_key_new("r1", "RS256");
	ec = issuer_key_new("e1", "ES256");
	other = issuer_key_new("r2", "RS256");
	return 0;
}

static int
keys_free(void **state)
{
	(void)state;
	issuer_key_free(&rsa);
	issuer_key_free(&ec);
	issuer_key_free(&other);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_set_says_what_happened_to_whom),
	    cmocka_unit_test(test_one_of_many_audiences_is_ours),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_readings),
	    cmocka_unit_test(test_verification_and_several_events),
	    cmocka_unit_test(test_neither_is_taken_for_the_other),
	    cmocka_unit_test(test_a_transmitter_with_an_issuer_of_its_own),
	    cmocka_unit_test(test_what_google_sends),
	    cmocka_unit_test(test_what_apple_sends),
	    cmocka_unit_test(test_a_flood_fetches_little),
	    cmocka_unit_test(test_examples_of_the_specifications),
	};

	return cmocka_run_group_tests(tests, keys_new, keys_free);
}
