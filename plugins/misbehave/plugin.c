/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin of every kind that misbehaves when told to, for tests; never installed. Told by the key
 * `behaviour`, for every call, or by the input of one call: an ID token, a code, an answer or a
 * payee, a token or a message that is "!" and a behaviour, or "!act_" and what a burglar would do (acts.c). Otherwise it is an honest fool: an ID token is the subject's
 * own name, and after a "|" each what it was called before, which may be nothing, and lines of evidence; a
 * proof is the name that a subject has now; the answer "right" is right, a payment's score is its amount in whole units, and what
 * it is to deliver it writes to the log.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "acts.h"
#include "misbehave.h"

static const char *const names[] = {
#define X(name) #name,
	BEHAVIOURS(X)
#undef X
};

static const struct countersign_config_key config[] = {
	{.name = "behaviour", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 32,
	    .default_value = "honest", .help = "How every call is answered."},
	{.name = "issuer", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = 255,
	    .default_value = "https://misbehave.test", .help = "The issuer of its identities."},
	{.name = "code-alone", .type = COUNTERSIGN_CONFIG_BOOL, .default_value = "no",
	    .help = "A provider that says it signs nothing; it answers as it always does."},
	{.name = "start", .type = COUNTERSIGN_CONFIG_WORD, .words = "well crash hang fail",
	    .default_value = "well", .help = "What init() does."},
	{.name = "rp-id", .type = COUNTERSIGN_CONFIG_STRING, .max = 255,
	    .help = "For who takes the place of the factor webauthn; not looked at."},
	{.name = "origin", .type = COUNTERSIGN_CONFIG_STRING, .max = 255, .help = "The same."},
	{.name = "prompts", .type = COUNTERSIGN_CONFIG_WORD, .words = "no asks sends",
	    .default_value = "no", .help = "Whether the factor has begin() and tell(), and sends."},
};

static enum behaviour
behaviour_of(struct countersign_view name)
{
	int i;

	for (i = 0; i < BEHAVIOUR_COUNT; i++)
		if (strlen(names[i]) == name.len && memcmp(names[i], name.data, name.len) == 0)
			break;
	return (enum behaviour)i;
}

static void
hang(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;)
		pause();
}

int
behave(struct misbehave *m, struct countersign_view input, const struct countersign_call *call,
    enum behaviour *as)
{
	int64_t left_ms = call->deadline_boot_ms - m->host->boot_ms(m->host->context);

	*as = m->always;
	if (input.len > 5 && memcmp(input.data, "!act_", 5) == 0) {
		*as = honest_behaviour;
		return act(m->host, (struct countersign_view){input.data + 1, input.len - 1});
	}
	if (input.len > 1 && input.data[0] == '!')
		*as = behaviour_of((struct countersign_view){input.data + 1, input.len - 1});
	switch (*as) {
	case crash_behaviour:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		abort();
	case exit_behaviour:
		_exit(0);
	case hang_behaviour:
		hang();
		break;
	case slow_behaviour:
		m->host->log(m->host->context, COUNTERSIGN_LOG_INFO,
		    countersign_view_of("slow begins"));
		while (call->deadline_boot_ms - m->host->boot_ms(m->host->context) > left_ms / 2)
			usleep(10000);
		break;
	case nonsense_behaviour:
		return 4711;
	case flood_behaviour:
		for (int i = 0; i < 10000; i++)
			m->host->log(m->host->context, COUNTERSIGN_LOG_ERROR,
			    countersign_view_of("flood\nlevel=error forged=yes \033[31m"));
		break;
	case refuse_behaviour:
		return COUNTERSIGN_BAD_TOKEN;
	case fail_behaviour:
		return COUNTERSIGN_UNREACHABLE;
	case BEHAVIOUR_COUNT:
		return COUNTERSIGN_INVALID;
	default:
		break;
	}
	return COUNTERSIGN_OK;
}

static int
put(struct countersign_buffer *to, const char *text)
{
	return countersign_put(to, text, strlen(text));
}

int
put_request(enum behaviour as, const struct countersign_call *call, struct countersign_buffer *to)
{
	if (as == lie_request_behaviour)
		return put(to, "another-request");
	return countersign_put(to, call->request.data, call->request.len);
}

static int
self_test(const struct countersign_host_v1 *host)
{
	(void)host;
	return COUNTERSIGN_OK;
}

static int begin(
    void *instance, const struct countersign_begin *in, struct countersign_begin_answer *out);
static int tell(
    void *instance, const struct countersign_tell *in, struct countersign_tell_answer *out);
static int enrol(
    void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out);
static int verify(
    void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out);

