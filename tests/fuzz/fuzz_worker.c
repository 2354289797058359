/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to a worker: whatever comes, there is one reply, whole and well formed. The plugin is an
 * honest one.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/base/bytes.h"
#include "broker/worker/calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
no_deadline(void *context, int64_t deadline_boot_ms)
{
	(void)context;
	(void)deadline_boot_ms;
}

static int
verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	(void)instance;
	CHECK(in->secret.len <= 256 && in->last_step >= -1);
	out->verdict = 0;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

static int
enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	(void)instance;
	out->steps[0].kind = COUNTERSIGN_STEP_SHOW;
	out->steps_count = 1;
	(void)countersign_put(&out->secret, "secret", 6);
	if (countersign_put(&out->steps[0].value, in->account_hint.data, in->account_hint.len) !=
	    COUNTERSIGN_OK)
		return COUNTERSIGN_FULL;
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

static int
identify(void *instance, const struct countersign_identify *in, struct countersign_identity *out)
{
	(void)instance;
	CHECK(in->client_ids_count >= 1 && in->client_ids_count <= COUNTERSIGN_CLIENT_IDS_MAX);
	CHECK((in->id_token.len > 0) != (in->code.len > 0));
	(void)countersign_put(&out->issuer, "i", 1);
	(void)countersign_put(&out->audience, "a", 1);
	(void)countersign_put(&out->nonce, in->nonce.data, in->nonce.len);
	out->expires_at_ms = in->call.now_ms;
	(void)countersign_put(&out->was_issuer, in->code_verifier.data, in->code_verifier.len);
	(void)countersign_put(&out->was_subject, in->redirect_uri.data, in->redirect_uri.len);
	(void)countersign_put(&out->evidence, in->iss.data, in->iss.len);
	return countersign_put(&out->subject, in->code.len > 0 ? in->code.data : in->id_token.data,
	    in->code.len > 0 ? in->code.len : in->id_token.len);
}

static int
authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	(void)instance;
	return countersign_put(&out->url, in->redirect_uri.data, in->redirect_uri.len);
}

static int
provider_signal(void *instance, const struct countersign_signal *in, struct countersign_signal_answer *out)
{
	(void)instance;
	CHECK(in->body.len >= 1 && in->body.len <= COUNTERSIGN_SIGNAL_MAX);
	CHECK(in->client_ids_count >= 1 && in->client_ids_count <= COUNTERSIGN_CLIENT_IDS_MAX);
	out->events_count = in->body.len % (COUNTERSIGN_SIGNAL_EVENTS + 2);
	for (size_t i = 0; i < out->events_count && i < COUNTERSIGN_SIGNAL_EVENTS; i++) {
		(void)countersign_put(&out->events[i].name, in->content_type.data, in->content_type.len);
		(void)countersign_put(&out->events[i].issuer, "i", in->body.len & 1);
		(void)countersign_put(&out->events[i].subject, in->authorization.data, in->authorization.len);
		(void)countersign_put(&out->events[i].detail, in->body.data, in->body.len);
	}
	(void)countersign_put(&out->issuer, in->client_ids[0].data, in->client_ids[0].len);
	(void)countersign_put(&out->audience, "a", 1);
	(void)countersign_put(&out->state, in->body.data, in->body.len);
	return countersign_put(&out->id, "j", 1);
}

