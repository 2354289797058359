/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every outcome has one of these reasons. Stable names, which services may rely on, with a sentence for the user in
 * English and Chinese. One table gives the enum, the names, the documentation and the test.
 */
#ifndef CS_CORE_REASON_H
#define CS_CORE_REASON_H

#include "broker/core/types.h"

/* X(enum, name, outcome, English, Chinese) */
#define REASONS(X) \
	X(NONE, "none", DENY, "Nothing was decided.", "尚未作出决定。") \
	/* permit */ \
	X(COUNTERSIGNED, "countersigned", PERMIT, "You confirmed this.", "您已确认此操作。") \
	X(ALLOWANCE, "allowance", PERMIT, "Covered by your standing permission.", "在您授权的额度内。") \
	X(MANDATE, "mandate", PERMIT, "Covered by your mandate.", "在您签署的代扣协议内。") \
	X(FIRST_FACTOR, "first_factor", PERMIT, "The first factor of this account.", "此账户的首个验证方式。") \
	X(NARROWS, "narrows", PERMIT, "This takes power away and needs no factor.", "此操作收窄权限，无需验证。") \
	/* step_up */ \
	X(COUNTERSIGNATURE_REQUIRED, "countersignature_required", STEP_UP, "Please confirm.", "请确认此操作。") \
	X(STRONGER_FACTOR_REQUIRED, "stronger_factor_required", STEP_UP, "Please confirm with a stronger factor.", \
	    "请使用更强的验证方式确认。") \
	X(NEW_SESSION, "new_session", STEP_UP, "This sign-in is new: please confirm once.", "这是新的登录，请先确认一次。") \
	/* deny: rule 1 */ \
	X(SERVICE_RIGHT, "service_right", DENY, "This service may not do that.", "该服务无权执行此操作。") \
	/* rule 2 */ \
	X(ACCOUNT_UNKNOWN, "account_unknown", DENY, "There is no such account.", "账户不存在。") \
	X(ACCOUNT_CLOSED, "account_closed", DENY, "The account is closed.", "账户已关闭。") \
	X(ACCOUNT_FROZEN, "account_frozen", DENY, "The account is frozen.", "账户已冻结。") \
	X(BROKER_FROZEN, "broker_frozen", DENY, "Payments are stopped for now.", "支付暂停中。") \
	/* rule 3 */ \
	X(PROVIDER_DISABLED, "provider_disabled", DENY, "This ID can no longer be used here.", "此登录方式已停用。") \
	X(PROVIDER_CHANGED, "provider_changed", DENY, "This ID's provider is being checked.", "此登录方式正在核查。") \
	X(PROVIDER_FROZEN, "provider_frozen", DENY, "Payments through this ID are stopped.", "通过此登录方式的支付已暂停。") \
	X(PROVIDER_STALE, "provider_stale", DENY, "Please try again in a moment.", "请稍后再试。") \
	/* rule 4 */ \
	X(LINK_UNKNOWN, "link_unknown", DENY, "This ID is not linked.", "此登录方式未绑定。") \
	X(LINK_SUSPENDED, "link_suspended", DENY, "This linked ID is suspended.", "此绑定已停用。") \
	X(LINK_COOLING_OFF, "link_cooling_off", DENY, "This ID was linked only recently.", "此绑定尚在冷静期内。") \
	X(LINK_REVOKED, "link_revoked", DENY, "This ID was unlinked.", "此绑定已解除。") \
	X(LINK_TAKEN, "link_taken", DENY, "This ID cannot be linked.", "此登录方式无法绑定。") \
	/* rule 5 */ \
	X(SESSION_INVALID, "session_invalid", DENY, "Please sign in again.", "请重新登录。") \
	X(SESSION_EXPIRED, "session_expired", DENY, "Please sign in again.", "登录已过期，请重新登录。") \
	X(SESSION_REVOKED, "session_revoked", DENY, "Please sign in again.", "登录已失效，请重新登录。") \
	/* rule 7 */ \
	X(PAYMENT_MISMATCH, "payment_mismatch", DENY, "This payment was changed.", "支付内容已被更改。") \
	/* rule 8 */ \
	X(LIMIT_PAYMENT, "limit_payment", DENY, "Above the limit for one payment.", "超出单笔限额。") \
	X(LIMIT_DAY, "limit_day", DENY, "Above the limit for one day.", "超出单日限额。") \
	X(LIMIT_MONTH, "limit_month", DENY, "Above the limit for one month.", "超出单月限额。") \
	X(LIMIT_COUNT, "limit_count", DENY, "Too many payments.", "支付次数过多。") \
	X(LIMIT_UNDEFINED, "limit_undefined", DENY, "This currency is not allowed.", "不支持该币种。") \
	X(DRAIN_SUSPECTED, "drain_suspected", DENY, "Stopped: this looks like theft.", "疑似盗刷，已阻止。") \
	/* rule 9 */ \
	X(STACK, "stack", DENY, "The service's policy does not allow this.", "服务策略不允许。") \
	/* rules 10 to 12 */ \
	X(FACTOR_LOCKED, "factor_locked", DENY, "Too many wrong answers: please wait.", "错误次数过多，请稍候。") \
	X(FACTOR_COOLING_OFF, "factor_cooling_off", DENY, "Your factor was added only recently.", "验证方式尚在冷静期内。") \
	X(FACTOR_REJECTED, "factor_rejected", DENY, "That was not right.", "验证未通过。") \
	X(FACTOR_EXISTS, "factor_exists", DENY, "The first factor was enrolled already.", "已登记过首个验证方式。") \
	X(NO_INDEPENDENT_FACTOR, "no_independent_factor", DENY, "No factor of yours is independent of this ID.", \
	    "没有独立于此登录方式的验证方式。") \
	X(PROMPT_BUDGET, "prompt_budget", DENY, "Too many requests to confirm.", "确认请求过多。") \
	X(CHALLENGE_REFUSED, "challenge_refused", DENY, "You refused this.", "您已拒绝此操作。") \
	X(CHALLENGE_EXPIRED, "challenge_expired", DENY, "The time to confirm is over.", "确认已超时。") \
	X(ALLOWANCE_EXHAUSTED, "allowance_exhausted", DENY, "Your mandate does not cover this.", "超出代扣协议范围。") \
	/* holds */ \
	X(HOLD_EXPIRED, "hold_expired", DENY, "The reservation has expired.", "预留已过期。") \
	X(HOLD_RELEASED, "hold_released", DENY, "The reservation was given back.", "预留已释放。") \
	/* the broker itself */ \
	X(FULL, "full", DENY, "Too much is open on this account.", "此账户未完成的操作过多。") \
	X(CLOCK, "clock", DENY, "Please try again in a moment.", "请稍后再试。") \
	X(UNAVAILABLE, "unavailable", DENY, "Please try again in a moment.", "服务暂不可用，请稍后再试。") \
	/* what was done, in events that are not decisions of a payment */ \
	X(ASKED, "asked", PERMIT, "Done as asked.", "已按要求完成。") \
	X(NOT_ME, "not_me", PERMIT, "Stopped: this was not you.", "已停止：非您本人操作。") \
	X(EXPIRED, "expired", PERMIT, "Its time was over.", "已到期。") \
	/* rule 9, lines of the stack; here because the numbers are stored and only grow at their end */ \
	X(PAYEE_NOT_LISTED, "payee_not_listed", DENY, "This payee is not allowed here.", "不支持向该收款方付款。") \
	X(SERVICE_NOT_LISTED, "service_not_listed", DENY, "This service may not ask for that.", "该服务不能发起此操作。") \
	X(OUTSIDE_HOURS, "outside_hours", DENY, "Not at this time of day.", "当前时段不可用。") \
	X(ACCOUNT_TOO_NEW, "account_too_new", DENY, "The account or the linked ID is too new for this.", \
	    "账户或绑定时间过短。") \
	X(ACCOUNT_FACTORS, "account_factors", DENY, "The account lacks a factor that this needs.", "账户缺少所需的验证方式。") \
	X(LIMIT_YEAR, "limit_year", DENY, "Above the limit for one year.", "超出年度限额。") \
	X(LIMIT_TOTAL, "limit_total", DENY, "Above the limit in all.", "超出累计限额。") \
	X(LIMIT_24H, "limit_24h", DENY, "Above the limit for 24 hours.", "超出 24 小时限额。") \
	X(LIMIT_STEPUP, "limit_stepup", DENY, "Above the limit since you last confirmed a payment.", \
	    "超出上次确认以来的限额。") \
	X(LIMIT_FIRST_USE, "limit_first_use", DENY, "Above the limit for a new payee.", "超出向新收款方付款的限额。") \
	X(RISK_HIGH, "risk_high", DENY, "Stopped: the risk is too high.", "风险过高，已阻止。") \
	X(RISK_UNAVAILABLE, "risk_unavailable", DENY, "Please try again in a moment.", "请稍后再试。") \
	/* security events of providers */ \
	X(SIGNALLED, "signalled", PERMIT, "Stopped: your ID's provider warned of it.", "已停止：登录方式的提供方发出了安全警告。") \
	X(ALLOWANCE_PAUSED, "allowance_paused", STEP_UP, \
	    "Your ID's provider sent a security warning: please confirm.", "登录方式的提供方发出了安全警告，请确认。") \
	X(MANDATE_PAUSED, "mandate_paused", DENY, \
	    "Your mandate is paused: sign in again and confirm a payment.", "代扣协议已暂停：请重新登录并确认一笔支付。") \
	X(ASSURANCE_MISSING, "assurance_missing", DENY, "What is known of this ID is not enough for this.", \
	    "此登录方式的身份核验不足。") \
	X(ASSURANCE_LOWERED, "assurance_lowered", DENY, "What was verified of this ID has changed: please verify it again.", \
	    "此登录方式的核验信息已变更，请重新核验。") \
	/* links whose subject goes by another name */ \
	X(REKEYED, "rekeyed", PERMIT, "Your linked ID was brought up to date.", "您绑定的登录方式已更新。") \
	X(REKEY_CLOSED, "rekey_closed", DENY, "This linked ID cannot be brought up to date now.", "此绑定暂时无法更新。")

enum reason {
#define X(id, name, outcome, en, zh) REASON_##id,
	REASONS(X)
#undef X
	REASON__COUNT
};

const char *reason_name(enum reason reason);
enum outcome reason_outcome(enum reason reason);
/* The sentence for the user, UTF-8. */
const char *reason_text_en(enum reason reason);
const char *reason_text_zh(enum reason reason);

#endif
