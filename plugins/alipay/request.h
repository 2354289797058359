/* SPDX-License-Identifier: Apache-2.0 */
/* Signed requests to Alipay's gateway: what all of them say goes into the query, what is secret into the form. */
#ifndef CS_PLUGIN_ALIPAY_REQUEST_H
#define CS_PLUGIN_ALIPAY_REQUEST_H

#include "countersign/plugin.h"
#include "plugins/alipay/key.h"

enum { REQUEST_PAIRS_MAX = 16, REQUEST_TIME_LEN = 19 };

struct alipay_pair {
	const char *name;
	struct countersign_view value;
	int in_form;             /* else in the query */
};

struct alipay_request {
	size_t count;
	struct alipay_pair pairs[REQUEST_PAIRS_MAX];
};

/* An absent or empty value is left out, as their signature leaves it out. FULL past the last. */
int request_add(struct alipay_request *r, const char *name, struct countersign_view value, int in_form);

/* "yyyy-MM-dd HH:mm:ss" in China, which has had one offset since 1991. */
void request_time(int64_t now_ms, char to[REQUEST_TIME_LEN + 1]);

/* k=v&k=v, sorted by name, values as they are: what is signed. */
int request_to_be_signed(const struct alipay_request *r, struct countersign_buffer *to);

/*
 * Signs, and writes query (appended, without "?") and form. scratch is for what is signed. COUNTERSIGN_OK, FULL,
 * INTERNAL.
 */
int request_write(const struct alipay_request *r, EVP_PKEY *key, struct countersign_buffer *scratch,
    struct countersign_buffer *query, struct countersign_buffer *form);

#endif
