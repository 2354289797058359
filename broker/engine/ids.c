/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to text and back. */
#include "broker/engine/ids.h"

#include "broker/base/check.h"

static const struct {
	const char *prefix;
	bool account;
} kinds[ID__COUNT] = {
	[ID_HOLD] = {"hold_", true},
	[ID_CHALLENGE] = {"chal_", true},
	[ID_SESSION] = {"sess_", true},
	[ID_LINK] = {"link_", true},
	[ID_FACTOR] = {"fact_", true},
	[ID_ALLOWANCE] = {"allow_", true},
	[ID_EVENT] = {"evt_", true},
	[ID_SIGN_IN] = {"sign_", false},
	[ID_ENROLMENT] = {"enrol_", false},
};

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

size_t
base32_encode(const uint8_t *bytes, size_t n, char *to)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 5; have -= 5)
			to[len++] = base32[bits >> (have - 5) & 31];
	}
	if (have > 0)
		to[len++] = base32[bits << (5 - have) & 31];
	return len;
}

bool
base32_decode(struct view text, uint8_t *to, size_t n)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len = 0;

	if (text.len != (n * 8 + 4) / 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		uint32_t v;

		if (c >= 'a' && c <= 'z')
			v = (uint32_t)(c - 'a');
		else if (c >= '2' && c <= '7')
			v = (uint32_t)(c - '2') + 26;
		else
			return false;
		bits = bits << 5 | v;
		have += 5;
		if (have >= 8) {
			have -= 8;
			to[len++] = (uint8_t)(bits >> have);
		}
	}
	/* What is left over must be zero: one id, one text. */
	return len == n && (bits & ((1u << have) - 1)) == 0;
}

struct id_text
id_format(enum id_kind kind, const struct id *account, const struct id *id)
{
	struct id_text t;
	uint8_t bytes[32];
	size_t n = 0;

	CHECK(kind < ID__COUNT && (account != NULL) == kinds[kind].account);
	if (account != NULL) {
		memcpy(bytes, account->b, 16);
		n = 16;
	}
	memcpy(bytes + n, id->b, 16);
	t.len = strlen(kinds[kind].prefix);
	memcpy(t.data, kinds[kind].prefix, t.len);
	t.len += base32_encode(bytes, n + 16, t.data + t.len);
	return t;
}

struct view
id_view(const struct id_text *t)
{
	return view_of(t->data, t->len);
}

enum cs_err
id_parse(enum id_kind kind, struct view text, struct id *account, struct id *id)
{
	static const struct id nobody;
	size_t prefix = strlen(kinds[kind].prefix), n = kinds[kind].account ? 32 : 16;
	uint8_t bytes[32];

	if (text.len <= prefix || memcmp(text.data, kinds[kind].prefix, prefix) != 0 ||
	    !base32_decode(view_of(text.data + prefix, text.len - prefix), bytes, n))
		return CS_ERR_SYNTAX;
	/* The zero key is the broker's own record: no account, and nothing that a caller may name a thing of. */
	if (kinds[kind].account && memcmp(bytes, nobody.b, sizeof(nobody.b)) == 0)
		return CS_ERR_SYNTAX;
	if (kinds[kind].account)
		memcpy(account->b, bytes, 16);
	memcpy(id->b, bytes + n - 16, 16);
	return CS_OK;
}
