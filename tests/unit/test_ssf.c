/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our stream at a transmitter that a script plays: what is asked of it, what is believed of its answers, and polling. The
 * real exchange over HTTPS is tests/scenario.
 */
#include <openssl/pem.h>
#include <stdio.h>

#include "plugins/lib/provider.h"
#include "plugins/lib/signals.h"
#include "tests/unit/oidc_issuer.h"
#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1800000000000)
#define TR "https://tr.example"
#define PUSH_URL "https://pay.example/ssf/idp"

/* What the script answers, in order, and what is to be asked: "METHOD URL BODY"; a body that ends in "..." begins so. */
struct step {
	const char *asked;
	int status;
	const char *answer;
};

struct world {
	struct fake_host host;  /* first member */
	void *instance;
	const struct step *steps;
	const char *authorization;
};

static bool
asked_is(const char *want, const char *got)
{
	size_t len = strlen(want);

	if (len > 3 && strcmp(want + len - 3, "...") == 0)
		return strncmp(want, got, len - 3) == 0;
	return strcmp(want, got) == 0;
}

static int
answer(struct fake_host *h, const struct countersign_http_request *request,
    struct countersign_http_response *response)
{
	struct world *w = (struct world *)h;
	const struct step *step = w->steps;
	const char *method = request->body.data == NULL ? "GET" : "POST";
	char got[8192];

	snprintf(got, sizeof(got), "%.*s %.*s%s%.*s", (int)(request->method.len > 0 ? request->method.len : strlen(method)),
	    request->method.len > 0 ? request->method.data : method, (int)request->url.len, request->url.data,
	    request->body.len > 0 ? " " : "", (int)request->body.len, request->body.data == NULL ? "" : request->body.data);
	if (step->asked == NULL || !asked_is(step->asked, got))
		fail_msg("asked %s\n    not %s", got, step->asked == NULL ? "at all" : step->asked);
	if (strstr(got, "/.well-known/") == NULL && strstr(got, "grant_type") == NULL && w->authorization != NULL) {
		assert_int_equal(request->authorization.len, strlen(w->authorization));
		assert_memory_equal(request->authorization.data, w->authorization, request->authorization.len);
	}
	w->steps++;
	response->status = step->status;
	return countersign_put(&response->body, step->answer, strlen(step->answer));
}

#define METADATA \
	{"GET " TR "/.well-known/ssf-configuration", 200, "{\"issuer\":\"" TR "\",\"jwks_uri\":\"" TR "/keys\"," \
	    "\"configuration_endpoint\":\"" TR "/stream\",\"status_endpoint\":\"" TR "/status?x=1\"," \
	    "\"verification_endpoint\":\"" TR "/verify\"}"}
#define STREAM(method, url) \
	"{\"stream_id\":\"s 1\",\"iss\":\"" TR "\",\"aud\":[\"x\",\"web\"],\"delivery\":{\"method\":\"urn:ietf:rfc:" method \
	"\",\"endpoint_url\":\"" url "\",\"authorization_header\":\"Bearer hidden\"},\"events_delivered\":[\"e\"],\"secret\":1}"
#define SHOWN(method, url, more) \
	"{\"transmitter\":\"" TR "\",\"stream_id\":\"s 1\",\"iss\":\"" TR "\",\"aud\":[\"x\",\"web\"],\"events_delivered\":[\"e\"]," \
	"\"delivery\":{\"method\":\"urn:ietf:rfc:" method "\",\"endpoint_url\":\"" url "\"}" more "}"

static const struct fake_setting usual[] = {
	{"issuer", "https://idp.example"},
	{"client-id", "web"},
	{"signal-issuer", TR},
	{"signal-authorization", "Bearer let-me-in"},
	{"stream-event", "urn:e"},
	{"stream-token", "abc"},
	{NULL, NULL},
};

static void
start(struct world *w, int format, const struct fake_setting *settings, const char *authorization)
{
	static struct oidc_kind kind;

	kind = (struct oidc_kind){.signals = format};
	memset(w, 0, sizeof(*w));
	fake_host_init(&w->host, countersign_plugin_v1(), settings);
	w->host.answer = answer;
	w->host.boot_ms = 1000000;
	w->authorization = authorization;
	assert_int_equal(oidc_open(&w->host.table, &kind, &w->instance), COUNTERSIGN_OK);
}

static void
stop(struct world *w)
{
	oidc_fini(w->instance);
	fake_host_clear(&w->host);
}

