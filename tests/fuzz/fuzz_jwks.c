/* SPDX-License-Identifier: Apache-2.0 */
/* Key sets: what is accepted shows no secret, and a kid leads to one key at most. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/jwks.h"
#include "plugins/lib/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* In a set that was accepted, whole. */
static void
check_set(const struct jwks *set, const json_t *document)
{
	const json_t *jwk;
	size_t i;

	CHECK(json_array_size(json_object_get(document, "keys")) <= JWKS_KEYS_MAX);
	CHECK(jwks_count(set) <= json_array_size(json_object_get(document, "keys")));
	json_array_foreach(json_object_get(document, "keys"), i, jwk) {
		const json_t *kid = json_object_get(jwk, "kid");
		struct countersign_view view = {json_string_value(kid), json_string_length(kid)};

		CHECK(json_object_get(jwk, "d") == NULL && json_object_get(jwk, "k") == NULL);
		for (int a = 0; kid != NULL && a < OIDC_ALGORITHM_COUNT; a++)
			(void)jwks_find(set, view, (enum oidc_algorithm)a);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct signature *signature;
	json_t *document = len > OIDC_DOCUMENT_MAX ? NULL :
	    json_read_object((const char *)data, len);
	const char *why = NULL;
	struct jwks *set;

	if (signature == NULL)
		signature = signature_open();
	CHECK(signature != NULL);
	if (document == NULL)
		return 0;
	set = jwks_new(signature, document, &why);
	CHECK((set == NULL) == (why != NULL));
	if (set != NULL)
		check_set(set, document);
	jwks_free(signature, set);
	json_decref(document);
	return 0;
}
