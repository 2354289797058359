/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods Internal.View* share: whose page it is, and the caller that they stand for. */
#ifndef CS_ENGINE_VIEW_CALL_H
#define CS_ENGINE_VIEW_CALL_H

#include "broker/engine/call.h"
#include "broker/engine/txn.h"
#include "broker/engine/view.h"

enum { VIEW_REQUEST_MAX = 512 };

/* In the memory of each of these calls; what a method needs itself comes behind it. */
struct view_call {
	struct view token, cookie, link_text;
	struct id key, link;
};

#define VIEW_CALL_FIELDS \
	{"token", JSON_F_STRING, true, offsetof(struct view_call, token), 0, 0}, \
	{"cookie", JSON_F_STRING, true, offsetof(struct view_call, cookie), 0, 0}

/*
 * Binds the call, finds the view, and makes the call its service's. Where there is no such view, or it is over, the call is
 * answered: NotFound, "page" or "view". size: of the call's own memory, which begins with a view_call.
 */
bool view_call_bind(struct call *call, const struct json_field *fields, size_t size);
void view_call_run(struct call *call, txn_fn *fn);
/* The view, inside fn: it may have gone meanwhile, or the account has ended it. NULL: the call is answered. */
struct owner_view *view_call_here(struct call *call, const struct account *a);
/* The link that the call names (linked or not any more); NULL: NotFound was answered. */
const struct link *view_call_link(struct call *call, const struct account *a);
/* From here on the call is the service's through which the page was opened. False: there is no such service any more. */
bool view_call_as(struct call *call, uint64_t service);
/* A success that says no more than that the page is to be shown again, with its news. */
void view_call_done(struct call *call);
/* The address of the page, for challenges that lead back to it. */
size_t view_url(const struct engine *e, const struct owner_view *v, char url[PAGE_URL_MAX]);

#endif
