/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the owners' pages: few beside the accounts, so one list. */
#include "broker/engine/view.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/ids.h"

struct views {
	struct owner_view *first;
	size_t n;
	int64_t swept_ms;
};

static const char *const news_names[VIEW_NEWS__COUNT] = {"none", "lowered", "raised", "raise_waits", "unchanged", "unlinked",
    "stopped", "resumed", "revoked", "denied"};

const char *
view_news_name(enum view_news news)
{
	CHECK((unsigned)news < VIEW_NEWS__COUNT);
	return news_names[news];
}

struct views *
views_new(void)
{
	struct views *all = calloc(1, sizeof(*all));

	CHECK(all != NULL);
	return all;
}

static void
unlink_view(struct views *all, struct owner_view **at)
{
	struct owner_view *v = *at;

	*at = v->next;
	all->n--;
	spending_free(v->spending);
	free(v->return_url);
	secret_wipe(v, sizeof(*v));
	free(v);
}

void
views_free(struct views *all)
{
	while (all->first != NULL)
		unlink_view(all, &all->first);
	free(all);
}

/* Idle or old, by the clock that never steps back. */
static bool
timed_out(const struct owner_view *v, const struct engine *e)
{
	return e->now.boot_ms - v->used_boot_ms > VIEW_IDLE_MS || e->now.boot_ms - v->opened_boot_ms > VIEW_MAX_MS;
}

static void
sweep(struct engine *e)
{
	struct views *all = e->views;

	for (struct owner_view **at = &all->first; *at != NULL;) {
		if (timed_out(*at, e))
			view_end(*at);
		if ((*at)->over && e->now.boot_ms - (*at)->opened_boot_ms > VIEW_REMEMBERED_MS)
			unlink_view(all, at);
		else
			at = &(*at)->next;
	}
}

void
views_tick(struct engine *e)
{
	/* What is over is refused by its time anyway. */
	if (e->views->n == 0 || e->now.boot_ms - e->views->swept_ms < 10000)
		return;
	e->views->swept_ms = e->now.boot_ms;
	sweep(e);
}

/* Room for one more: of those that are over, the one opened first goes. */
static bool
make_room(struct engine *e)
{
	struct views *all = e->views;
	struct owner_view **oldest = NULL;

	if (all->n < VIEWS_MAX)
		return true;
	sweep(e);
	for (struct owner_view **at = &all->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->over && (oldest == NULL || (*at)->opened_boot_ms < (*oldest)->opened_boot_ms))
			oldest = at;
	}
	if (oldest != NULL)
		unlink_view(all, oldest);
	return all->n < VIEWS_MAX;
}

struct owner_view *
view_open(struct engine *e, const struct page *page, uint64_t service, const uint32_t *factors, int64_t opened_ms)
{
	struct owner_view *v;

	if (!make_room(e))
		return NULL;
	v = calloc(1, sizeof(*v));
	CHECK(v != NULL);
	v->token = page->token;
	v->account = page->account;
	v->service = service;
	memcpy(v->cookie, page->cookie, sizeof(v->cookie));
	memcpy(v->factors, factors, sizeof(v->factors));
	if (page->return_url != NULL) {
		v->return_url = strdup(page->return_url);
		CHECK(v->return_url != NULL);
	}
	v->opened_ms = opened_ms;
	v->opened_boot_ms = v->used_boot_ms = e->now.boot_ms;
	v->next = e->views->first;
	e->views->first = v;
	e->views->n++;
	return v;
}

struct owner_view *
view_find(struct engine *e, struct view token, struct view cookie)
{
	struct id id;
	uint8_t given[sizeof(((struct owner_view *)0)->cookie)];

	if (!base32_decode(token, id.b, sizeof(id.b)) || !base32_decode(cookie, given, sizeof(given)))
		return NULL;
	for (struct owner_view *v = e->views->first; v != NULL; v = v->next) {
		if (!secret_equal(v->token.b, id.b, sizeof(id.b)) || !secret_equal(v->cookie, given, sizeof(given)))
			continue;
		if (timed_out(v, e))
			view_end(v);
		return v;
	}
	return NULL;
}

void
view_end(struct owner_view *v)
{
	v->over = true;
	spending_free(v->spending);
	v->spending = NULL;
}

bool
view_stands(const struct owner_view *v, const struct account *a)
{
	/* "Not me" of the whole account and a newly linked ID end what was begun before them. */
	if (v->over || a->status != ACCOUNT_OPEN || a->sessions_since_ms >= v->opened_ms)
		return false;
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == 0 && a->freezes[i].author != AUTHOR_USER)
			return false;
	}
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX && v->factors[i] != 0; i++) {
		const struct factor *f = account_factor_by_no(a, v->factors[i]);

		if (f == NULL || factor_gone(a, f, a->time_ms))
			return false;
	}
	return true;
}

struct view_pending *
view_wait(struct owner_view *v, enum op op, uint32_t link_no)
{
	struct view_pending *to = &v->pending[0];

	/* The same again, else a free place, else the first: its challenge can still be answered, and is not redeemed here. */
	for (size_t i = VIEW_PENDING_MAX; i > 0; i--) {
		if (v->pending[i - 1].op == OP_NONE)
			to = &v->pending[i - 1];
	}
	for (size_t i = 0; i < VIEW_PENDING_MAX; i++) {
		if (v->pending[i].op == op && v->pending[i].link_no == link_no)
			to = &v->pending[i];
	}
	*to = (struct view_pending){.op = (uint8_t)op, .link_no = link_no};
	return to;
}

struct hash
view_content(const struct engine *e, const struct account *a, uint64_t service)
{
	struct view parts[] = {VIEW("view"), view_of(&service, sizeof(service)), view_of(a->key.b, sizeof(a->key.b))};
	struct hash content;

	keyring_digest(e->keys, DIGEST_CONTENT, parts, 3, &content);
	return content;
}
