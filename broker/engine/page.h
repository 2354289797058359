/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step-up pages: a token in a URL, unrelated to the challenge's id, bound to the first browser that opens it. Kept in
 * memory only: after a restart the service asks again and gets a new URL. Asking again voids the old one.
 */
#ifndef CS_ENGINE_PAGE_H
#define CS_ENGINE_PAGE_H

#include "broker/engine/engine.h"

enum { PAGE_URL_MAX = 512, PAGES_MAX = 65536, PAGE_RETURN_URL_MAX = 1024 };

struct page {
	struct id token;
	struct id account, challenge;
	uint8_t cookie[16];       /* of the browser that it is bound to */
	bool bound;
	char *return_url;         /* NULL: none */
	int64_t expires_ms;
	struct page *next, *challenge_next;
};

struct pages *pages_new(void);
void pages_free(struct pages *p);
/* A new page for a challenge; writes its URL (no NUL) and returns the length. The challenge's older page ends. */
size_t page_new(struct engine *e, const struct id *account, const struct id *challenge, int64_t expires_ms,
    struct view return_url, char url[PAGE_URL_MAX]);
/* NULL where there is no such page, or its time is over. */
struct page *page_find(struct engine *e, struct view token);
/* Forgets what is over. */
void pages_tick(struct engine *e);

#endif
