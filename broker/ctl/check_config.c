/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration can say without being wrong, and hardly means: it denies more than its author thinks. */
#include <stdio.h>

#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/ctl/suppose.h"

enum { LIST_MAX = 128 };

static void
list_add(char list[LIST_MAX], const char *word)
{
	size_t len = strlen(list);

	(void)snprintf(list + len, LIST_MAX - len, "%s%s", len == 0 ? "" : ", ", word);
}

/* --- stacks --- */

static const struct {
	enum op op;
	uint32_t right;
} needs[] = {
	{OP_SPEND, RIGHT_SPEND}, {OP_GRANT, RIGHT_SPEND}, {OP_LIMIT, RIGHT_SPEND}, {OP_LINK, RIGHT_LINK},
	{OP_THAW, RIGHT_LINK}, {OP_FACTOR, RIGHT_ENROL}, {OP_RECOVER, RIGHT_ENROL},
	{OP_VIEW, RIGHT_LINK},
};

static void
warn_service(struct findings *to, const struct ruleset *rules, const struct config_service *service)
{
	const struct stack *stack = &rules->stacks[service->stack_index];
	char missing[LIST_MAX] = "";
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if ((service->rights & needs[i].right) == 0 || stack->count[needs[i].op] > 0)
			continue;
		list_add(missing, op_name(needs[i].op));
		first = first == NULL ? op_name(needs[i].op) : first;
	}
	if (first == NULL)
		return;
	finding_mend(finding_add(to, NULL, "service \"%s\" has the right, but its stack \"%s\" has no line, for: %s; so these "
	    "are always denied", service->name, service->stack, missing),
	    "write what they need, such as: %s required stepup", first);
}

/* --- currencies --- */

void
check_currency(const struct policy *p, uint16_t currency, const struct config_line *at, const char *where,
    struct findings *to)
{
	const struct currency *c = currency_get(currency);

	if (c == NULL || policy_limit(p->limits, p->limits_n, currency) != NULL)
		return;
	finding_mend(finding_add(to, at, "%s speaks of %s, which has no policy limit: every payment in it is denied", where,
	    c->code), "write: policy-limits %s { per-payment ... per-day ... per-month ... }", c->code);
}

static void
warn_currencies(struct findings *to, const struct ruleset *rules)
{
	const struct policy *p = rules->policy;
	char name[LIST_MAX];

	if (p->limits_n == 0)
		finding_mend(finding_add(to, NULL, "there are no policy limits: every payment in every currency is denied"),
		    "write: policy-limits CNY { per-payment ... per-day ... per-month ... }");
	for (uint8_t i = 0; i < p->trusted_n; i++)
		check_currency(p, p->trusted[i].currency, NULL, "trusted-factor-limit", to);
	for (uint16_t i = 0; i < p->providers_n; i++) {
		(void)snprintf(name, sizeof(name), "provider \"%s\"", rules->config->providers[i].name);
		for (uint8_t k = 0; k < p->providers[i].limits_n; k++)
			check_currency(p, p->providers[i].limits[k].currency, NULL, name, to);
	}
}

/* --- factors --- */

/* Rule 11 itself is asked, of an account with this factor alone. */
static bool
could_countersign(const struct ruleset *rules, const struct policy_provider *p, enum factor_kind kind)
{
	static const struct config_service nobody = {.name = ""};
	static struct suppose s;
	bool assumed = false;
	struct asked asked;

	if (!rules->policy->factors[kind].enabled || kind == FACTOR_RECOVERY)
		return false;
	if (!rules->policy->factors[kind].reverified && rules->policy->trusted_n == 0)
		return false;
	s = (struct suppose){.rules = rules, .now_ms = 2 * DAY_MS, .service = &nobody, .provider = p, .kinds = {kind},
	    .kinds_n = 1, .op = OP_LINK, .bound = true};
	suppose_account(&s);
	asked = suppose_asked(&s);
	return factor_independent(&asked, &s.account, &s.account.factors[0], p->tag, &assumed);
}