static int
provider_poll(void *instance, const struct countersign_poll *in, struct countersign_poll_answer *out)
{
	static const char set[COUNTERSIGN_SET_MAX];

	(void)instance;
	out->sets_count = in->taken_count < COUNTERSIGN_SETS_MAX ? in->taken_count : COUNTERSIGN_SETS_MAX;
	for (size_t i = 0; i < out->sets_count; i++) {
		(void)countersign_put(&out->ids[i], in->taken[i].data, in->taken[i].len);
		if (countersign_put(&out->sets[i], set, COUNTERSIGN_SET_MAX - in->refused_count) != COUNTERSIGN_OK)
			return COUNTERSIGN_FULL;
	}
	return countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

static int
stream(void *instance, const struct countersign_stream *in, struct countersign_stream_answer *out)
{
	(void)instance;
	CHECK(in->action >= COUNTERSIGN_STREAM_STATUS && in->action <= COUNTERSIGN_STREAM_DELETE);
	return countersign_put(&out->document, in->state.data, in->state.len);
}

static int
rekey(void *instance, const struct countersign_rekey *in, struct countersign_rekey_answer *out)
{
	(void)instance;
	(void)countersign_put(&out->issuer, in->issuer.data, in->issuer.len);
	return countersign_put(&out->subject, in->proof.data, in->proof.len);
}

static int
token_check(void *instance, const struct countersign_token *in, struct countersign_token_answer *out)
{
	(void)instance;
	CHECK(in->certificate.len == 0 || in->certificate.len == 64);
	(void)countersign_put(&out->issuer, in->url.data, in->url.len);
	(void)countersign_put(&out->proof_id, in->proof.data, in->proof.len);
	out->proof_at_ms = in->proof.len > 0;
	out->expires_at_ms = in->call.now_ms;
	out->cache_until_ms = in->call.now_ms / 2;
	return countersign_put(&out->client, in->token.data, in->token.len);
}

static int
assess(void *instance, const struct countersign_assess *in, struct countersign_assessment *out)
{
	(void)instance;
	out->score = (int32_t)(in->amount_minor & 127);
	return countersign_put(&out->reason, in->payee.data, in->payee.len);
}

static int
deliver(void *instance, const struct countersign_deliver *in, struct countersign_delivery *out)
{
	(void)instance;
	return countersign_put(&out->request, in->id.data, in->id.len);
}

static int
profile(void *instance, struct countersign_profile *p)
{
	(void)instance;
	p->assurance = COUNTERSIGN_STABLE_SUBJECT;
	return COUNTERSIGN_OK;
}

static const struct countersign_plugin_v1 *
plugin(void)
{
	static const struct countersign_provider_v1 provider = {.size = sizeof(provider),
	    .authorization_url = authorization_url, .identify = identify, .signal = provider_signal,
	    .poll = provider_poll, .stream = stream, .rekey = rekey};
	static const struct countersign_factor_v1 factor = {.size = sizeof(factor), .kind = "fuzz", .enrol = enrol,
	    .verify = verify};
	static const struct countersign_risk_v1 risk = {sizeof(risk), assess};
	static const struct countersign_notify_v1 notify = {sizeof(notify), deliver};
	static const struct countersign_token_v1 token = {sizeof(token), token_check};
	static const struct countersign_plugin_v1 p = {
		.size = sizeof(p),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER | COUNTERSIGN_KIND_FACTOR |
		    COUNTERSIGN_KIND_RISK | COUNTERSIGN_KIND_NOTIFY | COUNTERSIGN_KIND_TOKEN,
		.name = "fuzz",
		.version = "1",
		.help = "",
		.profile = profile,
		.provider = &provider,
		.factor = &factor,
		.risk = &risk,
		.notify = &notify,
		.token = &token,
	};

	return &p;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct json_token tokens[JSON_TOKENS_MAX];
	static const struct settings settings = {.name = "fuzz", .deadline_ms = 1000};
	static struct host host;
	struct calls calls = {.host = &host, .plugin = plugin(), .settings = &settings,
	    .deadline = no_deadline};
	struct varlink_reply reply;
	struct bytes out;
	struct json doc;
	size_t whole;
	char *text;

	if (len > VARLINK_MESSAGE_MAX)
		return 0;
	text = malloc(len + 1);
	CHECK(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	host_init(&host, plugin(), &settings, NULL);
	bytes_init(&out, 2 * VARLINK_MESSAGE_MAX);
	calls_answer(&calls, text, len, &out.buf);
	CHECK(!out.buf.full);
	CHECK(varlink_frame((char *)out.buf.data, out.buf.len, NULL, &whole) == CS_OK);
	CHECK(whole == out.buf.len - 1);
	CHECK(varlink_read_reply((char *)out.buf.data, whole, tokens, JSON_TOKENS_MAX, &doc, &reply,
	    NULL) == CS_OK);
	bytes_clear(&out);
	free(text);
	return 0;
}