static int
stream(struct world *w, unsigned action, const char *endpoint, const struct step *steps, char document[4097])
{
	struct countersign_stream in = {.size = sizeof(in), .call = {.now_ms = NOW_MS, .request = countersign_view_of("r1")},
	    .action = action, .endpoint = countersign_view_of(endpoint),
	    .state = countersign_view_of(action == COUNTERSIGN_STREAM_VERIFY ? "st" : NULL)};
	char request[16];
	struct countersign_stream_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .document = {document, COUNTERSIGN_STREAM_MAX, 0}};
	int rc;

	w->steps = steps;
	rc = signals_stream(w->instance, &in, &out);
	fake_host_clear(&w->host);
	if (w->steps->asked != NULL)
		fail_msg("not asked: %s", w->steps->asked);
	document[rc == COUNTERSIGN_OK ? out.document.len : 0] = '\0';
	return rc;
}

static void
test_a_stream_from_its_making_to_its_end(void **state)
{
	static const struct step made[] = {METADATA, {"GET " TR "/stream", 200, "[]"},
	    {"POST " TR "/stream {\"delivery\":{\"method\":\"urn:ietf:rfc:8935\",\"endpoint_url\":\"" PUSH_URL "\","
	     "\"authorization_header\":\"Bearer let-me-in\"},\"events_requested\":[\"urn:e\"]}", 201, STREAM("8935", PUSH_URL)}, {0}};
	static const struct step changed[] = {{"GET " TR "/stream", 200, "[" STREAM("8935", PUSH_URL) "]"},
	    {"PATCH " TR "/stream {\"delivery\":{\"method\":\"urn:ietf:rfc:8936\"},\"events_requested\":[\"urn:e\"],\"stream_id\":\"s 1\"}",
	     200, STREAM("8936", TR "/poll")}, {0}};
	static const struct step shown[] = {{"GET " TR "/stream", 200, STREAM("8935", PUSH_URL)},
	    {"GET " TR "/status?x=1&stream_id=s%201", 200, "{\"stream_id\":\"s 1\",\"status\":\"paused\",\"reason\":\"tired\"}"}, {0}};
	static const struct step verified[] = {{"GET " TR "/stream", 200, STREAM("8935", PUSH_URL)},
	    {"POST " TR "/verify {\"stream_id\":\"s 1\",\"state\":\"st\"}", 204, ""}, {0}};
	static const struct step deleted[] = {{"GET " TR "/stream", 200, STREAM("8935", PUSH_URL)},
	    {"DELETE " TR "/stream?stream_id=s%201", 204, ""}, {0}};
	static const struct step gone[] = {{"GET " TR "/stream", 404, "{}"}, {0}};
	char document[4097];
	struct world w;

	(void)state;
	start(&w, SET_SSF, usual, "Bearer abc");
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_CREATE, PUSH_URL, made, document), COUNTERSIGN_OK);
	assert_string_equal(document, SHOWN("8935", PUSH_URL, ""));
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_CREATE, NULL, changed, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, shown, document), COUNTERSIGN_OK);
	assert_string_equal(document, SHOWN("8935", PUSH_URL, ",\"status\":\"paused\",\"reason\":\"tired\""));
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_VERIFY, NULL, verified, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_DELETE, NULL, deleted, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_DELETE, NULL, gone, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_VERIFY, NULL, gone, document), COUNTERSIGN_PROVIDER_ERROR);
	stop(&w);
}

static void
test_what_is_not_believed(void **state)
{
	static const struct {
		const char *what, *answer;
	} bad[] = {
	    {"another issuer", "{\"stream_id\":\"s\",\"iss\":\"https://evil.example\",\"aud\":\"web\"}"},
	    {"another audience", "{\"stream_id\":\"s\",\"iss\":\"" TR "\",\"aud\":\"x\"}"},
	    {"no stream_id", "{\"iss\":\"" TR "\",\"aud\":\"web\"}"},
	    {"no JSON", "<html>"},
	};
	static const struct step several[] = {{"GET " TR "/stream", 200, "[" STREAM("8935", "a") "," STREAM("8935", "b") "]"}, {0}};
	static const struct step refused[] = {{"GET " TR "/stream", 401, "{\"err\":\"access_denied\"}"}, {0}};
	static const struct step away[] = {{"GET " TR "/stream", 503, ""}, {0}};
	char document[4097];
	struct world w;

	(void)state;
	start(&w, SET_SSF, usual, "Bearer abc");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct step steps[] = {METADATA, {"GET " TR "/stream", 200, "[]"}, {"POST " TR "/stream ...", 201, bad[i].answer}, {0}};

		if (stream(&w, COUNTERSIGN_STREAM_CREATE, PUSH_URL, steps + (i > 0), document) != COUNTERSIGN_PROVIDER_ERROR)
			fail_msg("%s is believed", bad[i].what);
	}
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, several, document), COUNTERSIGN_PROVIDER_ERROR);
	assert_non_null(strstr(w.host.log, "stream-id"));
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, refused, document), COUNTERSIGN_BAD_BINDING);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, away, document), COUNTERSIGN_UNREACHABLE);
	stop(&w);
}

