/* SPDX-License-Identifier: Apache-2.0 */
/* The table of step-up pages. */
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

static void
sweep(struct pages *all, int64_t now_ms)
{
	for (size_t i = 0; i < PAGE_BUCKETS; i++) {
		for (struct page *p = all->by_token[i], *next; p != NULL; p = next) {
			next = p->next;
			if (p->expires_ms <= now_ms)
				unlink_page(all, p);
		}
	}
}

void
pages_tick(struct engine *e)
{
	struct pages *all = e->pages;

	/* A sweep walks all buckets: once in ten seconds is soon enough for what is refused by its time anyway. */
	if (all->n == 0 || e->now.boot_ms - all->swept_ms < 10000)
		return;
	all->swept_ms = e->now.boot_ms;
	sweep(all, e->now.wall_ms);
}

size_t
page_new(struct engine *e, const struct id *account, const struct id *challenge, int64_t expires_ms,
    struct view return_url, char url[PAGE_URL_MAX])
{
	struct pages *all = e->pages;
	struct page *p;
	char token[32];
	int n;

	for (p = all->by_challenge[bucket_of(challenge)]; p != NULL; p = p->challenge_next) {
		if (id_equal(&p->challenge, challenge)) {
			unlink_page(all, p);
			break;
		}
	}
	if (all->n >= PAGES_MAX)
		sweep(all, INT64_MAX);   /* whoever waits on one of these asks again */
	p = calloc(1, sizeof(*p));
	CHECK(p != NULL);
	secret_random(p->token.b, sizeof(p->token.b));
	p->account = *account;
	p->challenge = *challenge;
	p->expires_ms = expires_ms;
	if (return_url.len > 0) {
		p->return_url = strndup(return_url.data, return_url.len);
		CHECK(p->return_url != NULL);
	}
	p->next = all->by_token[bucket_of(&p->token)];
	all->by_token[bucket_of(&p->token)] = p;
	p->challenge_next = all->by_challenge[bucket_of(challenge)];
	all->by_challenge[bucket_of(challenge)] = p;
	all->n++;
	token[base32_encode(p->token.b, sizeof(p->token.b), token)] = '\0';
	n = snprintf(url, PAGE_URL_MAX, "%s/c/%s", e->rules->config->public_url, token);
	CHECK(n > 0 && n < PAGE_URL_MAX);
	return (size_t)n;
}

struct page *
page_find(struct engine *e, struct view token)
{
	struct id id;

	if (!base32_decode(token, id.b, sizeof(id.b)))
		return NULL;
	for (struct page *p = e->pages->by_token[bucket_of(&id)]; p != NULL; p = p->next) {
		if (secret_equal(p->token.b, id.b, sizeof(id.b)))
			return p->expires_ms > e->now.wall_ms ? p : NULL;
	}
	return NULL;
}
