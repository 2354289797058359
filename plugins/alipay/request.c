/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to Alipay's gateway. */
#include "plugins/alipay/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "plugins/lib/encoding.h"

enum { CHINA_S = 8 * 3600, SIGN_TEXT_MAX = 2 * KEY_SIGNATURE_MAX };

int
request_add(struct alipay_request *r, const char *name, struct countersign_view value, int in_form)
{
	if (value.len == 0)
		return COUNTERSIGN_OK;
	if (r->count == REQUEST_PAIRS_MAX)
		return COUNTERSIGN_FULL;
	r->pairs[r->count++] = (struct alipay_pair){name, value, in_form};
	return COUNTERSIGN_OK;
}

void
request_time(int64_t now_ms, char to[REQUEST_TIME_LEN + 1])
{
	time_t seconds = (time_t)(now_ms / 1000 + CHINA_S);
	struct tm at;

	to[0] = '\0';
	if (gmtime_r(&seconds, &at) != NULL)
		(void)strftime(to, REQUEST_TIME_LEN + 1, "%Y-%m-%d %H:%M:%S", &at);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct alipay_pair *)a)->name, ((const struct alipay_pair *)b)->name);
}

int
request_to_be_signed(const struct alipay_request *r, struct countersign_buffer *to)
{
	struct alipay_request sorted = *r;
	int rc = COUNTERSIGN_OK;

	qsort(sorted.pairs, sorted.count, sizeof(sorted.pairs[0]), by_name);
	for (size_t i = 0; i < sorted.count; i++) {
		put_text(to, &rc, i == 0 ? "" : "&");
		put_text(to, &rc, sorted.pairs[i].name);
		put_text(to, &rc, "=");
		put_view(to, &rc, sorted.pairs[i].value);
	}
	return rc;
}

int
request_write(const struct alipay_request *r, EVP_PKEY *key, struct countersign_buffer *scratch,
    struct countersign_buffer *query, struct countersign_buffer *form)
{
	char memory[SIGN_TEXT_MAX];
	struct countersign_buffer sign = {memory, sizeof(memory), 0};
	size_t from = query->len;
	int rc = request_to_be_signed(r, scratch);

	if (rc == COUNTERSIGN_OK)
		rc = key_sign(key, (struct countersign_view){scratch->data, scratch->len}, &sign);
	if (rc != COUNTERSIGN_OK)
		return rc;
	for (size_t i = 0; i < r->count; i++)
		put_pair(r->pairs[i].in_form ? form : query, &rc, r->pairs[i].in_form ? 0 : from, r->pairs[i].name,
		    r->pairs[i].value);
	put_pair(query, &rc, from, "sign", (struct countersign_view){sign.data, sign.len});
	return rc;
}
