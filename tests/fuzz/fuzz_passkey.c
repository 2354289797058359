/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's own look at the answer of a passkey. The first byte chooses: a whole answer as JSON, or client data and
 * authenticator data (parted by the first byte 0xff) within one that is otherwise right, or a registration's. Nothing that
 * this finds is ever right, since nobody signed it.
 */
#include <stdint.h>
#include <stdio.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/engine/passkey.h"
#include "countersign/passkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PART_MAX = 2048 };

static const struct passkey_policy policy = {
    .rp_id = {"a.example", 9},
    .origins = {{"https://a.example", 17}},
    .origins_n = 1,
    .payment_confirmation = true,
    .verification = PASSKEY_VERIFICATION_PREFERRED,
};
static const char card[] = "{\"payee\":\"Shop\",\"amount\":\"20.00\",\"currency\":\"CNY\"}";

/* A key of Ed25519 (RFC 8032, 7.1, test 2), the id "id", counters at zero. */
static size_t
make_record(uint8_t to[256])
{
	static const uint8_t key[32] = {0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d,
	    0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66,
	    0x0c};

	memset(to, 0, COUNTERSIGN_PASSKEY_HEAD);
	to[0] = COUNTERSIGN_PASSKEY_VERSION;
	to[1] = COUNTERSIGN_PASSKEY_MADE;
	to[2] = COUNTERSIGN_PASSKEY_EDDSA;
	to[42] = sizeof(key);
	to[44] = 2;
	memcpy(to + COUNTERSIGN_PASSKEY_HEAD, key, sizeof(key));
	memcpy(to + COUNTERSIGN_PASSKEY_HEAD + sizeof(key), "id", 2);
	return COUNTERSIGN_PASSKEY_HEAD + sizeof(key) + 2;
}

static void
try_answer(struct view answer)
{
	static const uint8_t begun[2 + COUNTERSIGN_PASSKEY_CHALLENGE + COUNTERSIGN_PASSKEY_HANDLE] = {
	    COUNTERSIGN_PASSKEY_VERSION, COUNTERSIGN_PASSKEY_ASKED};
	uint8_t bytes[256];
	struct view record = view_of(bytes, make_record(bytes));
	struct passkey_question q = {.record = record, .answer = answer, .challenge = {"0123456789abcdef", 16},
	    .payment = true, .card = view_str(card)};
	uint32_t counter;

	CHECK(!passkey_right(&policy, &q, &counter));
	/* With the key somewhere in it this would be a registration: that is what the plugin must then verify. */
	(void)passkey_made(&policy, view_of(begun, sizeof(begun)), answer, record);
}

static int
put(char *to, size_t cap, const char *before, const uint8_t *data, size_t len)
{
	char text[BASE64URL_LEN(PART_MAX)];
	size_t n = base64url_encode(data, len, text);

	return snprintf(to, cap, "%s\"%.*s\"", before, (int)n, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char answer[12 * 1024];
	const uint8_t *cut;
	size_t first, n = 0;

	if (len < 1 || len > PART_MAX)
		return 0;
	if (data[0] == 'j') {
		try_answer(view_of(data + 1, len - 1));
		return 0;
	}
	cut = memchr(data + 1, 0xff, len - 1);
	first = cut == NULL ? len - 1 : (size_t)(cut - data) - 1;
	n = (size_t)snprintf(answer, sizeof(answer), "{\"id\":\"aWQ\",\"type\":\"public-key\",\"response\":{");
	n += (size_t)put(answer + n, sizeof(answer) - n, "\"clientDataJSON\":", data + 1, first);
	n += (size_t)put(answer + n, sizeof(answer) - n,
	    data[0] == 'r' ? ",\"attestationObject\":" : ",\"signature\":\"AAAA\",\"authenticatorData\":",
	    cut == NULL ? data : cut + 1, cut == NULL ? 0 : len - first - 2);
	n += (size_t)snprintf(answer + n, sizeof(answer) - n, "}}");
	try_answer(view_of(answer, n));
	return 0;
}