/* begin() and tell() come with `prompts`, so that one file is a factor of either sort. */
static struct countersign_factor_v1 factor = {
	.size = sizeof(factor),
	.kind = "misbehave",
	.enrol = enrol,
	.verify = verify,
};

static uint32_t flags;

static int
init(const struct countersign_host_v1 *host, void **instance)
{
	static struct misbehave m;
	struct countersign_view start = host->config_text(host->context, "start", 0);
	struct countersign_view prompts = host->config_text(host->context, "prompts", 0);

	m.host = host;
	m.always = behaviour_of(host->config_text(host->context, "behaviour", 0));
	m.issuer = host->config_text(host->context, "issuer", 0);
	m.prompts = prompts.len > 0 && prompts.data[0] != 'n';
	m.code_alone = host->config_int(host->context, "code-alone", 0) == 1;
	if (m.prompts) {
		flags = prompts.data[0] == 's' ? COUNTERSIGN_SENDS : 0;
		factor.begin = begin;
		factor.tell = tell;
		(void)countersign_plugin_v1(); /* which takes the flags over */
	}
	if (start.data != NULL && strcmp(start.data, "crash") == 0)
		abort();
	if (start.data != NULL && strcmp(start.data, "hang") == 0)
		hang();
	if (start.data != NULL && strcmp(start.data, "fail") == 0) {
		host->log(host->context, COUNTERSIGN_LOG_ERROR,
		    countersign_view_of("told to fail by the key start"));
		return COUNTERSIGN_INVALID;
	}
	*instance = &m;
	return m.always == BEHAVIOUR_COUNT ? COUNTERSIGN_INVALID : COUNTERSIGN_OK;
}

static int
profile(void *instance, struct countersign_profile *p)
{
	const struct misbehave *m = instance;

	p->assurance = COUNTERSIGN_STABLE_SUBJECT | (m != NULL && m->code_alone ? COUNTERSIGN_CODE_ALONE : 0U);
	p->controls = NULL;
	return COUNTERSIGN_OK;
}

static int
authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	enum behaviour as;
	int rc = behave(instance, in->state, &in->call, &as);

	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = put(&out->url, as == garbage_behaviour ? "https://x/\033[2J\n\xff" :
		    "https://misbehave.test/authorize");
	if (as == overflow_behaviour)
		out->url.len = out->url.cap + 1;
	return rc;
}

/* What stands before the next "|"; the rest follows it. */
static struct countersign_view
part(struct countersign_view *rest)
{
	struct countersign_view p = *rest;
	const char *end = rest->len == 0 ? NULL : memchr(rest->data, '|', rest->len);

	if (end == NULL) {
		rest->len = 0;
		return p;
	}
	p.len = (size_t)(end - p.data);
	rest->len -= p.len + 1;
	rest->data = end + 1;
	return p;
}

/* What it was called before, and what there is to vouch for. */
static int
put_besides(const struct misbehave *m, struct countersign_view rest, struct countersign_identity *out)
{
	struct countersign_view was = part(&rest);
	int rc = COUNTERSIGN_OK;

	out->was_issuer.len = out->was_subject.len = out->evidence.len = 0;
	if (was.len > 0) {
		rc = countersign_put(&out->was_issuer, m->issuer.data, m->issuer.len);
		if (rc == COUNTERSIGN_OK)
			rc = countersign_put(&out->was_subject, was.data, was.len);
	}
	if (rc == COUNTERSIGN_OK && rest.len > 0) {
		rc = countersign_put(&out->evidence, rest.data, rest.len);
		for (size_t i = 0; rc == COUNTERSIGN_OK && i < out->evidence.len; i++)
			if (out->evidence.data[i] == '|')
				out->evidence.data[i] = '\n';
	}
	return rc;
}

static int
put_identity(const struct misbehave *m, enum behaviour as, const struct countersign_identify *in,
    struct countersign_identity *out)
{
	struct countersign_view rest = in->id_token.len > 0 ? in->id_token : in->code;
	struct countersign_view who = part(&rest);
	int64_t then = in->call.now_ms - (as == lie_time_behaviour ? 86400000 : 0);
	int rc = put_request(as, &in->call, &out->request);

