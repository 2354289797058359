/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA256 by libcrypto, piece by piece, so that the body is not copied. */
#include "plugins/webhook/signature.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

static int
mac_pieces(EVP_MAC_CTX *mac, struct countersign_view secret, const struct countersign_view *pieces, size_t n,
    unsigned char out[32])
{
	char sha256[] = "SHA256";
	const OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};
	size_t len = 0;

	if (EVP_MAC_init(mac, (const unsigned char *)secret.data, secret.len, parameters) != 1)
		return COUNTERSIGN_INTERNAL;
	for (size_t i = 0; i < n; i++)
		if (EVP_MAC_update(mac, (const unsigned char *)pieces[i].data, pieces[i].len) != 1)
			return COUNTERSIGN_INTERNAL;
	return EVP_MAC_final(mac, out, &len, 32) == 1 && len == 32 ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

int
webhook_sign(struct countersign_view secret, struct countersign_view id, const char *seconds,
    struct countersign_view body, char *to)
{
	const struct countersign_view pieces[] = {id, countersign_view_of("."), countersign_view_of(seconds),
	    countersign_view_of("."), body};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
	unsigned char digest[32];
	int rc = COUNTERSIGN_INTERNAL;

	if (mac != NULL)
		rc = mac_pieces(mac, secret, pieces, sizeof(pieces) / sizeof(pieces[0]), digest);
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	if (rc != COUNTERSIGN_OK)
		return rc;
	memcpy(to, "v1,", 3);
	EVP_EncodeBlock((unsigned char *)to + 3, digest, sizeof(digest));
	return COUNTERSIGN_OK;
}
