/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching waiting messages: RFC 8936. It never waits for one: the broker comes again by itself. */
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/ssf.h"

/* Where our stream is polled, as its configuration says. PROVIDER_ERROR: it is none that is polled. */
static int
endpoint_need(struct signals *s, int64_t now_ms)
{
	int64_t boot = s->source.host->boot_ms(s->source.host->context);
	struct countersign_view url;
	json_t *stream = NULL;
	int rc;

	if (s->poll_endpoint[0] != '\0' && boot - s->poll_endpoint_boot_ms < s->source.settings.keys_max_age_ms)
		return COUNTERSIGN_OK;
	rc = ssf_find_stream(s, now_ms, &stream);
	if (rc != COUNTERSIGN_OK)
		return rc;
	url = json_member_text(json_object_get(stream, "delivery"), "endpoint_url");
	if (!view_is_text(json_member_text(json_object_get(stream, "delivery"), "method"), "urn:ietf:rfc:8936") ||
	    url.len == 0 || url.len >= sizeof(s->poll_endpoint)) {
		oidc_log(&s->source, COUNTERSIGN_LOG_WARN, "there is no stream to poll: create it without an endpoint first",
		    countersign_view_of(NULL));
		rc = COUNTERSIGN_PROVIDER_ERROR;
	} else {
		memcpy(s->poll_endpoint, url.data, url.len + 1);
		s->poll_endpoint_boot_ms = boot;
	}
	json_decref(stream);
	return rc;
}

static json_t *
refusal(const char *description)
{
	return json_pack("{ss ss}", "err", "invalid_request", "description", description);
}

static json_t *
request_of(const struct countersign_poll *in)
{
	json_t *ack = json_array(), *errors = json_object();

	for (size_t i = 0; i < in->taken_count; i++)
		json_array_append_new(ack, json_stringn(in->taken[i].data, in->taken[i].len));
	for (size_t i = 0; i < in->refused_count; i++)
		json_object_setn_new(errors, in->refused[i].data, in->refused[i].len, refusal("it was refused"));
	return json_pack("{si sb so so}", "maxEvents", (int)COUNTERSIGN_SETS_MAX, "returnImmediately", 1, "ack", ack,
	    "setErrs", errors);
}

/* Puts what fits; what never will is named in *too_large, so that it does not come again for ever. */
static int
put_sets(const json_t *answer, struct countersign_poll_answer *out, json_t *too_large)
{
	json_t *sets = json_object_get(answer, "sets"), *set;
	const char *id;

	if (!json_is_object(sets))
		return COUNTERSIGN_PROVIDER_ERROR;
	out->more = json_is_true(json_object_get(answer, "moreAvailable"));
	json_object_foreach(sets, id, set) {
		struct countersign_view text = json_text(set);
		size_t n = out->sets_count;

		if (n == COUNTERSIGN_SETS_MAX) {
			out->more = 1;
			break;
		}
		if (text.len == 0 || text.len > COUNTERSIGN_SET_MAX || strlen(id) > OIDC_TEXT_MAX || id[0] == '\0') {
			json_object_set_new(too_large, id, refusal("it is no text of at most 12288 bytes"));
			continue;
		}
		if (countersign_put(&out->ids[n], id, strlen(id)) != COUNTERSIGN_OK ||
		    countersign_put(&out->sets[n], text.data, text.len) != COUNTERSIGN_OK)
			return COUNTERSIGN_FULL;
		out->sets_count++;
	}
	return COUNTERSIGN_OK;
}

int
ssf_poll(struct signals *s, const struct countersign_poll *in, struct countersign_poll_answer *out)
{
	json_t *answer = NULL, *too_large = json_object();
	int status = 0, rc = endpoint_need(s, in->call.now_ms);

	out->sets_count = 0;
	out->more = 0;
	if (rc == COUNTERSIGN_OK)
		rc = ssf_ask(s, "POST", s->poll_endpoint, request_of(in), in->call.now_ms, &status, &answer);
	if (rc == COUNTERSIGN_OK)
		rc = put_sets(answer, out, too_large);
	/* maxEvents 0: only to refuse (RFC 8936 section 2.4.2). */
	if (rc == COUNTERSIGN_OK && json_object_size(too_large) > 0) {
		json_t *body = json_pack("{si sb sO}", "maxEvents", 0, "returnImmediately", 1, "setErrs", too_large);

		json_decref(answer);
		(void)ssf_ask(s, "POST", s->poll_endpoint, body, in->call.now_ms, &status, &answer);
	}
	/* The stream may have moved. */
	if (rc != COUNTERSIGN_OK)
		s->poll_endpoint[0] = '\0';
	json_decref(answer);
	json_decref(too_large);
	return rc;
}
