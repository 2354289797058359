/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an access token says, and a key that a proof carries: the input is two JSON objects parted by a line end. A token
 * that is taken names its client and ends in the future; whatever it is bound to, a caller who shows nothing does not
 * get in, unless it is bound to nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "plugins/lib/encoding.h"
#include "plugins/oauth2/oauth2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW_S = 1700000000 };

static void
judge(const struct oidc *o, const json_t *claims, bool introspected)
{
	const struct countersign_token nothing = {.size = sizeof(nothing), .scheme = countersign_view_of("Bearer")};
	struct grant g = {0};

	if (grant_read(o, claims, NOW_S, introspected, &g) != COUNTERSIGN_OK)
		return;
	CHECK(g.client.len > 0 && g.client.len <= OIDC_TEXT_MAX && g.expires_s > NOW_S);
	CHECK((grant_check_binding(o, &g, &nothing, countersign_view_of(NULL)) == COUNTERSIGN_OK) ==
	    (g.key.len == 0 && g.certificate.len == 0));
	CHECK(!oauth2_of(o)->bound || g.key.len > 0 || g.certificate.len > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct oauth2 own = {.audiences = {countersign_view_of("https://pay.example")}, .audiences_count = 1,
	    .scopes = {countersign_view_of("pay")}, .scopes_count = 1};
	struct oidc o = {.settings = {.own = &own, .issuer = countersign_view_of("https://as.example"),
	    .lifetime_max_s = 86400}};
	const char *text = (const char *)data, *end = len == 0 ? NULL : memchr(text, '\n', len);
	size_t first = end == NULL ? len : (size_t)(end - text);
	json_t *claims = json_read_object(text, first), *jwk;
	char thumbprint[OAUTH2_DIGEST_TEXT + 1];

	for (int i = 0; claims != NULL && i < 4; i++) {
		own.bound = (i & 1) != 0;
		judge(&o, claims, (i & 2) != 0);
	}
	json_decref(claims);
	jwk = end == NULL ? NULL : json_read_object(end + 1, len - first - 1);
	if (jwk != NULL && proof_thumbprint(jwk, thumbprint))
		CHECK(strlen(thumbprint) == OAUTH2_DIGEST_TEXT && json_object_get(jwk, "d") == NULL);
	json_decref(jwk);
	return 0;
}
