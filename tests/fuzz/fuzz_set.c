/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Security event tokens, all but the signature, in each format: what passes every check is bounded, of the right issuer and
 * audience, in time, and names subjects of the provider alone. The first byte chooses the format; then a token as it is, or,
 * when there is a line break, header and claims as JSON, of which one is made.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW_S = 1800000000, SKEW_S = 10, AGE_S = 86400, TEXT_MAX = 255 };

static char memory[4 + 4 * COUNTERSIGN_SIGNAL_EVENTS][TEXT_MAX];

static void
answer_prepare(struct countersign_signal_answer *a)
{
	struct countersign_buffer *const head[] = {&a->issuer, &a->id, &a->audience, &a->state};
	size_t n = 0;

	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < 4; i++)
		*head[i] = (struct countersign_buffer){memory[n++], TEXT_MAX, 0};
	for (size_t i = 0; i < COUNTERSIGN_SIGNAL_EVENTS; i++) {
		struct countersign_buffer *const of[] = {&a->events[i].name, &a->events[i].issuer, &a->events[i].subject,
		    &a->events[i].detail};

		for (size_t k = 0; k < 4; k++)
			*of[k] = (struct countersign_buffer){memory[n++], TEXT_MAX, 0};
	}
}

static struct countersign_view
view(const struct countersign_buffer *b)
{
	return (struct countersign_view){b->data, b->len};
}

static void
check_text(struct countersign_view v)
{
	for (size_t i = 0; i < v.len; i++)
		CHECK((unsigned char)v.data[i] >= ' ' && v.data[i] != 0x7f);
}

static void
check_event(const struct countersign_security_event *e)
{
	CHECK(e->name.len >= 1 && e->name.len <= SET_EVENT_NAME_MAX);
	for (size_t i = 0; i < e->name.len; i++)
		CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789-", e->name.data[i]) != NULL && e->name.data[i] != '\0');
	CHECK((e->subject.len == 0) == (e->issuer.len == 0));
	CHECK(e->issuer.len == 0 || view_is_text(view(&e->issuer), "https://idp.example"));
	CHECK(e->detail.len <= SET_DETAIL_MAX);
	check_text(view(&e->subject));
	check_text(view(&e->detail));
	CHECK(e->at_ms == COUNTERSIGN_NO_TIME || (e->at_ms >= 0 && e->at_ms / 1000 <= NOW_S + SKEW_S));
}

static void
check_answer(const struct set_rules *rules, const struct countersign_signal_answer *a)
{
	int64_t iat = a->issued_at_ms / 1000;

	CHECK(view_is_text(view(&a->issuer), "https://tr.example"));
	CHECK(view_is_text(view(&a->audience), "web"));
	CHECK(a->id.len >= 1 && a->id.len <= TEXT_MAX);
	check_text(view(&a->id));
	check_text(view(&a->state));
	CHECK(iat <= NOW_S + SKEW_S && iat >= NOW_S - AGE_S - SKEW_S);
	CHECK(a->events_count >= 1 && a->events_count <= COUNTERSIGN_SIGNAL_EVENTS);
	CHECK(rules->format != SET_APPLE || (a->events_count == 1 && a->events[0].subject.len > 0));
	for (size_t i = 0; i < a->events_count; i++)
		check_event(&a->events[i]);
}

static void
set_try(enum set_format format, struct countersign_view text)
{
	const struct countersign_view issuers[] = {countersign_view_of("https://tr.example"),
	    countersign_view_of("https://tr.example/")};
	const struct countersign_view subjects[] = {countersign_view_of("https://idp.example"), countersign_view_of("idp.example")};
	const struct countersign_view client = countersign_view_of("web");
	const struct oidc_settings settings = {.algorithms = 1U << OIDC_ES256 | 1U << OIDC_RS256};
	json_t *critical = json_pack("[s]", "tenant");
	struct set_rules rules = {format, issuers, 2, &client, 1, subjects, 2, critical, SKEW_S, AGE_S, NOW_S};
	struct countersign_signal_answer a;
	json_t *wrapping = NULL;
	struct jws t;

	if (format == SET_APPLE && text.len > 0 && text.data[0] == '{' && set_unwrap(text, &wrapping, &text) != COUNTERSIGN_OK)
		text.len = 0;
	if (jws_read(text, &t) == COUNTERSIGN_OK) {
		answer_prepare(&a);
		if (set_check_header(&settings, format, &t) == COUNTERSIGN_OK) {
			CHECK((settings.algorithms & 1U << t.algorithm) != 0);
			if (set_check_claims(&rules, &t, &a) == COUNTERSIGN_OK)
				check_answer(&rules, &a);
		}
		jws_clear(&t);
	}
	json_decref(wrapping);
	json_decref(critical);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum set_format format = len == 0 ? SET_SSF : (enum set_format)(data[0] % 3);
	const uint8_t *line;
	struct countersign_buffer b;
	int rc = COUNTERSIGN_OK;

	if (len == 0)
		return 0;
	data++, len--;
	line = len == 0 ? NULL : memchr(data, '\n', len);
	if (line == NULL) {
		set_try(format, (struct countersign_view){(const char *)data, len});
		return 0;
	}
	b = (struct countersign_buffer){malloc(2 * len + 16), 2 * len + 16, 0};
	CHECK(b.data != NULL);
	put_base64url(&b, &rc, (struct countersign_view){(const char *)data, (size_t)(line - data)});
	put_text(&b, &rc, ".");
	put_base64url(&b, &rc, (struct countersign_view){(const char *)line + 1, len - (size_t)(line - data) - 1});
	put_text(&b, &rc, ".AA");
	CHECK(rc == COUNTERSIGN_OK);
	set_try(format, view(&b));
	free(b.data);
	return 0;
}
