/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Apple says besides who it is: of any claims at most one line of evidence is made, of an address that is no relay;
 * and of a migration's answer a bounded subject.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "plugins/apple/claims.h"
#include "plugins/lib/encoding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_evidence(const json_t *claims, const struct countersign_buffer *evidence)
{
	static const char begins[] = "email 0 ";
	const size_t at = sizeof(begins) - 1;
	struct countersign_view address = {evidence->data + at, evidence->len - at};

	if (evidence->len == 0)
		return;
	CHECK(evidence->len > at && memcmp(evidence->data, begins, at) == 0);
	CHECK(view_is(address, json_member_text(claims, "email")) && address.len <= 254);
	for (size_t i = 0; i < address.len; i++)
		CHECK((unsigned char)address.data[i] > ' ' && address.data[i] != 0x7f);
	CHECK(json_is_true(json_object_get(claims, "email_verified")) ||
	    view_is_text(json_member_text(claims, "email_verified"), "true"));
	CHECK(!json_is_true(json_object_get(claims, "is_private_email")) &&
	    !view_is_text(json_member_text(claims, "is_private_email"), "true"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char memory[COUNTERSIGN_EVIDENCE_MAX];
	struct countersign_buffer evidence = {memory, sizeof(memory), 0};
	struct countersign_view sub;
	json_t *claims = json_read_object((const char *)data, len);

	if (claims == NULL)
		return 0;
	claims_put_evidence(claims, &evidence);
	check_evidence(claims, &evidence);
	if (claims_read_migrated(claims, "sub", &sub) == COUNTERSIGN_OK)
		CHECK(sub.len >= 1 && sub.len <= 255 && memchr(sub.data, '\n', sub.len) == NULL);
	json_decref(claims);
	return 0;
}
