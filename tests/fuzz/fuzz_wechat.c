/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of WeChat's servers: with an error nobody is named, and ids are bounded and of plain letters. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "plugins/wechat/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_id(struct countersign_view id)
{
	CHECK(id.len <= WECHAT_ID_MAX);
	for (size_t i = 0; i < id.len; i++)
		CHECK((unsigned char)id.data[i] > ' ' && (unsigned char)id.data[i] < 0x7f && id.data[i] != '/');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wechat_answer a;
	int rc = answer_read((struct countersign_view){(const char *)data, len}, &a);

	CHECK(rc == COUNTERSIGN_OK || rc == COUNTERSIGN_BAD_CODE || rc == COUNTERSIGN_UNREACHABLE ||
	    rc == COUNTERSIGN_PROVIDER_ERROR);
	if (rc == COUNTERSIGN_OK) {
		const json_t *errcode = json_object_get(a.document, "errcode");

		CHECK(a.errcode == 0 && a.openid.len > 0 && a.access_token.len <= WECHAT_TOKEN_MAX);
		CHECK(errcode == NULL || (json_is_integer(errcode) && json_integer_value(errcode) == 0));
		CHECK((json_object_get(a.document, "unionid") == NULL) == (a.unionid.len == 0));
		check_id(a.openid);
		check_id(a.unionid);
	}
	answer_clear(&a);
	return 0;
}
