/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and access tokens of services. */
#include "broker/gateway/credentials.h"

#include <strings.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"

enum { URL_BYTES_MAX = 2 * HTTP_HEAD_MAX };  /* the public URL and a path of the head */

/* "Bearer TOKEN" or "DPoP TOKEN", the scheme in any case (RFC 9110, section 11.1). */
static bool
token_read(struct exchange *x)
{
	static const char *const schemes[] = {"Bearer", "DPoP"};
	struct view shown = x->request->authorization, token;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (shown.len <= n || shown.data[n] != ' ' || strncasecmp(shown.data, schemes[i], n) != 0)
			continue;
		token = view_of(shown.data + n + 1, shown.len - n - 1);
		for (; token.len > 0 && token.data[0] == ' '; token.data++, token.len--)
			;
		x->token = token;
		secret_random(&x->token_request, sizeof(x->token_request));
		x->token_request &= INT64_MAX;
		x->token_dpop = i == 1;
		return token.len > 0 && memchr(token.data, ' ', token.len) == NULL;
	}
	return false;
}

const char *
credentials_read(struct exchange *x)
{
	if (x->gateway->takes_tokens && x->request->authorization.data != NULL) {
		if (!token_read(x)) {
			x->refused = "invalid_request";
			return "write Authorization: Bearer TOKEN, or Authorization: DPoP TOKEN";
		}
		if (x->token_dpop && x->request->dpop.len == 0) {
			x->refused = "invalid_dpop_proof";
			return "add the header DPoP: with the scheme DPoP a proof is needed";
		}
		return NULL;
	}
	if (x->certificate.data != NULL)
		return NULL;
	return x->gateway->takes_tokens ? "show the access token of a service, or its client certificate"
	                                : "connect with the client certificate of a service";
}

void
credentials_write(const struct exchange *x, struct json_writer *w)
{
	uint8_t bytes[URL_BYTES_MAX];
	struct buf url = buf_over(bytes, sizeof(bytes));

	json_member_str(w, "certificate_sha256", x->certificate);
	if (x->token.data == NULL)
		return;
	buf_put_view(&url, x->gateway->public_url);
	buf_put_view(&url, x->request->path);
	CHECK(!url.full);
	json_key(w, VIEW("token"));
	json_object_begin(w);
	json_member_str(w, "token", x->token);
	json_member_str(w, "scheme", x->token_dpop ? VIEW("DPoP") : VIEW("Bearer"));
	if (x->token_dpop)
		json_member_str(w, "proof", x->request->dpop);
	json_member_int(w, "request", x->token_request);
	json_member_str(w, "method", x->request->method);
	json_member_str(w, "url", buf_view(&url));
	json_object_end(w);
}

/* In the words of RFC 6750, section 3.1 and RFC 9449, section 7.1. */
void
credentials_refused(struct exchange *x, struct view reason)
{
	static const char *const proofs[] = {"bad_proof", "old_proof", "proof_used", "proofs_full", "bad_nonce"};

	if (x->token.data == NULL)
		return;
	x->refused = "invalid_token";
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		if (view_equal(reason, view_str(proofs[i])))
			x->refused = "invalid_dpop_proof";
	}
}

static void
ask_scheme(struct exchange *x, struct view scheme, bool shown)
{
	uint8_t text[128];
	struct buf b = buf_over(text, sizeof(text));

	buf_put_view(&b, scheme);
	if (shown && x->refused != NULL) {
		buf_put_view(&b, VIEW(", error=\""));
		buf_put_view(&b, view_str(x->refused));
		buf_put_view(&b, VIEW("\""));
	}
	CHECK(!b.full);
	reply_header(x, VIEW("WWW-Authenticate"), buf_view(&b));
}

void
credentials_ask(struct exchange *x)
{
	if (x->gateway->takes_certificates || !x->gateway->takes_tokens)
		ask_scheme(x, VIEW("Certificate realm=\"countersign\""), false);
	if (!x->gateway->takes_tokens)
		return;
	ask_scheme(x, VIEW("Bearer realm=\"countersign\""), !x->token_dpop);
	ask_scheme(x, VIEW("DPoP realm=\"countersign\", algs=\"ES256 PS256 EdDSA\""), x->token_dpop);
}
