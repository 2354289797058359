/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a factor count against the provider. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/ctl/mend_internal.h"

/* "; and " between the parts of one mend. */
static void __attribute__((format(printf, 2, 3)))
add(char text[SENTENCE_MAX], const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	if (len > 0)
		len += (size_t)snprintf(text + len, SENTENCE_MAX - len, "; and ");
	va_start(ap, format);
	if (len < SENTENCE_MAX)
		(void)vsnprintf(text + len, SENTENCE_MAX - len, format, ap);
	va_end(ap);
}

/* The factor is enrolled before the others, so that it rests on none. */
static void
enrol_first(struct suppose *s, uint8_t kind)
{
	size_t at = 0;

	while (at < s->kinds_n && s->kinds[at] != kind)
		at++;
	memmove(s->kinds + 1, s->kinds, at);
	s->kinds[0] = kind;
}

/* What makes it count against the provider is, by itself, this. */
static bool
own_edge_is(const struct mend *m, const struct factor *f, enum edge_kind what)
{
	const struct asked asked = suppose_asked(m->s);
	struct edge edge;

	(void)factor_stands(&asked, &m->s->account, f, m->s->provider->tag, &edge, NULL);
	return edge.what == what && edge.factor_no == f->no;
}

/* A passkey may say better of itself; else it is the admin's word. */
static void
try_copies(const struct mend *m, const struct factor *f, char text[SENTENCE_MAX])
{
	const char *kind = factor_kind_name((enum factor_kind)f->kind), *provider = mend_provider(m);
	struct policy_provider *p = m->trial->provider;

	p->assume_kinds |= (uint8_t)(1 << f->kind);
	if (f->kind == FACTOR_WEBAUTHN || f->kind == FACTOR_APPROVE)
		add(text, "provider \"%s\" may hold copies of a user's %s unless it is bound to its device, or its maker vouches "
		    "for it; if you know better, write in its block: assume-independent %s", provider, kind, kind);
	else
		add(text, "provider \"%s\" may hold copies of a user's %s; if you know better, write in its block: "
		    "assume-independent %s", provider, kind, kind);
}

/*
 * What would make this factor of the account count against the provider; changed in the trial, too. What the provider
 * controls no word mends.
 */
static void
try_independent(const struct mend *m, const struct factor *f, char text[SENTENCE_MAX])
{
	struct trial *t = m->trial;
	const char *kind = factor_kind_name((enum factor_kind)f->kind), *provider = mend_provider(m);
	const struct factor *support = account_factor_by_no(&m->s->account, f->rests_on[0]);
	struct asked asked;
	bool assumed = false;

	if (t->policy.factors[f->kind].plugin == t->provider->plugin) {
		t->policy.factors[f->kind].plugin = ~t->provider->plugin;
		add(text, "%s and provider \"%s\" use the same plugin: give one of them another", kind, provider);
	}
	if (own_edge_is(m, f, EDGE_COPIES))
		try_copies(m, f, text);
	suppose_account(&t->s);
	asked = suppose_asked(&t->s);
	f = account_factor_by_no(&t->s.account, f->no);
	if (support != NULL && f != NULL && !factor_independent(&asked, &t->s.account, f, t->provider->tag, &assumed)) {
		enrol_first(&t->s, f->kind);
		add(text, "%s was enrolled with %s and rests on it: enrol %s first", kind,
		    factor_kind_name((enum factor_kind)support->kind), kind);
	}
}

static void
try_trusted(const struct mend *m, const struct factor *f, char text[SENTENCE_MAX])
{
	const char *kind = factor_kind_name((enum factor_kind)f->kind);
	struct policy *p = &m->trial->policy;
	const struct policy_limit *trusted = policy_limit(p->trusted, p->trusted_n, m->s->currency);
	char amount[AMOUNT_MAX];

	if (m->s->op != OP_SPEND || p->factors[f->kind].reverified || f->kind == FACTOR_RECOVERY ||
	    (trusted != NULL && m->s->amount_minor <= trusted->per_payment_minor))
		return;
	p->trusted_n = 1;
	p->trusted[0] = (struct policy_limit){.currency = m->s->currency, .per_payment_minor = m->s->amount_minor};
	add(text, "the broker cannot verify %s by itself: raise trusted-factor-limit to %s", kind,
	    mend_amount(m->s->amount_minor, m->s->currency, amount));
}

/* A factor of the account that does not count as it is, and would do with this changed. */
static bool
mend_held(const struct mend *m, const struct factor *f)
{
	const struct asked asked = suppose_asked(m->s);
	char text[SENTENCE_MAX] = "";
	bool assumed = false;

	trial_begin(m->trial, m->s);
	if (!factor_independent(&asked, &m->s->account, f, m->s->provider->tag, &assumed))
		try_independent(m, f, text);
	try_trusted(m, f, text);
	if (text[0] == '\0' || !trial_passes(m->trial))
		return false;
	mend_say(m, "%s", text);
	return true;
}

/* Each configured kind that the account lacks, and that would do alone. */
static bool
mend_other_factor(const struct mend *m)
{
	bool any = false;

	trial_begin(m->trial, m->s);
	for (uint8_t k = 0; k < FACTOR__COUNT; k++) {
		if (!m->s->rules->policy->factors[k].enabled || (mend_kinds_held(m->s) & 1 << k) != 0)
			continue;
		m->trial->s.kinds[0] = k;
		m->trial->s.kinds_n = 1;
		if (!trial_passes(m->trial))
			continue;
		mend_say(m, "an account with the factor %s passes: --factor %s", factor_kind_name((enum factor_kind)k),
		    factor_kind_name((enum factor_kind)k));
		any = true;
	}
	return any;
}

static uint8_t
kinds_configured(const struct suppose *s)
{
	uint8_t kinds = 0;

	for (int k = 0; k < FACTOR__COUNT; k++)
		if (s->rules->policy->factors[k].enabled)
			kinds |= (uint8_t)(1 << k);
	return kinds;
}

void
mend_factor(const struct mend *m)
{
	uint8_t wanted = m->compiled == NULL || m->compiled->rule != RULE_STEPUP || m->compiled->kinds == 0 ?
	    FACTOR_KINDS_ALL : m->compiled->kinds;
	char kinds[PLACE_MAX];
	bool any = false;

	for (size_t i = 0; m->s->provider != NULL && i < m->s->account.factors_n; i++)
		if ((wanted & 1 << m->s->account.factors[i].kind) != 0)
			any |= mend_held(m, &m->s->account.factors[i]);
	mend_kinds(wanted, kinds, sizeof(kinds));
	if (mend_other_factor(m))
		return;
	if (m->line != NULL && (wanted & kinds_configured(m->s)) == 0)
		mend_say(m, "%s asks for %s, and no such factor is configured: add a `factor` block", m->place, kinds);
	else if (m->compiled != NULL && m->compiled->rule == RULE_STEPUP && m->compiled->need > 1)
		mend_say(m, "%s asks for %d different factors", m->place, m->compiled->need);
	else if (m->line != NULL && (wanted & mend_kinds_held(m->s)) == 0)
		mend_say(m, "%s asks for %s", m->place, kinds);
	else if (!any)
		mend_say(m, "%s", reason_text_en((enum reason)m->d->reason));
}