	if (who.len > 0 && who.data[0] == '!')
		who = countersign_view_of("alice");
	if (as == lie_subject_behaviour)
		who = countersign_view_of("mallory");
	if (as == garbage_behaviour)
		who = countersign_view_of("ali\033[31mce\n\xff\xfe");
	if (rc == COUNTERSIGN_OK)
		rc = as == lie_issuer_behaviour ? put(&out->issuer, "https://another.test") :
		    countersign_put(&out->issuer, m->issuer.data, m->issuer.len);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->subject, who.data, who.len);
	if (rc == COUNTERSIGN_OK)
		rc = as == lie_audience_behaviour ? put(&out->audience, "another-client") :
		    countersign_put(&out->audience, in->client_ids[0].data, in->client_ids[0].len);
	if (rc == COUNTERSIGN_OK)
		rc = as == lie_nonce_behaviour ? put(&out->nonce, "another-nonce") :
		    as == lie_no_nonce_behaviour ? put(&out->nonce, "") :
		    countersign_put(&out->nonce, in->nonce.data, in->nonce.len);
	if (rc == COUNTERSIGN_OK)
		rc = put_besides(m, rest, out);
	out->display.len = 0;
	out->auth_time_ms = then;
	out->issued_at_ms = then;
	out->expires_at_ms = then + 3600000;
	if (as == overflow_behaviour)
		out->subject.len = SIZE_MAX;
	return rc;
}

static int
identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	enum behaviour as;
	int rc = behave(instance, in->id_token.len > 0 ? in->id_token : in->code, &in->call, &as);

	return rc != COUNTERSIGN_OK ? rc : put_identity(instance, as, in, out);
}

static int
rekey(void *instance, const struct countersign_rekey *in, struct countersign_rekey_answer *out)
{
	const struct misbehave *m = instance;
	enum behaviour as;
	int rc = behave(instance, in->proof, &in->call, &as);

	if (rc == COUNTERSIGN_OK && in->proof.len == 0)
		return COUNTERSIGN_BAD_TOKEN;
	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->issuer, m->issuer.data, m->issuer.len);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->subject, in->proof.data, in->proof.len);
	return rc;
}

static void
show_long(struct countersign_enrol_answer *out)
{
	for (size_t i = 0; i < COUNTERSIGN_STEPS_MAX; i++) {
		out->steps[i].kind = i == 0 ? COUNTERSIGN_STEP_TEXT : COUNTERSIGN_STEP_SHOW;
		out->steps[i].digits = 0;
		memset(out->steps[i].value.data, '"', COUNTERSIGN_STEP_VALUE_MAX);
		out->steps[i].value.len = COUNTERSIGN_STEP_VALUE_MAX;
	}
	out->steps_count = COUNTERSIGN_STEPS_MAX;
}

static int
enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	enum behaviour as;
	int rc = behave(instance, in->account_hint, &in->call, &as);

	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = put(&out->secret, "a secret that everybody knows");
	out->steps[0].kind = as == garbage_behaviour ? 99 : COUNTERSIGN_STEP_CODE;
	out->steps[0].digits = 6;
	out->steps_count = as == overflow_behaviour ? 1000 : 1;
	if (as == long_behaviour)
		show_long(out);
	return rc;
}

static int
ask_more(enum behaviour as, struct countersign_verify_answer *out)
{
	int rc = put(&out->state, "more");

	out->verdict = COUNTERSIGN_MORE;
	if (as == lie_more_behaviour)
		return rc;
	out->steps[0].kind =
	    as == lie_passkey_behaviour ? COUNTERSIGN_STEP_PASSKEY : COUNTERSIGN_STEP_SECRET;
	out->steps_count = 1;
	return rc != COUNTERSIGN_OK ? rc : put(&out->steps[0].value, "And now?");
}

static int
verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	const struct misbehave *m = instance;
	enum behaviour as;
	int rc = behave(instance, in->answer, &in->call, &as);
	int right = in->answer.len == 5 && memcmp(in->answer.data, "right", 5) == 0;

	/* What was not begun cannot be answered. */
	if (rc == COUNTERSIGN_OK && m->prompts && in->challenge.len > 0 && in->state.len == 0)
		return COUNTERSIGN_INVALID;
	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	out->verdict = as == garbage_behaviour ? 7 :
	    as == lie_verdict_behaviour || (as >= lie_secret_behaviour && as <= lie_word_behaviour) ||
	    as == lie_state_behaviour ? COUNTERSIGN_RIGHT : right;
	if (as == more_behaviour || as == lie_more_behaviour || as == lie_passkey_behaviour)
		return ask_more(as, out);
	out->step = as == lie_verdict_behaviour ? in->last_step : right ? in->last_step + 1 : -1;
	if (as == overflow_behaviour)
		out->request.len = out->request.cap + 1;
	if (as == lie_secret_behaviour && rc == COUNTERSIGN_OK)
		rc = put(&out->secret, "another secret that everybody knows");
	if (as == lie_rests_behaviour && rc == COUNTERSIGN_OK)
		rc = put(&out->rests_on, "mail-domain:post.misbehave.test\ncopies:none");
	if (as == lie_word_behaviour && rc == COUNTERSIGN_OK)
		rc = put(&out->rests_on, "copies:none\nnothing:at-all");
	if (as == lie_state_behaviour && rc == COUNTERSIGN_OK)
		rc = put(&out->state, "left");
	return rc;
}

