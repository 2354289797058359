/* SPDX-License-Identifier: Apache-2.0 */
/* The table of pages. */
#include "broker/engine/page.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/ids.h"

enum { PAGE_BUCKETS = 4096 };

struct pages {
	struct page *by_token[PAGE_BUCKETS];
	struct page *by_challenge[PAGE_BUCKETS];
	size_t n;
	int64_t swept_ms;
};

static size_t
bucket_of(const struct id *id)
{
	return (size_t)(id->b[0] | id->b[1] << 8) % PAGE_BUCKETS;
}

struct pages *
pages_new(void)
{
	struct pages *p = calloc(1, sizeof(*p));

	CHECK(p != NULL);
	return p;
}

static void
unlink_page(struct pages *all, struct page *p)
{
	struct page **at = &all->by_token[bucket_of(&p->token)];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	at = &all->by_challenge[bucket_of(&p->challenge)];
	while (*at != p)
		at = &(*at)->challenge_next;
	*at = p->challenge_next;
	all->n--;
	free(p->return_url);
	free(p);
}

void
pages_free(struct pages *all)
{
	for (size_t i = 0; i < PAGE_BUCKETS; i++) {
		while (all->by_token[i] != NULL)
			unlink_page(all, all->by_token[i]);
	}
	free(all);
}

/* Drops what was over before `over_ms`, and what has been used where `used`. */
static void
sweep(struct pages *all, int64_t over_ms, bool used)
{
	for (size_t i = 0; i < PAGE_BUCKETS; i++) {
		for (struct page *p = all->by_token[i], *next; p != NULL; p = next) {
			next = p->next;
			if (p->expires_ms <= over_ms || (used && p->used))
				unlink_page(all, p);
		}
	}
}

/* Room for one more: the remembered go first; then whoever waits on one of these asks again. */
static void
make_room(struct pages *all, int64_t now_ms)
{
	if (all->n >= PAGES_MAX)
		sweep(all, now_ms, true);
	if (all->n >= PAGES_MAX)
		sweep(all, INT64_MAX, true);
}

void
pages_tick(struct engine *e)
{
	struct pages *all = e->pages;

	/* A sweep walks all buckets: once in ten seconds is soon enough for what is refused by its time anyway. */
	if (all->n == 0 || e->now.boot_ms - all->swept_ms < 10000)
		return;
	all->swept_ms = e->now.boot_ms;
	sweep(all, e->now.wall_ms - PAGE_REMEMBERED_MS, false);
}

/* Its URL does not work any more; where it leads back to is the new one's to say. */
static void
replace(struct pages *all, const struct id *about)
{
	for (struct page *p = all->by_challenge[bucket_of(about)]; p != NULL; p = p->challenge_next) {
		if (id_equal(&p->challenge, about) && !p->used) {
			p->used = true;
			free(p->return_url);
			p->return_url = NULL;
		}
	}
}

static size_t
url_write(const struct engine *e, const struct page *p, char url[PAGE_URL_MAX])
{
	static const char places[] = {[PAGE_STEP] = 'c', [PAGE_ENROL] = 'e'};
	char token[32];
	int n;

	token[base32_encode(p->token.b, sizeof(p->token.b), token)] = '\0';
	n = snprintf(url, PAGE_URL_MAX, "%s/%c/%s", e->rules->config->public_url, places[p->kind], token);
	CHECK(n > 0 && n < PAGE_URL_MAX);
	return (size_t)n;
}

size_t
page_new_of(struct engine *e, enum page_kind kind, const struct id *account, const struct id *about, int64_t expires_ms,
    struct view return_url, char url[PAGE_URL_MAX])
{
	struct pages *all = e->pages;
	struct page *p;

	replace(all, about);
	make_room(all, e->now.wall_ms);
	p = calloc(1, sizeof(*p));
	CHECK(p != NULL);
	secret_random(p->token.b, sizeof(p->token.b));
	p->kind = (uint8_t)kind;
	p->account = *account;
	p->challenge = *about;
	p->expires_ms = expires_ms;
	if (return_url.len > 0) {
		p->return_url = strndup(return_url.data, return_url.len);
		CHECK(p->return_url != NULL);
	}
	p->next = all->by_token[bucket_of(&p->token)];
	all->by_token[bucket_of(&p->token)] = p;
	p->challenge_next = all->by_challenge[bucket_of(about)];
	all->by_challenge[bucket_of(about)] = p;
	all->n++;
	return url_write(e, p, url);
}

size_t
page_new(struct engine *e, const struct id *account, const struct id *challenge, int64_t expires_ms,
    struct view return_url, char url[PAGE_URL_MAX])
{
	return page_new_of(e, PAGE_STEP, account, challenge, expires_ms, return_url, url);
}

static struct page *
find(struct engine *e, const struct id *token)
{
	for (struct page *p = e->pages->by_token[bucket_of(token)]; p != NULL; p = p->next) {
		if (secret_equal(p->token.b, token->b, sizeof(token->b)))
			return p;
	}
	return NULL;
}

struct page *
page_find(struct engine *e, struct view token)
{
	struct page *p;
	struct id id;

	if (!base32_decode(token, id.b, sizeof(id.b)))
		return NULL;
	p = find(e, &id);
	return p != NULL && !p->used && p->expires_ms > e->now.wall_ms ? p : NULL;
}

enum page_state
page_look(struct engine *e, enum page_kind kind, struct view token, struct page **page)
{
	struct page *p;
	struct id id;

	*page = NULL;
	if (!base32_decode(token, id.b, sizeof(id.b)))
		return PAGE_MALFORMED;
	p = find(e, &id);
	if (p == NULL || p->kind != kind || p->expires_ms + PAGE_REMEMBERED_MS <= e->now.wall_ms)
		return PAGE_UNKNOWN;
	*page = p;
	return p->used ? PAGE_USED : p->expires_ms <= e->now.wall_ms ? PAGE_EXPIRED : PAGE_OPEN;
}

const char *
page_state_name(enum page_state state)
{
	static const char *const names[] = {"open", "expired", "used", "unknown", "malformed"};

	return names[state];
}

bool
page_fits(const struct page *page, struct view cookie)
{
	uint8_t given[sizeof(page->cookie)];
	bool fits = page->bound && base32_decode(cookie, given, sizeof(given)) &&
	    secret_equal(given, page->cookie, sizeof(given));

	secret_wipe(given, sizeof(given));
	return fits;
}

void
page_end(struct page *page)
{
	page->used = true;
}

struct page *
page_of_challenge(struct engine *e, const struct id *challenge)
{
	for (struct page *p = e->pages->by_challenge[bucket_of(challenge)]; p != NULL; p = p->challenge_next) {
		if (id_equal(&p->challenge, challenge))
			return p;
	}
	return NULL;
}
