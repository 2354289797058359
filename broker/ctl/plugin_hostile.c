/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of hostile input. */
#include "broker/ctl/plugin_hostile.h"

#include <inttypes.h>
#include <stdio.h>

#include "broker/base/base64url.h"

const struct hostile_mark hostile_marks[] = {
	{MARK_TOKEN, "a token"}, {MARK_CODE, "an authorization code"}, {MARK_VERIFIER, "a code verifier"},
	{MARK_ANSWER, "an answer"}, {MARK_SECRET, "a secret of its settings"}, {MARK_HEADER, "an Authorization header"},
	{NULL, NULL},
};

enum { LONG = 8000, DEEP = 400, PART_MAX = 2048 };

/* Headers of JOSE: %s is the typ. The payload of all is one that would be right, the signature a number of bytes. */
static const struct {
	const char *what, *header;
	size_t signature;
	uint8_t byte;
} headers[] = {
	{"alg none without a signature", "{\"alg\":\"none\",\"typ\":\"%s\"}", 0, 0},
	{"alg nOnE", "{\"alg\":\"nOnE\",\"typ\":\"%s\"}", 0, 0},
	{"alg none with a signature", "{\"alg\":\"none\",\"typ\":\"%s\"}", 64, 1},
	{"HS256 with a key that anybody knows", "{\"alg\":\"HS256\",\"typ\":\"%s\"}", 32, 0},
	{"RS256 with a signature of zeros", "{\"alg\":\"RS256\",\"typ\":\"%s\"}", 256, 0},
	{"RS256 with an empty signature", "{\"alg\":\"RS256\",\"typ\":\"%s\"}", 0, 0},
	{"ES256 with r and s zero", "{\"alg\":\"ES256\",\"typ\":\"%s\"}", 64, 0},
	{"EdDSA with a signature of zeros", "{\"alg\":\"EdDSA\",\"typ\":\"%s\"}", 64, 0},
	{"a kid that is a path", "{\"alg\":\"RS256\",\"kid\":\"../../../../etc/passwd\",\"typ\":\"%s\"}", 256, 1},
	{"a kid that is a query", "{\"alg\":\"RS256\",\"kid\":\"x' or 'a'='a\",\"typ\":\"%s\"}", 256, 1},
	{"keys at an address of its own (jku)", "{\"alg\":\"RS256\",\"jku\":\"https://127.0.0.1:9/keys\",\"typ\":\"%s\"}", 256, 1},
	{"a certificate at an address of its own (x5u)", "{\"alg\":\"RS256\",\"x5u\":\"https://127.0.0.1:9/c\",\"typ\":\"%s\"}", 256, 1},
	{"a key of its own (jwk)",
	    "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
	    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"},\"typ\":\"%s\"}", 64, 1},
	{"a critical header that nobody knows", "{\"alg\":\"RS256\",\"crit\":[\"x\"],\"x\":1,\"typ\":\"%s\"}", 256, 1},
	{"no algorithm", "{\"typ\":\"%s\"}", 256, 1},
	{"an algorithm that is a number", "{\"alg\":256,\"typ\":\"%s\"}", 256, 1},
	{"an algorithm that is null", "{\"alg\":null,\"typ\":\"%s\"}", 256, 1},
	{"two algorithms", "{\"alg\":\"none\",\"alg\":\"RS256\",\"typ\":\"%s\"}", 0, 0},
	{"a header that is a list", "[\"none\"]", 0, 0},
	{"a header that is no JSON", "alg: none", 0, 0},
};

enum { HEADERS = sizeof(headers) / sizeof(headers[0]) };

static const struct {
	const char *what, *text; /* text NULL: see there */
} plain[] = {
	{"a word", "token"}, {"a token with a mark", "eyJhbGciOiJSUzI1NiJ9.e30." MARK_TOKEN}, {"a point", "."},
	{"two points", ".."}, {"three points", "..."}, {"five parts", "a.b.c.d.e"}, {"padding", "e30=.e30=.e30="},
	{"a line break", "e30.\ne30.e30"}, {"a blank", " "}, {"a JSON object", "{\"sub\":\"mallory\"}"}, {"null", "null"},
};

enum { PLAIN = sizeof(plain) / sizeof(plain[0]) };

static void
put_part(struct buf *to, const void *bytes, size_t len)
{
	char text[BASE64URL_LEN(PART_MAX)];

	buf_put(to, text, base64url_encode(bytes, len, text));
}