static int
assess(void *instance, const struct countersign_assess *in, struct countersign_assessment *out)
{
	enum behaviour as;
	int64_t unit = 1, score;
	int rc = behave(instance, in->payee, &in->call, &as);

	for (int32_t i = 0; i < in->currency_digits; i++)
		unit *= 10;
	score = in->amount_minor / unit;
	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = put(&out->reason, as == garbage_behaviour ? "Amount\n\033[2J" : "amount");
	out->score = (int32_t)(score > COUNTERSIGN_SCORE_MAX ? COUNTERSIGN_SCORE_MAX : score);
	if (as == lie_score_behaviour)
		out->score = COUNTERSIGN_SCORE_MAX + 1;
	if (as == lie_low_behaviour)
		out->score = -1;
	if (as == overflow_behaviour)
		out->reason.len = out->reason.cap + 1;
	return rc;
}

/* The first string of a document that begins with "!", without its quotes. */
static struct countersign_view
told_by(struct countersign_view document)
{
	const char *at = memmem(document.data, document.len, "\"!", 2), *end;

	if (at == NULL)
		return (struct countersign_view){NULL, 0};
	at++;
	end = memchr(at, '"', (size_t)(document.data + document.len - at));
	return (struct countersign_view){at, end == NULL ? 0 : (size_t)(end - at)};
}

/* Sends its code to nobody; told how by the card. */
static int
begin(void *instance, const struct countersign_begin *in, struct countersign_begin_answer *out)
{
	struct misbehave *m = instance;
	enum behaviour as;
	int rc;

	m->host->log(m->host->context, COUNTERSIGN_LOG_INFO, in->card);
	rc = behave(m, told_by(in->card), &in->call, &as);
	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (rc == COUNTERSIGN_OK)
		rc = put(&out->destination, as == garbage_behaviour ? "\033[2J\xff" : "+86 138****5678");
	if (rc == COUNTERSIGN_OK && as != lie_state_behaviour)
		rc = put(&out->state, "begun");
	if (rc == COUNTERSIGN_OK)
		rc = put(&out->steps[0].value, "The code that nobody sent");
	out->steps[0].kind =
	    as == lie_passkey_behaviour ? COUNTERSIGN_STEP_PASSKEY : COUNTERSIGN_STEP_CODE;
	out->steps_count = as == lie_more_behaviour ? 0 : 1;
	if (as == overflow_behaviour)
		out->state.len = out->state.cap + 1;
	return rc;
}

static int
tell(void *instance, const struct countersign_tell *in, struct countersign_tell_answer *out)
{
	struct misbehave *m = instance;
	enum behaviour as;
	int rc;

	m->host->log(m->host->context, COUNTERSIGN_LOG_INFO, in->message);
	rc = behave(m, told_by(in->message), &in->call, &as);
	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (as == overflow_behaviour)
		out->request.len = out->request.cap + 1;
	return rc;
}

static int
deliver(void *instance, const struct countersign_deliver *in, struct countersign_delivery *out)
{
	struct misbehave *m = instance;
	enum behaviour as;
	int rc;

	m->host->log(m->host->context, COUNTERSIGN_LOG_INFO, in->document);
	rc = behave(m, told_by(in->document), &in->call, &as);
	if (rc == COUNTERSIGN_OK)
		rc = put_request(as, &in->call, &out->request);
	if (as == garbage_behaviour && rc == COUNTERSIGN_OK)
		rc = put(&out->request, "\033[2J\xff");
	if (as == overflow_behaviour)
		out->request.len = out->request.cap + 1;
	return rc;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = authorization_url,
		.identify = identify,
		.rekey = rekey,
		.signal = misbehave_signal,
	};
	static const struct countersign_risk_v1 risk = {
		.size = sizeof(risk),
		.assess = assess,
	};
	static const struct countersign_notify_v1 notify = {
		.size = sizeof(notify),
		.deliver = deliver,
	};
	static const struct countersign_token_v1 token = {
		.size = sizeof(token),
		.check = misbehave_check,
	};
	static struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER | COUNTERSIGN_KIND_FACTOR |
		    COUNTERSIGN_KIND_RISK | COUNTERSIGN_KIND_NOTIFY | COUNTERSIGN_KIND_TOKEN,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "misbehave",
		.version = "1",
		.help = "Misbehaves when told to; for tests only.",
		.self_test = self_test,
		.init = init,
		.profile = profile,
		.provider = &provider,
		.factor = &factor,
		.risk = &risk,
		.notify = &notify,
		.token = &token,
	};

	plugin.flags = flags;
	return &plugin;
}