static void
test_a_token_is_fetched_once_for_its_time(void **state)
{
	static const struct fake_setting settings[] = {{"issuer", "https://idp.example"}, {"client-id", "web"}, {"signal-issuer", TR},
	    {"stream-token-endpoint", "https://as.example/token"}, {"stream-client-id", "us:1"}, {"stream-client-secret", "p w"},
	    {NULL, NULL}};
	static const struct step first[] = {METADATA,
	    {"POST https://as.example/token grant_type=client_credentials&scope=ssf.read%20ssf.manage", 200,
	     "{\"access_token\":\"t1\",\"expires_in\":300}"},
	    {"GET " TR "/stream", 404, "{}"}, {0}};
	static const struct step again[] = {{"GET " TR "/stream", 404, "{}"}, {0}};
	static const struct step refused[] = {{"GET " TR "/stream", 401, "{}"}, {0}};
	char document[4097];
	struct world w;

	(void)state;
	start(&w, SET_SSF, settings, "Bearer t1");
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, first, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, again, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, refused, document), COUNTERSIGN_BAD_BINDING);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, first + 1, document), COUNTERSIGN_OK);
	stop(&w);
}

struct polled {
	struct countersign_poll_answer a;
	char request[16], ids[COUNTERSIGN_SETS_MAX][256], sets[COUNTERSIGN_SETS_MAX][COUNTERSIGN_SET_MAX];
};

static int
poll_with(struct world *w, const char *taken, const char *refused, const struct step *steps, struct polled *p)
{
	struct countersign_view t = countersign_view_of(taken), r = countersign_view_of(refused);
	struct countersign_poll in = {.size = sizeof(in), .call = {.now_ms = NOW_MS, .request = countersign_view_of("r1")},
	    .taken = &t, .taken_count = taken != NULL, .refused = &r, .refused_count = refused != NULL};
	int rc;

	memset(p, 0, sizeof(*p));
	p->a.request = (struct countersign_buffer){p->request, sizeof(p->request), 0};
	for (size_t i = 0; i < COUNTERSIGN_SETS_MAX; i++) {
		p->a.ids[i] = (struct countersign_buffer){p->ids[i], 255, 0};
		p->a.sets[i] = (struct countersign_buffer){p->sets[i], COUNTERSIGN_SET_MAX, 0};
	}
	w->steps = steps;
	rc = signals_poll(w->instance, &in, &p->a);
	fake_host_clear(&w->host);
	if (w->steps->asked != NULL)
		fail_msg("not asked: %s", w->steps->asked);
	return rc;
}

#define ASK "POST " TR "/poll {\"maxEvents\":4,\"returnImmediately\":true,"
static void
test_polling(void **state)
{
	static const struct step first[] = {METADATA, {"GET " TR "/stream", 200, "[" STREAM("8936", TR "/poll") "]"},
	    {ASK "\"ack\":[],\"setErrs\":{}}", 200, "{\"sets\":{\"a\":\"x.y.z\",\"b\":\"p.q.r\"},\"moreAvailable\":true}"}, {0}};
	static const struct step second[] = {
	    {ASK "\"ack\":[\"a\"],\"setErrs\":{\"b\":{\"err\":\"invalid_request\",\"description\":\"it was refused\"}}}", 200, "{\"sets\":{}}"},
	    {0}};
	static const struct step five[] = {{ASK "\"ack\":[],\"setErrs\":{}}", 200,
	    "{\"sets\":{\"1\":\"x\",\"2\":\"x\",\"3\":\"x\",\"4\":\"x\",\"5\":\"x\"}}"}, {0}};
	/* What never fits is refused at once, else it came again for ever. */
	static const struct step odd[] = {{ASK "\"ack\":[],\"setErrs\":{}}", 200, "{\"sets\":{\"1\":7,\"2\":\"x\"}}"},
	    {"POST " TR "/poll {\"maxEvents\":0,\"returnImmediately\":true,\"setErrs\":{\"1\":...", 200, "{\"sets\":{}}"}, {0}};
	static const struct step broken[] = {{ASK "...", 200, "{}"}, {0}};
	static const struct step pushed[] = {{"GET " TR "/stream", 200, STREAM("8935", PUSH_URL)}, {0}};
	struct polled p;
	struct world w;

	(void)state;
	start(&w, SET_SSF, usual, "Bearer abc");
	assert_int_equal(poll_with(&w, NULL, NULL, first, &p), COUNTERSIGN_OK);
	assert_int_equal(p.a.sets_count, 2);
	assert_string_equal(p.ids[1], "b");
	assert_string_equal(p.sets[1], "p.q.r");
	assert_int_equal(p.a.more, 1);
	assert_int_equal(poll_with(&w, "a", "b", second, &p), COUNTERSIGN_OK);
	assert_int_equal(p.a.sets_count, 0);
	assert_int_equal(p.a.more, 0);
	assert_int_equal(poll_with(&w, NULL, NULL, five, &p), COUNTERSIGN_OK);
	assert_int_equal(p.a.sets_count, 4);
	assert_int_equal(p.a.more, 1);
	assert_int_equal(poll_with(&w, NULL, NULL, odd, &p), COUNTERSIGN_OK);
	assert_int_equal(p.a.sets_count, 1);
	assert_string_equal(p.ids[0], "2");
	/* After a failure the stream's configuration is looked at again. */
	assert_int_equal(poll_with(&w, NULL, NULL, broken, &p), COUNTERSIGN_PROVIDER_ERROR);
	assert_int_equal(poll_with(&w, NULL, NULL, pushed, &p), COUNTERSIGN_PROVIDER_ERROR);
	stop(&w);
}