static void
put_payload(struct buf *to, const struct hostile_for *f)
{
	char text[PART_MAX];
	int64_t now = f->now_ms / 1000;
	int n = snprintf(text, sizeof(text),
	    "{\"iss\":\"%s\",\"sub\":\"mallory\",\"aud\":\"%s\",\"azp\":\"%s\",\"client_id\":\"%s\",\"nonce\":\"%s\",\"iat\":%" PRId64
	    ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64 ",\"auth_time\":%" PRId64 ",\"jti\":\"1\",\"scope\":\"openid\","
	    "\"sub_id\":{\"format\":\"iss_sub\",\"iss\":\"%s\",\"sub\":\"mallory\"},"
	    "\"events\":{\"https://schemas.openid.net/secevent/risc/event-type/account-disabled\":{}}}",
	    f->issuer, f->audience, f->audience, f->audience, f->nonce, now, now, now + 3600, now, f->issuer);

	put_part(to, text, n < 0 || (size_t)n >= sizeof(text) ? 0 : (size_t)n);
}

static const char *
put_signed(size_t i, const struct hostile_for *f, struct buf *to)
{
	char header[PART_MAX];
	uint8_t signature[256];
	int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(header, sizeof(header), headers[i].header, f->type);
#pragma GCC diagnostic pop
	memset(signature, headers[i].byte, sizeof(signature));
	put_part(to, header, (size_t)n);
	buf_put_u8(to, '.');
	put_payload(to, f);
	buf_put_u8(to, '.');
	put_part(to, signature, headers[i].signature);
	return headers[i].what;
}

static void
put_repeated(struct buf *to, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_put_view(to, view_str(text));
}

/* Deep JSON in the place of the payload. */
static const char *
put_deep(struct buf *to)
{
	char text[DEEP];

	memset(text, '[', sizeof(text));
	buf_put_view(to, VIEW("eyJhbGciOiJSUzI1NiJ9."));
	put_part(to, text, sizeof(text));
	buf_put_view(to, VIEW(".AAAA"));
	return "JSON that is four hundred lists deep";
}

const char *
hostile_token(size_t i, const struct hostile_for *f, struct buf *to)
{
	if (i < HEADERS)
		return put_signed(i, f, to);
	i -= HEADERS;
	if (i < PLAIN) {
		buf_put_view(to, view_str(plain[i].text));
		return plain[i].what;
	}
	i -= PLAIN;
	if (i == 0)
		return put_deep(to);
	if (i == 1) {
		put_repeated(to, "A", LONG);
		return "eight thousand letters";
	}
	if (i == 2) {
		put_repeated(to, ".", LONG);
		return "eight thousand points";
	}
	if (i == 3) {
		put_payload(to, f);
		buf_put_view(to, VIEW(".\xff\xfe.\xf0\x28\x8c\x28"));
		return "bytes that are no UTF-8";
	}
	return NULL;
}

static const struct {
	const char *what, *text;
} texts[] = {
	{"nothing", ""}, {"a mark", MARK_ANSWER}, {"a blank", " "}, {"line breaks", "\n\n\r\n"}, {"a minus", "-1"},
	{"thirteen digits", "9999999999999"}, {"digits of another script", "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6"},
	{"wide digits", "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x93\xef\xbc\x94\xef\xbc\x95\xef\xbc\x96"},
	{"a format", "%s%s%n%x"}, {"a query", "' or 'a'='a"}, {"a path", "../../../../etc/passwd"},
	{"a terminal's escapes", "\033[2J\033]0;x\007"}, {"text that runs the other way", "\xe2\x80\xae" "654321"},
	{"an empty object", "{}"}, {"null", "null"}, {"a list", "[]"}, {"true", "true"},
	{"a passkey's answer with nothing in it", "{\"id\":\"AA\",\"rawId\":\"AA\",\"type\":\"public-key\",\"response\":"
	    "{\"clientDataJSON\":\"e30\",\"authenticatorData\":\"AA\",\"signature\":\"AA\",\"attestationObject\":\"AA\"}}"},
	{"JSON that does not end", "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"},
};

enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

const char *
hostile_text(size_t i, struct buf *to)
{
	if (i < TEXTS) {
		buf_put_view(to, view_str(texts[i].text));
		return texts[i].what;
	}
	if (i == TEXTS) {
		put_repeated(to, "A", LONG);
		return "eight thousand letters";
	}
	if (i == TEXTS + 1) {
		put_repeated(to, "[", DEEP);
		return "JSON that is four hundred lists deep";
	}
	if (i == TEXTS + 2) {
		put_repeated(to, "1\n", LONG / 2);
		return "four thousand lines";
	}
	return NULL;
}
