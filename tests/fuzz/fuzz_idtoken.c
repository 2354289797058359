/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ID tokens, all but the signature: what passes every check is bounded, of the right issuer,
 * audience and nonce, and in time. The input is a token as it is; or, when it has a line break,
 * header and claims as JSON, of which one is made.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/idtoken.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW_S = 1800000000, SKEW_S = 10 };

static struct oidc_settings
settings(void)
{
	struct oidc_settings s = {
		.issuer = countersign_view_of("https://idp.example"),
		.aliases = {countersign_view_of("idp.example")},
		.aliases_count = 1,
		.algorithms = 1U << OIDC_ES256 | 1U << OIDC_RS256 | 1U << OIDC_EDDSA,
		.display_claim = countersign_view_of("email"),
		.skew_s = SKEW_S,
		.lifetime_max_s = 86400,
		.age_max_s = 600,
	};

	return s;
}

static void
check_identity(const struct countersign_identity *id)
{
	struct countersign_view subject = {id->subject.data, id->subject.len};

	CHECK(subject.len >= 1 && subject.len <= OIDC_TEXT_MAX);
	for (size_t i = 0; i < subject.len; i++)
		CHECK((unsigned char)subject.data[i] >= ' ');
	CHECK(view_is_text((struct countersign_view){id->issuer.data, id->issuer.len},
	    "https://idp.example"));
	CHECK(view_is_text((struct countersign_view){id->audience.data, id->audience.len}, "web"));
	CHECK(view_is_text((struct countersign_view){id->nonce.data, id->nonce.len}, "n-1"));
	CHECK(id->issued_at_ms / 1000 <= NOW_S + SKEW_S);
	CHECK(id->expires_at_ms / 1000 > NOW_S - SKEW_S && id->expires_at_ms > id->issued_at_ms);
}

static void
token_try(struct countersign_view text)
{
	static char memory[6][OIDC_TEXT_MAX];
	const struct countersign_view client = countersign_view_of("web");
	const struct oidc_settings s = settings();
	struct idtoken_expect expect = {countersign_view_of("n-1"), &client, 1, NOW_S};
	struct countersign_identity id = {.size = sizeof(id)};
	struct countersign_buffer *const out[] = {&id.issuer, &id.subject, &id.audience, &id.nonce,
	    &id.display};
	struct jws t;

	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		*out[i] = (struct countersign_buffer){memory[i], OIDC_TEXT_MAX, 0};
	if (jws_read(text, &t) != COUNTERSIGN_OK)
		return;
	if (idtoken_check_header(&s, &t) == COUNTERSIGN_OK) {
		CHECK((s.algorithms & 1U << t.algorithm) != 0);
		if (idtoken_check_claims(&s, &t, &expect, &id) == COUNTERSIGN_OK)
			check_identity(&id);
		(void)idtoken_check_at_hash(&t, client);
	}
	jws_clear(&t);
}

/* base64 made into base64url, without padding. */
static size_t
encode(const uint8_t *data, size_t len, char *to, size_t cap)
{
	struct countersign_buffer b = {to, cap, 0};
	int rc = COUNTERSIGN_OK;

	put_base64(&b, &rc, (struct countersign_view){(const char *)data, len});
	CHECK(rc == COUNTERSIGN_OK);
	while (b.len > 0 && to[b.len - 1] == '=')
		b.len--;
	for (size_t i = 0; i < b.len; i++)
		to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
	return b.len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *line = len == 0 ? NULL : memchr(data, '\n', len);
	size_t cap = 2 * len + 16, n;
	char *token;

	if (line == NULL) {
		token_try((struct countersign_view){(const char *)data, len});
		return 0;
	}
	token = malloc(cap);
	CHECK(token != NULL);
	n = encode(data, (size_t)(line - data), token, cap);
	token[n++] = '.';
	n += encode(line + 1, len - (size_t)(line - data) - 1, token + n, cap - n);
	memcpy(token + n, ".AA", 3);
	token_try((struct countersign_view){token, n + 3});
	free(token);
	return 0;
}
