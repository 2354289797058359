/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods, sorted by name. A test holds it against the .varlink files. */
#include "broker/engine/api.h"

static const struct method methods[] = {
	{"org.countersign.Accounts.Close", accounts_close, FOR_SERVICE, RIGHT_ENROL, false},
	{"org.countersign.Accounts.Get", accounts_get, FOR_SERVICE, RIGHT_LOOKUP, false},
	{"org.countersign.Accounts.ReportNotMe", accounts_report_not_me, FOR_SERVICE, 0, false},
	{"org.countersign.Accounts.View", accounts_view, FOR_SERVICE, RIGHT_LINK, false},
	{"org.countersign.Admin.Account", admin_account, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Events", admin_events, FOR_ADMIN, 0, true},
	{"org.countersign.Admin.Explain", admin_explain, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Factor", admin_factor, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Freeze", admin_freeze, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Link", admin_link, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Log", admin_log, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Payees", admin_payees, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Providers", admin_providers, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.RekeyLink", admin_rekey_link, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.RekeyLinks", admin_rekey_links, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.RekeyProvider", admin_rekey_provider, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Reload", admin_reload, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.SetLimit", admin_set_limit, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Signals", admin_signals, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Status", admin_status, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Store", admin_store, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.StoreForget", admin_store_forget, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.StoreRelease", admin_store_release, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Stream", admin_stream, FOR_ADMIN, 0, false},
	{"org.countersign.Admin.Thaw", admin_thaw, FOR_ADMIN, 0, false},
	{"org.countersign.Allowances.Grant", allowances_grant, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Allowances.List", allowances_list, FOR_SERVICE, 0, false},
	{"org.countersign.Allowances.Revoke", allowances_revoke, FOR_SERVICE, 0, false},
	{"org.countersign.Events.Watch", events_watch, FOR_SERVICE, 0, true},
	{"org.countersign.Factors.Begin", factors_begin, FOR_SERVICE, RIGHT_ENROL, false},
	{"org.countersign.Factors.Finish", factors_finish, FOR_SERVICE, RIGHT_ENROL, false},
	{"org.countersign.Factors.List", factors_list, FOR_SERVICE, 0, false},
	{"org.countersign.Factors.Remove", factors_remove, FOR_SERVICE, RIGHT_ENROL, false},
	{"org.countersign.Factors.Unlock", factors_unlock, FOR_SERVICE, RIGHT_ENROL, false},
	{"org.countersign.Internal.BrowserCallback", internal_browser_callback, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.BrowserStart", internal_browser_start, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.DeviceAnswer", internal_device_answer, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.DeviceOpen", internal_device_open, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.DeviceRefuse", internal_device_refuse, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.EnrolAnswer", internal_enrol_answer, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.EnrolOpen", internal_enrol_open, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.EnrolProbe", internal_enrol_probe, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.EnrolRefuse", internal_enrol_refuse, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.Forward", internal_forward, FOR_GATEWAY, 0, true},
	{"org.countersign.Internal.Health", internal_health, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.Keys", internal_keys, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.PageBegin", internal_page_begin, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.PageOpen", internal_page_open, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.PageProbe", internal_page_probe, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.PageRefuse", internal_page_refuse, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.PageRespond", internal_page_respond, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.SignalPush", internal_signal_push, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewClose", internal_view_close, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewGet", internal_view_get, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewHistory", internal_view_history, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewLimit", internal_view_limit, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewNotMe", internal_view_not_me, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewResume", internal_view_resume, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewRevoke", internal_view_revoke, FOR_GATEWAY, 0, false},
	{"org.countersign.Internal.ViewUnlink", internal_view_unlink, FOR_GATEWAY, 0, false},
	{"org.countersign.Limits.Get", limits_get, FOR_SERVICE, 0, false},
	{"org.countersign.Limits.Set", limits_set, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Links.Attest", links_attest, FOR_SERVICE, RIGHT_LINK, false},
	{"org.countersign.Links.Begin", links_begin, FOR_SERVICE, RIGHT_LINK, false},
	{"org.countersign.Links.Complete", links_complete, FOR_SERVICE, RIGHT_LINK, false},
	{"org.countersign.Links.Get", links_get, FOR_SERVICE, 0, false},
	{"org.countersign.Links.List", links_list, FOR_SERVICE, RIGHT_LOOKUP, false},
	{"org.countersign.Links.Remove", links_remove, FOR_SERVICE, RIGHT_LINK, false},
	{"org.countersign.Links.Resume", links_resume, FOR_SERVICE, RIGHT_LINK, false},
	{"org.countersign.Links.Suspend", links_suspend, FOR_SERVICE, 0, false},
	{"org.countersign.Lookup.ByAccount", lookup_by_account, FOR_SERVICE | FOR_ADMIN, RIGHT_LOOKUP, false},
	{"org.countersign.Lookup.BySubject", lookup_by_subject, FOR_SERVICE | FOR_ADMIN, RIGHT_LOOKUP, false},
	{"org.countersign.Payments.Authorize", payments_authorize, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Payments.Capture", payments_capture, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Payments.Evaluate", payments_evaluate, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Payments.Get", payments_get, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Payments.Refund", payments_refund, FOR_SERVICE, RIGHT_REFUND, false},
	{"org.countersign.Payments.Release", payments_release, FOR_SERVICE, RIGHT_SPEND, false},
	{"org.countersign.Receiver.Create", receiver_create, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Delete", receiver_delete, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Get", receiver_get, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Poll", receiver_poll, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Replace", receiver_replace, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.SetStatus", receiver_set_status, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Status", receiver_status, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Update", receiver_update, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Receiver.Verify", receiver_verify, FOR_SERVICE, RIGHT_SIGNALS, false},
	{"org.countersign.Sessions.Begin", sessions_begin, FOR_SERVICE, 0, false},
	{"org.countersign.Sessions.Close", sessions_close, FOR_SERVICE, 0, false},
	{"org.countersign.Sessions.Open", sessions_open, FOR_SERVICE, 0, false},
	{"org.countersign.Sessions.Take", sessions_take, FOR_SERVICE, 0, false},
	{"org.countersign.StepUp.Begin", stepup_begin, FOR_SERVICE, RIGHT_RESPOND, false},
	{"org.countersign.StepUp.Get", stepup_get, FOR_SERVICE, RIGHT_RESPOND, false},
	{"org.countersign.StepUp.Refuse", stepup_refuse, FOR_SERVICE, RIGHT_RESPOND, false},
	{"org.countersign.StepUp.Respond", stepup_respond, FOR_SERVICE, RIGHT_RESPOND, false},
	{"org.countersign.StepUp.Watch", stepup_watch, FOR_SERVICE, 0, true},
	{"org.countersign.Whoami", whoami, FOR_ANYONE, 0, false},
	{"org.varlink.service.GetInfo", service_get_info, FOR_ANYONE, 0, false},
	{"org.varlink.service.GetInterfaceDescription", service_get_description, FOR_ANYONE, 0, false},
};

enum { METHODS_N = sizeof(methods) / sizeof(methods[0]) };

const struct method *
method_at(size_t i)
{
	return i < METHODS_N ? &methods[i] : NULL;
}

static int
compare(struct view name, const char *with)
{
	size_t len = strlen(with), n = name.len < len ? name.len : len;
	int order = memcmp(name.data, with, n);

	if (order != 0)
		return order;
	return name.len < len ? -1 : name.len > len;
}

const struct method *
method_find(struct view name)
{
	size_t low = 0, high = METHODS_N;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = compare(name, methods[mid].name);

		if (order == 0)
			return &methods[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