static char service_account[4096];

static void
test_googles_stream(void **state)
{
	static const struct fake_setting settings[] = {{"issuer", "https://accounts.example"}, {"client-id", "web"},
	    {"service-account", service_account}, {"stream-event", "urn:e"}, {NULL, NULL}};
	static const struct step made[] = {
	    {"POST https://risc.googleapis.com/v1beta/stream:update {\"delivery\":{\"delivery_method\":"
	     "\"https://schemas.openid.net/secevent/risc/delivery-method/push\",\"url\":\"" PUSH_URL "\"},\"events_requested\":[\"urn:e\"]}",
	     200, "{}"},
	    {"POST https://risc.googleapis.com/v1beta/stream/status:update {\"status\":\"enabled\"}", 200, "{}"}, {0}};
	static const struct step shown[] = {{"GET https://risc.googleapis.com/v1beta/stream", 200,
	    "{\"delivery\":{\"delivery_method\":\"m\",\"url\":\"" PUSH_URL "\"}}"},
	    {"GET https://risc.googleapis.com/v1beta/stream/status", 200, "{\"status\":\"enabled\"}"}, {0}};
	static const struct step verified[] = {{"POST https://risc.googleapis.com/v1beta/stream:verify {\"state\":\"st\"}", 200, "{}"}, {0}};
	static const struct step none[] = {{0}};
	char document[4097];
	struct world w;

	(void)state;
	start(&w, SET_GOOGLE, settings, NULL);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_CREATE, PUSH_URL, made, document), COUNTERSIGN_OK);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_CREATE, NULL, none, document), COUNTERSIGN_INVALID);
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_STATUS, NULL, shown, document), COUNTERSIGN_OK);
	assert_string_equal(document, "{\"transmitter\":\"https://accounts.example\",\"delivery\":{\"delivery_method\":\"m\",\"url\":\""
	    PUSH_URL "\"},\"status\":\"enabled\"}");
	assert_int_equal(stream(&w, COUNTERSIGN_STREAM_VERIFY, NULL, verified, document), COUNTERSIGN_OK);
	stop(&w);
}

static int
account_new(void **state)
{
	struct issuer_key k = issuer_key_new("k", "RS256");
	BIO *b = BIO_new(BIO_s_mem());
	json_t *account;
	char *pem, *text;
	long len;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey(b, k.key, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(b, &pem);
	account = json_pack("{ss ss ss%}", "client_email", "a@b.example", "private_key_id", "k1", "private_key", pem, (size_t)len);
	text = json_dumps(account, 0);
	snprintf(service_account, sizeof(service_account), "%s", text);
	free(text);
	json_decref(account);
	BIO_free(b);
	issuer_key_free(&k);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_stream_from_its_making_to_its_end),
	    cmocka_unit_test(test_what_is_not_believed),
	    cmocka_unit_test(test_a_token_is_fetched_once_for_its_time),
	    cmocka_unit_test(test_polling),
	    cmocka_unit_test(test_googles_stream),
	};

	return cmocka_run_group_tests(tests, account_new, NULL);
}
