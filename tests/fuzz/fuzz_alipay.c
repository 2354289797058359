/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of Alipay's gateway: what is cut out, byte by byte, is what a JSON reader finds under that name; and
 * what is taken from it as good is bounded and of plain letters.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "plugins/alipay/answer.h"
#include "plugins/lib/encoding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NODE "alipay_system_oauth_token_response"

static void
check_id(struct countersign_view id)
{
	CHECK(id.len <= ALIPAY_ID_MAX);
	for (size_t i = 0; i < id.len; i++)
		CHECK((unsigned char)id.data[i] > ' ' && (unsigned char)id.data[i] < 0x7f && id.data[i] != '/');
}

static void
check_cut(struct countersign_view text, const struct alipay_cut *cut)
{
	json_t *whole = json_read_object(text.data, text.len);
	json_t *inner = json_read_object(cut->inner.data, cut->inner.len);
	const json_t *found = json_object_get(whole, cut->error ? "error_response" : NODE);

	CHECK(cut->inner.data >= text.data && cut->inner.data + cut->inner.len <= text.data + text.len);
	CHECK(cut->inner.data[0] == '{' && cut->inner.data[cut->inner.len - 1] == '}');
	CHECK(inner != NULL && found != NULL && json_equal(found, inner));
	CHECK(json_object_get(whole, cut->error ? NODE : "error_response") == NULL);
	if (cut->sign.data != NULL)
		CHECK(view_is(cut->sign, json_member_text(whole, "sign")));
	if (cut->cert_sn.data != NULL)
		CHECK(view_is(cut->cert_sn, json_member_text(whole, "alipay_cert_sn")));
	json_decref(inner);
	json_decref(whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct countersign_view text = {(const char *)data, len};
	struct alipay_answer a;
	struct alipay_cut cut;

	if (answer_cut(text, NODE, &cut) != COUNTERSIGN_OK)
		return 0;
	check_cut(text, &cut);
	if (answer_judge(&cut, &a) == COUNTERSIGN_OK) {
		CHECK(!cut.error && a.word[0] == '\0' && a.user_id.len + a.open_id.len > 0);
		check_id(a.user_id);
		check_id(a.open_id);
	}
	for (const char *c = a.word; *c != '\0'; c++)
		CHECK(*c > ' ' && *c < 0x7f);
	answer_clear(&a);
	return 0;
}
