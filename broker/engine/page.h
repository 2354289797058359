/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages: a token in a URL, unrelated to the id of what it is about, bound to the first browser that opens it. Kept in
 * memory only: after a restart the service asks again and gets a new URL. Asking again voids the old one. A page that is
 * over is remembered for an hour, so that its user hears what became of it.
 */
#ifndef CS_ENGINE_PAGE_H
#define CS_ENGINE_PAGE_H

#include "broker/engine/engine.h"

enum { PAGE_URL_MAX = 512, PAGES_MAX = 65536, PAGE_RETURN_URL_MAX = 1024, PAGE_REMEMBERED_MS = 60 * 60 * 1000 };

/* What it is about, and where it lives: /c/ or /e/. */
enum page_kind { PAGE_STEP, PAGE_ENROL };

enum page_state { PAGE_OPEN, PAGE_EXPIRED, PAGE_USED, PAGE_UNKNOWN, PAGE_MALFORMED };

struct page {
	struct id token;
	struct id account, challenge; /* challenge: or the enrolment, by kind */
	uint8_t kind;             /* enum page_kind */
	bool used;                /* another one took its place, or it has done what it was for */
	uint8_t cookie[16];       /* of the browser that it is bound to */
	bool bound;
	bool opens_view;          /* what it confirms is the opening of the owner's page */
	char *return_url;         /* NULL: none */
	int64_t expires_ms;
	struct page *next, *challenge_next;
};

struct pages *pages_new(void);
void pages_free(struct pages *p);
/* A new page for a challenge; writes its URL (no NUL) and returns the length. The challenge's older page ends. */
size_t page_new(struct engine *e, const struct id *account, const struct id *challenge, int64_t expires_ms,
    struct view return_url, char url[PAGE_URL_MAX]);
/* The same of another kind. */
size_t page_new_of(struct engine *e, enum page_kind kind, const struct id *account, const struct id *about,
    int64_t expires_ms, struct view return_url, char url[PAGE_URL_MAX]);
/* NULL where there is no such page, or its time is over. */
struct page *page_find(struct engine *e, struct view token);
/* How it stands with a token at the place of a kind's pages; *page is NULL where it is unknown or malformed. */
enum page_state page_look(struct engine *e, enum page_kind kind, struct view token, struct page **page);
/* "open", "expired", "used", "unknown", "malformed". */
const char *page_state_name(enum page_state state);
/* Is this the cookie of the browser that the page is bound to? */
bool page_fits(const struct page *page, struct view cookie);
/* It has done what it was for. */
void page_end(struct page *page);
/* The page of this challenge, or NULL. */
struct page *page_of_challenge(struct engine *e, const struct id *challenge);
/* Forgets what was over long enough. */
void pages_tick(struct engine *e);

#endif
