/* SPDX-License-Identifier: Apache-2.0 */
/* The table of trials. A judge never knows what is right: it knows what no sound plugin could say to this. */
#include "broker/ctl/plugin_trials.h"

#include <inttypes.h>
#include <stdio.h>

#include "broker/base/base64url.h"
#include "broker/ctl/call.h"

#define NONCE "countersign-test-nonce-0123456789"
#define REDIRECT "https://pay.example/callback/tested?x=1"
#define CARD "{\"operation\":\"spend\",\"amount\":\"20.00\",\"currency\":\"CNY\",\"payee\":\"Corner Shop\"}"

enum {
	CHALLENGE_TEXT = 43,  /* 32 bytes in base64url */
	SHORT_MS = 500,       /* a deadline too short for who waits for the network, and long for a machine that is busy */
};

static const char challenge[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/* ---- helpers ------------------------------------------------------------------------------------ */

static struct view
said(const struct tester *t, const char *name)
{
	uint32_t at = t->worker.reply == 0 ? 0 : json_get(&t->worker.doc, t->worker.reply, view_str(name));

	return at == 0 || json_type(&t->worker.doc, at) != JSON_STRING ? VIEW("") : json_text(&t->worker.doc, at);
}

static int64_t
said_int(const struct tester *t, const char *name, int64_t otherwise)
{
	uint32_t at = t->worker.reply == 0 ? 0 : json_get(&t->worker.doc, t->worker.reply, view_str(name));
	int64_t value = otherwise;

	return at == 0 || json_int(&t->worker.doc, at, &value) != CS_OK ? otherwise : value;
}

static bool
said_true(const struct tester *t, const char *name)
{
	uint32_t at = t->worker.reply == 0 ? 0 : json_get(&t->worker.doc, t->worker.reply, view_str(name));

	return at != 0 && json_type(&t->worker.doc, at) == JSON_TRUE;
}

static const char *
judge_any(struct tester *t)
{
	(void)t;
	return NULL;
}

static const char *
once(size_t i, const char *what)
{
	return i == 0 ? what : NULL;
}

static struct hostile_for
pretend(const struct tester *t, const char *type)
{
	return (struct hostile_for){t->issuer, t->client, NONCE, type, t->now_ms};
}

static void
put_client_ids(const struct tester *t, struct json_writer *w)
{
	json_key(w, VIEW("client_ids"));
	json_array_begin(w);
	json_put_str(w, view_str(t->client));
	json_array_end(w);
}

/* Bytes that nobody chose, as base64url. */
static void
put_noise(struct json_writer *w, const char *name, size_t bytes)
{
	uint8_t noise[1600];
	char text[BASE64URL_LEN(sizeof(noise))];

	for (size_t i = 0; i < bytes; i++)
		noise[i] = (uint8_t)(i * 167 + 13);
	json_member_str(w, name, view_of(text, base64url_encode(noise, bytes, text)));
}

/* ---- providers ---------------------------------------------------------------------------------- */

static const char *
put_authorize(struct tester *t, struct json_writer *w, size_t i)
{
	json_member_str(w, "state", i == 0 ? VIEW("countersign-test-state") : VIEW("a b&client_id=mallory#\"<>%00\xc3\xa9"));
	json_member_str(w, "nonce", VIEW(NONCE));
	json_member_str(w, "code_challenge", view_of(challenge, CHALLENGE_TEXT));
	json_member_str(w, "redirect_uri", VIEW(REDIRECT));
	json_member_str(w, "client_id", view_str(t->client));
	return i == 0 ? "a plain state" : i == 1 ? "a state full of signs" : NULL;
}

static bool
holds(struct view text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static const char *
judge_url(struct tester *t)
{
	struct view url = said(t, "url");

	if (url.len < 9 || memcmp(url.data, "https://", 8) != 0)
		return "the URL does not begin with https://";
	for (size_t i = 0; i < url.len; i++)
		if (url.data[i] <= ' ' || (uint8_t)url.data[i] >= 0x7f || strchr("\"<>\\^`{|}", url.data[i]) != NULL)
			return "the URL holds a byte that must be percent-encoded";
	if (holds(url, "client_id=mallory"))
		return "a state can add parameters to the URL: percent-encode it";
	if (!holds(url, t->client))
		return "the URL does not name the client id that was given";
	if (holds(url, "redirect_uri=https://pay.example/callback/tested?x=1"))
		return "the redirect_uri in the URL is not percent-encoded";
	return NULL;
}

static const char *
put_token(struct tester *t, struct json_writer *w, size_t i)
{
	struct hostile_for f = pretend(t, "JWT");
	const char *what = hostile_token(i, &f, &t->input.buf);

	json_member_str(w, "nonce", VIEW(NONCE));
	put_client_ids(t, w);
	json_member_str(w, "id_token", buf_view(&t->input.buf));
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

/* Codes that no provider gave; where it has one, it is asked, or not reached. */
static const char *
put_code(struct tester *t, struct json_writer *w, size_t i)
{
	const char *what = i == 0 ? "a code that nobody gave" : i == 1 ? "a code full of signs" : NULL;

	json_member_str(w, "nonce", VIEW(NONCE));
	put_client_ids(t, w);
	json_member_str(w, "code", i == 0 ? VIEW(MARK_CODE) : VIEW("a&client_secret=x\r\nX-Header: y#\"<>%00"));
	json_member_str(w, "code_verifier", VIEW(MARK_VERIFIER));
	json_member_str(w, "redirect_uri", VIEW(REDIRECT));
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

static const char *
judge_identity(struct tester *t)
{
	struct view subject = said(t, "subject");

	(void)snprintf(t->said, sizeof(t->said), "it named the subject \"%.*s\"", (int)(subject.len < 64 ? subject.len : 64),
	    subject.data);
	return t->said;
}

static const char *
put_signal(struct tester *t, struct json_writer *w, size_t i)
{
	struct hostile_for f = pretend(t, "secevent+jwt");
	const char *what = hostile_token(i, &f, &t->input.buf);
	char text[BASE64URL_LEN(16384)];
	size_t len = t->input.buf.len < 16000 ? t->input.buf.len : 16000;

	json_member_str(w, "body", view_of(text, base64url_encode(t->input.buf.data, len, text)));
	json_member_str(w, "content_type", i % 2 == 0 ? VIEW("application/secevent+jwt") : VIEW("application/json"));
	json_member_str(w, "authorization", VIEW("Bearer " MARK_HEADER));
	put_client_ids(t, w);
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

static const char *
judge_signal(struct tester *t)
{
	uint32_t events = json_get(&t->worker.doc, t->worker.reply, VIEW("events"));

	return events != 0 && t->worker.doc.tokens[events].count > 0 ? "it told an event of a message that nobody signed"
	                                                            : "it took a message that nobody signed";
}

static const char *
put_poll(struct tester *t, struct json_writer *w, size_t i)
{
	json_key(w, VIEW("taken"));
	json_array_begin(w);
	json_put_str(w, VIEW("id\"of&nothing"));
	json_array_end(w);
	json_key(w, VIEW("refused"));
	json_array_begin(w);
	json_array_end(w);
	json_member_int(w, "now_ms", t->now_ms);
	return once(i, "messages that may wait");
}

static const char *
put_rekey(struct tester *t, struct json_writer *w, size_t i)
{
	json_member_str(w, "issuer", view_str(t->issuer));
	json_member_str(w, "subject", i == 0 ? VIEW("mallory") : VIEW("x&transfer_sub=y\"'#"));
	json_member_str(w, "proof", VIEW("no-proof"));
	json_member_str(w, "client_id", view_str(t->client));
	json_member_int(w, "now_ms", t->now_ms);
	return i == 0 ? "a proof that nobody gave" : i == 1 ? "a subject full of signs" : NULL;
}

static const char *
judge_rekey(struct tester *t)
{
	(void)t;
	return "it knew a new subject for a proof that nobody gave";
}

/* ---- factors ------------------------------------------------------------------------------------ */

static const char *const addresses[] = {NULL, "nobody@pay.invalid", "nobody"};

static const char *
put_enrol(struct tester *t, struct json_writer *w, size_t i)
{
	size_t account = i % 2, address = i / 2;

	json_member_str(w, "account_hint", account == 0 ? VIEW("a-13") : VIEW("b-14"));
	json_member_str(w, "issuer", VIEW("Corner Bank"));
	t->addressed = address < 3 && addresses[address] != NULL;
	if (t->addressed)
		json_member_str(w, "address", view_str(addresses[address]));
	json_member_str(w, "language", VIEW("en"));
	json_member_int(w, "now_ms", t->now_ms);
	return address > 2 ? NULL : account == 0 ? "one account" : "another account";
}

/* Two accounts have two secrets, but for what is the owner's address alone. */
static const char *
judge_enrol(struct tester *t)
{
	struct view secret = said(t, "secret");
	char *to = t->secret[0] == '\0' ? t->secret : t->other_secret;
	uint32_t steps = json_get(&t->worker.doc, t->worker.reply, VIEW("steps"));

	if (secret.len == 0 || secret.len >= TRIAL_SECRET_MAX)
		return "it gave no secret for the broker to keep";
	if (steps == 0 || t->worker.doc.tokens[steps].count == 0)
		return "it asks its owner for nothing";
	if (!t->addressed && view_equal(secret, view_str(t->secret)))
		return "two accounts got the same secret";
	memcpy(to, secret.data, secret.len);
	to[secret.len] = '\0';
	return NULL;
}

static const char *
put_hostile_enrol(struct tester *t, struct json_writer *w, size_t i)
{
	const char *what = hostile_text(i + 2, &t->input.buf);
	struct view text = buf_view(&t->input.buf);

	text.len = text.len < 250 ? text.len : 250;
	json_member_str(w, "account_hint", VIEW("a\"<%s>"));
	json_member_str(w, "issuer", VIEW("Bank \"&<%n>"));
	json_member_str(w, "address", text);
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

/* The secret is one that it gave, where it gave one. state: what a broker would give back. */
static void
put_verify(struct tester *t, struct json_writer *w, struct view answer, bool challenged)
{
	if (t->secret[0] != '\0')
		json_member_str(w, "secret", view_str(t->secret));
	else
		put_noise(w, "secret", 20);
	json_member_str(w, "answer", answer);
	json_member_int(w, "last_step", -1);
	json_member_int(w, "now_ms", t->now_ms);
	if (!challenged)
		return;
	json_member_str(w, "challenge", view_of(challenge, CHALLENGE_TEXT));
	json_member_str(w, "operation", VIEW("spend"));
	json_member_str(w, "card", VIEW(CARD));
}

static const char *
put_wrong_answer(struct tester *t, struct json_writer *w, size_t i)
{
	const char *what = hostile_text(i, &t->input.buf);

	put_verify(t, w, buf_view(&t->input.buf), true);
	return what;
}

static const char *
put_wrong_end(struct tester *t, struct json_writer *w, size_t i)
{
	const char *what = hostile_text(i, &t->input.buf);

	put_verify(t, w, buf_view(&t->input.buf), false);
	return what;
}

static const char *
judge_wrong(struct tester *t)
{
	return said_true(t, "verdict") ? "it took this for the right answer" : NULL;
}

/* What a broker never kept for it: another version's, another factor's, a damaged one. */
static const char *
put_strange_secret(struct tester *t, struct json_writer *w, size_t i)
{
	static const struct {
		const char *what;
		size_t bytes;
	} secrets[] = {{"one byte", 1}, {"noise of 20 bytes", 20}, {"noise of 32 bytes", 32}, {"noise of 64 bytes", 64},
	    {"noise of 1600 bytes", 1600}};
	size_t n = sizeof(secrets) / sizeof(secrets[0]);
	size_t half = strlen(t->secret) / 2 / 4 * 4;

	if (i < n)
		put_noise(w, "secret", secrets[i].bytes);
	else
		json_member_str(w, "secret", half > 0 ? view_of(t->secret, half) : VIEW("AAAA"));
	json_member_str(w, "answer", VIEW("654321"));
	json_member_int(w, "last_step", i % 2 == 0 ? -1 : INT64_C(4000000000));
	json_member_int(w, "now_ms", t->now_ms);
	json_member_str(w, "challenge", view_of(challenge, CHALLENGE_TEXT));
	json_member_str(w, "operation", VIEW("spend"));
	put_noise(w, "state", 100 + i);
	json_member_str(w, "card", VIEW("{}"));
	return i < n ? secrets[i].what : i == n ? "half of its own" : NULL;
}

static const char *
put_strange_time(struct tester *t, struct json_writer *w, size_t i)
{
	static const int64_t times[] = {0, 1, INT64_C(4102444800000), INT64_MAX / 2};

	put_noise(w, "secret", 20);
	json_member_str(w, "answer", VIEW("abcdef"));
	json_member_int(w, "last_step", INT64_MAX / 2);
	json_member_int(w, "now_ms", i < 4 ? times[i] : t->now_ms);
	return i < 4 ? "a time at the edge" : NULL;
}

static const char *
put_begin(struct tester *t, struct json_writer *w, size_t i)
{
	const char *what = i == 0 ? "noise of 20 bytes" : i == 1 ? "noise of 1600 bytes" : NULL;

	put_noise(w, "secret", i == 0 ? 20 : 1600);
	json_member_str(w, "challenge", view_of(challenge, CHALLENGE_TEXT));
	json_member_str(w, "operation", VIEW("spend"));
	json_member_str(w, "card", i == 0 ? VIEW(CARD) : VIEW("[[[[\"%s"));
	json_member_int(w, "number", i == 0 ? 1 : 99);
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

static const char *
put_tell(struct tester *t, struct json_writer *w, size_t i)
{
	put_noise(w, "secret", 20);
	json_member_str(w, "message", i == 0
	    ? VIEW("{\"what\":\"factor_enrolled\",\"at\":\"2026-01-01T00:00:00Z\",\"account_hint\":\"a-13\"}") : VIEW("[\"\\u0000%s\""));
	json_member_int(w, "now_ms", t->now_ms);
	return i == 0 ? "a message" : i == 1 ? "no message" : NULL;
}

/* ---- risk, notify, token ------------------------------------------------------------------------ */

static const char *
put_assess(struct tester *t, struct json_writer *w, size_t i)
{
	static const struct {
		const char *what, *payee;
		int64_t amount, digits, age_ms;
	} cases[] = {{"a payment", "m-7", 2000, 2, 86400000}, {"the largest amount", "m-7", INT64_MAX / 2, 0, 0},
	    {"nothing", "m-7", 0, 4, -1}, {"a payee full of signs", "\"'<%s>&;../", 1, 2, INT64_MAX / 2}};
	size_t n = sizeof(cases) / sizeof(cases[0]);
	size_t c = i < n ? i : 0;

	json_member_str(w, "service", VIEW("checkout"));
	json_member_str(w, "operation", i == n ? VIEW("link") : VIEW("spend"));
	json_member_str(w, "account", VIEW("0123456789abcdef0123456789abcdef"));
	if (i < n) {
		json_member_int(w, "amount", cases[c].amount);
		json_member_str(w, "currency", VIEW("CNY"));
		json_member_int(w, "digits", cases[c].digits);
		json_member_str(w, "payee", view_str(cases[c].payee));
		json_member_str(w, "ip", VIEW("2001:db8::1"));
		json_member_str(w, "device", VIEW("\"%n"));
	}
	json_member_int(w, "factors", 2);
	json_member_int(w, "account_age_ms", cases[c].age_ms);
	json_member_int(w, "link_age_ms", cases[c].age_ms);
	json_member_int(w, "session_age_ms", cases[c].age_ms);
	json_member_int(w, "now_ms", t->now_ms);
	return i < n ? cases[c].what : i == n ? "an operation without an amount" : NULL;
}

static const char *
judge_score(struct tester *t)
{
	int64_t score = said_int(t, "score", -1);

	return score < 0 || score > 100 ? "its score is not from 0 to 100" : NULL;
}

static const char *
put_deliver(struct tester *t, struct json_writer *w, size_t i)
{
	const char *what = i == 0 ? "a notice" : i <= 24 ? hostile_text(i + 1, &t->input.buf) : NULL;
	struct view text = buf_view(&t->input.buf);

	text.len = text.len < 8000 ? text.len : 8000;
	json_member_str(w, "id", VIEW("n-1"));
	json_member_str(w, "document", i == 0 || text.len == 0
	    ? VIEW("{\"id\":\"n-1\",\"time\":\"2026-01-01T00:00:00Z\",\"service\":\"checkout\",\"operation\":\"spend\",\"outcome\":"
	           "\"permit\",\"reason\":\"ok\",\"account\":\"0123456789abcdef0123456789abcdef\"}") : text);
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

static const char *
put_access_token(struct tester *t, struct json_writer *w, size_t i)
{
	struct hostile_for f = pretend(t, "at+jwt");
	const char *what = hostile_token(i, &f, &t->input.buf);

	json_member_str(w, "token", buf_view(&t->input.buf));
	json_member_str(w, "scheme", i % 2 == 0 ? VIEW("Bearer") : VIEW("DPoP"));
	if (i % 2 != 0)
		json_member_str(w, "proof", VIEW("eyJhbGciOiJub25lIiwidHlwIjoiZHBvcCtqd3QifQ.e30."));
	json_member_str(w, "method", VIEW("POST"));
	json_member_str(w, "url", VIEW("https://pay.example/v1/payments"));
	json_member_str(w, "certificate", VIEW("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
	json_member_int(w, "now_ms", t->now_ms);
	return what;
}

static const char *
judge_client(struct tester *t)
{
	struct view client = said(t, "client");

	(void)snprintf(t->said, sizeof(t->said), "it named the client \"%.*s\"", (int)(client.len < 64 ? client.len : 64), client.data);
	return t->said;
}

/* ---- all of them -------------------------------------------------------------------------------- */

static const char *
put_nothing(struct tester *t, struct json_writer *w, size_t i)
{
	(void)t;
	(void)w;
	return once(i, "Describe");
}

static const char *
judge_description(struct tester *t)
{
	struct view name = said(t, "name");

	return name.len == 0 ? "it has no name" : NULL;
}

const struct trial trials[] = {
	{NULL, "describes itself as configured", "Describe", 0, true, put_nothing, judge_description},

	{"provider", "sends browsers to an https address, and nothing slips into it", "AuthorizationUrl", 0, true, put_authorize,
	    judge_url},
	{"provider", "believes no ID token that nobody signed", "Identify", 0, false, put_token, judge_identity},
	{"provider", "believes no code that nobody gave", "Identify", 0, false, put_code, judge_identity},
	{"provider", "keeps a short deadline", "Identify", SHORT_MS, false, put_code, judge_identity},
	{"provider", "believes no security event that nobody signed", "Signal", 0, false, put_signal, judge_signal},
	{"provider", "polls within its deadline", "Poll", 0, false, put_poll, judge_any},
	{"provider", "re-keys nobody without a proof", "Rekey", 0, false, put_rekey, judge_rekey},

	{"factor", "enrols two accounts, each with a secret of its own", "Enrol", 0, true, put_enrol, judge_enrol},
	{"factor", "withstands addresses that are none", "Enrol", 0, false, put_hostile_enrol, judge_any},
	{"factor", "takes no wrong answer to a challenge", "Verify", 0, false, put_wrong_answer, judge_wrong},
	{"factor", "ends no enrolment by a wrong answer", "Verify", 0, false, put_wrong_end, judge_wrong},
	{"factor", "withstands secrets and states that it never gave", "Verify", 0, false, put_strange_secret, judge_wrong},
	{"factor", "withstands times at the edges", "Verify", 0, false, put_strange_time, judge_wrong},
	{"factor", "keeps a short deadline", "Verify", SHORT_MS, false, put_strange_secret, judge_wrong},
	{"factor", "begins nothing for a secret that it never gave", "Begin", 0, false, put_begin, judge_any},
	{"factor", "withstands messages to nobody", "Tell", 0, false, put_tell, judge_any},

	{"risk", "scores everything from 0 to 100", "Assess", 0, false, put_assess, judge_score},
	{"risk", "keeps a short deadline", "Assess", SHORT_MS, false, put_assess, judge_score},

	{"notify", "withstands every notice", "Deliver", 0, false, put_deliver, judge_any},
	{"notify", "keeps a short deadline", "Deliver", SHORT_MS, false, put_deliver, judge_any},

	{"token", "believes no access token that nobody signed", "CheckToken", 0, false, put_access_token, judge_client},
	{"token", "keeps a short deadline", "CheckToken", SHORT_MS, false, put_access_token, judge_client},

	{NULL, "is the same after all that", "Describe", 0, true, put_nothing, judge_description},
	{.method = NULL},
};
