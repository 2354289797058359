/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's page of linked IDs. A countersignature of type view, given on a step-up page, opens it for that page's token
 * and that browser's cookie: for VIEW_IDLE_MS without a request and VIEW_MAX_MS in all. It is in memory only, so a restart
 * ends it; so does whatever ends the account's sessions, an admin's freeze, and the loss of a factor that opened it.
 *
 * It shows, and narrows; it widens nothing. A raise and a thaw open challenges of their own, whose pages lead back here,
 * and are carried out here once they are countersigned (view_pending).
 */
#ifndef CS_ENGINE_VIEW_H
#define CS_ENGINE_VIEW_H

#include "broker/engine/page.h"
#include "broker/engine/spending.h"
#include "broker/engine/stopped.h"

enum {
	VIEW_IDLE_MS = 10 * 60 * 1000,
	VIEW_MAX_MS = 30 * 60 * 1000,
	VIEW_REMEMBERED_MS = 60 * 60 * 1000, /* that it was there: whose browser comes back is told that it is over */
	VIEWS_MAX = 4096,                    /* what thousands of owners need at once; more are refused, none is pushed out */
	VIEW_PENDING_MAX = 8,                /* as many as an account has challenges */
};

/* What waits for its countersignature. */
struct view_pending {
	uint8_t op;                /* OP_LIMIT, OP_THAW; OP_NONE: nothing */
	uint32_t link_no;          /* 0: the account */
	struct id challenge;
	struct limit to;           /* of OP_LIMIT */
};

/* What the page says when it is next shown, once. */
enum view_news {
	VIEW_NEWS_NONE,
	VIEW_NEWS_LOWERED,
	VIEW_NEWS_RAISED,
	VIEW_NEWS_RAISE_WAITS,
	VIEW_NEWS_UNCHANGED,
	VIEW_NEWS_UNLINKED,
	VIEW_NEWS_STOPPED,
	VIEW_NEWS_RESUMED,
	VIEW_NEWS_REVOKED,
	VIEW_NEWS_DENIED,          /* with the reason */
	VIEW_NEWS__COUNT
};

const char *view_news_name(enum view_news news);

struct owner_view {
	struct id token;           /* the page's */
	uint8_t cookie[16];
	struct id account;
	uint64_t service;
	uint32_t factors[CHALLENGE_FACTORS_MAX]; /* that opened it */
	char *return_url;          /* NULL: none */
	int64_t opened_ms;         /* in the account's time */
	int64_t opened_boot_ms, used_boot_ms;
	bool over;
	uint8_t news, reason;      /* enum view_news; enum reason */
	uint32_t news_link_no;
	struct view_pending pending[VIEW_PENDING_MAX];
	struct stopped stopped;    /* by a "not me" on this page: said until it closes */
	struct spending *spending; /* or NULL: not looked at yet */
	struct owner_view *next;
};

struct views *views_new(void);
void views_free(struct views *all);
/* Opens the page's view, after its event is durable; NULL where there are too many. `factors`: those that opened it. */
struct owner_view *view_open(struct engine *e, const struct page *page, uint64_t service, const uint32_t *factors,
    int64_t opened_ms);
/* The one of this token, if the cookie is its browser's; `over` ones too. Else NULL. */
struct owner_view *view_find(struct engine *e, struct view token, struct view cookie);
/* Ends it; that it was there is remembered. */
void view_end(struct owner_view *v);
/* Whether nothing has happened to the account that ends the view. */
bool view_stands(const struct owner_view *v, const struct account *a);
/* Notes what waits for this challenge; of the same link and operation only the newest waits. */
struct view_pending *view_wait(struct owner_view *v, enum op op, uint32_t link_no);
/* Forgets what is over for long. */
void views_tick(struct engine *e);

/* What the countersignature that opens it is for: this service's page of this account. */
struct hash view_content(const struct engine *e, const struct account *a, uint64_t service);

#endif