uint8_t
check_kinds(const struct ruleset *rules, const struct policy_provider *p)
{
	uint8_t kinds = 0;

	for (int k = 0; k < FACTOR__COUNT; k++)
		if (could_countersign(rules, p, (enum factor_kind)k))
			kinds |= (uint8_t)(1 << k);
	return kinds;
}

static void
warn_provider(struct findings *to, const struct ruleset *rules, const struct policy_provider *p, const char *name)
{
	char configured[LIST_MAX] = "";
	struct finding *f;

	if (check_kinds(rules, p) != 0)
		return;
	for (int k = 0; k < FACTOR__COUNT; k++)
		if (rules->policy->factors[k].enabled && k != FACTOR_RECOVERY)
			list_add(configured, factor_kind_name((enum factor_kind)k));
	f = finding_add(to, NULL, "no configured factor could ever countersign for provider \"%s\": nothing that needs a "
	    "countersignature is ever permitted through it (factors: %s)", name,
	    configured[0] == '\0' ? "none" : configured);
	if (p->syncs_secrets && configured[0] != '\0')
		finding_mend(f, "if its users' secrets are not copied to it, write in its block: assume-independent with the "
		    "factor's name; or configure an independent factor");
	else
		finding_mend(f, "configure a factor with a plugin of its own; one that the broker cannot verify itself needs "
		    "trusted-factor-limit too");
}

/* --- the store --- */

static const struct {
	unsigned weaker;
	const char *what, *mend;
} weaker[] = {
	{CONFIG_WEAKER_EVERYSEC, "weaker everysec: a server that loses power forgets its last second, which is then put back from the "
	    "brokers' journals; until all of them have answered its accounts are held",
	    "set appendfsync always at the servers, and remove the word"},
	{CONFIG_WEAKER_NO_PERSISTENCE, "weaker no-persistence: a server that is started again is empty; accounts that the brokers' "
	    "journals do not reach back to are lost", "set appendonly yes at the servers, and remove the word"},
	{CONFIG_WEAKER_NO_REPLICAS, "weaker no-replicas: a failover forgets what no replica had heard, which is then put back from the "
	    "brokers' journals; until all of them have answered its accounts are held", "write replicas 1, and remove the word"},
};

/* An address that other machines could listen to or speak at. */
static bool
address_is_far(const char *address)
{
	static const char *const near[] = {"unix:", "127.", "[::1]", "localhost:"};

	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
		if (strncmp(address, near[i], strlen(near[i])) == 0)
			return false;
	}
	return true;
}

static void
warn_store(struct findings *to, const struct config *c)
{
	const struct config_redis *redis = &c->store.redis;
	bool far = redis->server != NULL && address_is_far(redis->server);

	if (c->store.kind != CONFIG_STORE_REDIS)
		return;
	for (size_t i = 0; i < sizeof(weaker) / sizeof(weaker[0]); i++) {
		if ((redis->weaker & weaker[i].weaker) != 0)
			finding_mend(finding_add(to, NULL, "%s", weaker[i].what), "%s", weaker[i].mend);
	}
	for (size_t i = 0; i < redis->sentinel_count; i++)
		far = far || address_is_far(redis->sentinels[i]);
	for (size_t i = 0; i < redis->cluster_count; i++)
		far = far || address_is_far(redis->clusters[i]);
	if (far && !redis->tls.on)
		finding_mend(finding_add(to, NULL, "the store's servers are on other machines and are spoken to without TLS: who can "
		    "listen reads the password and the accounts, and who can change packets changes them"),
		    "write in the store's block: tls { ca \"...\" }");
	if (far && redis->password_file == NULL)
		finding_mend(finding_add(to, NULL, "the store's servers are on other machines and are asked without a password: whoever "
		    "reaches them may write accounts"), "give the brokers a user of their own there, and write: user, password-file");
}

void
check_config(const struct ruleset *rules, struct findings *to)
{
	warn_store(to, rules->config);
	for (uint16_t i = 0; i < rules->config->service_count; i++)
		warn_service(to, rules, &rules->config->services[i]);
	warn_currencies(to, rules);
	for (uint16_t i = 0; i < rules->policy->providers_n; i++)
		warn_provider(to, rules, &rules->policy->providers[i], rules->config->providers[i].name);
}
