/* SPDX-License-Identifier: Apache-2.0 */
/* The methods: one table (methods.c), one function each, in one file an interface. */
#ifndef CS_ENGINE_API_H
#define CS_ENGINE_API_H

#include "broker/engine/call.h"

/* Who may call a method at all. */
enum method_for {
	FOR_SERVICE = 1 << 0,
	FOR_ADMIN = 1 << 1,
	FOR_GATEWAY = 1 << 2,   /* on its own behalf: pages, callbacks */
	FOR_ANYONE = FOR_SERVICE | FOR_ADMIN | FOR_GATEWAY | 1 << 3,
};

struct method {
	const char *name;
	void (*handle)(struct call *call);
	uint8_t who;
	uint32_t right;         /* enum right that a service needs; 0: none */
	bool more;              /* may be called with more */
};

/* NULL where there is none. */
const struct method *method_find(struct view name);
const struct method *method_at(size_t i);   /* NULL beyond the last */

/* The text of an interface, as installed; NULL where there is none. */
struct interface {
	const char *name;
	const char *text;
};
const struct interface *interface_at(size_t i);

/* service.c: org.varlink.service, org.countersign */
void service_get_info(struct call *call);
void service_get_description(struct call *call);
void whoami(struct call *call);
/* payments.c */
void payments_authorize(struct call *call);
void payments_evaluate(struct call *call);
void payments_capture(struct call *call);
void payments_release(struct call *call);
void payments_refund(struct call *call);
void receiver_create(struct call *call);
void receiver_delete(struct call *call);
void receiver_get(struct call *call);
void receiver_poll(struct call *call);
void receiver_replace(struct call *call);
void receiver_set_status(struct call *call);
void receiver_status(struct call *call);
void receiver_update(struct call *call);
void receiver_verify(struct call *call);
void payments_get(struct call *call);
/* links.c */
void links_attest(struct call *call);   /* evidence.c */
void links_begin(struct call *call);
void links_complete(struct call *call);
void links_get(struct call *call);
void links_list(struct call *call);
void links_suspend(struct call *call);
void links_resume(struct call *call);
void links_remove(struct call *call);
/* sessions.c */
void sessions_begin(struct call *call);
void sessions_open(struct call *call);
void sessions_take(struct call *call);
void sessions_close(struct call *call);
/* stepup.c */
void stepup_begin(struct call *call);
void stepup_get(struct call *call);
void stepup_respond(struct call *call);
void stepup_refuse(struct call *call);
void stepup_watch(struct call *call);
/* factors.c */
void factors_begin(struct call *call);
void factors_finish(struct call *call);
void factors_list(struct call *call);
void factors_remove(struct call *call);
void factors_unlock(struct call *call);
/* allowances.c */
void allowances_grant(struct call *call);
void allowances_list(struct call *call);
void allowances_revoke(struct call *call);
/* limits_api.c */
void limits_get(struct call *call);
void limits_set(struct call *call);
/* lookup.c */
void lookup_by_subject(struct call *call);
void lookup_by_account(struct call *call);
/* accounts.c */
void accounts_get(struct call *call);
void accounts_report_not_me(struct call *call);
void accounts_close(struct call *call);
void accounts_view(struct call *call);
/* admin_log.c */
void admin_log(struct call *call);
void admin_payees(struct call *call);

/* events.c */
void events_watch(struct call *call);
void admin_events(struct call *call);
/* admin.c */
void admin_status(struct call *call);
void admin_providers(struct call *call);
void admin_freeze(struct call *call);
void admin_thaw(struct call *call);
void admin_set_limit(struct call *call);
void admin_explain(struct call *call);
void admin_account(struct call *call);
void admin_link(struct call *call);
void admin_factor(struct call *call);
/* rekey.c, rekey_provider.c */
void admin_rekey_link(struct call *call);
void admin_rekey_links(struct call *call);
void admin_rekey_provider(struct call *call);
void admin_reload(struct call *call);
/* admin_store.c */
void admin_store(struct call *call);
void admin_store_forget(struct call *call);
void admin_store_release(struct call *call);
/* admin_signals.c */
void admin_signals(struct call *call);
void admin_stream(struct call *call);
/* internal.c */
void internal_forward(struct call *call);
void internal_keys(struct call *call);
void internal_health(struct call *call);
/* signal_push.c */
void internal_signal_push(struct call *call);
/* browser.c */
void internal_browser_start(struct call *call);
void internal_enrol_answer(struct call *call);
void internal_enrol_open(struct call *call);
void internal_enrol_probe(struct call *call);
void internal_enrol_refuse(struct call *call);
void internal_browser_callback(struct call *call);
/* page.c */
void internal_page_probe(struct call *call);
void internal_page_begin(struct call *call);
void internal_page_open(struct call *call);
void internal_page_respond(struct call *call);
void internal_page_refuse(struct call *call);
/* device_api.c */
void internal_device_answer(struct call *call);
void internal_device_open(struct call *call);
void internal_device_refuse(struct call *call);
/* view_api.c, view_acts.c, view_history.c */
void internal_view_get(struct call *call);
void internal_view_close(struct call *call);
void internal_view_limit(struct call *call);
void internal_view_unlink(struct call *call);
void internal_view_not_me(struct call *call);
void internal_view_revoke(struct call *call);
void internal_view_resume(struct call *call);
void internal_view_history(struct call *call);

#endif
