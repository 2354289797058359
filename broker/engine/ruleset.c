/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the policy that decisions read. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/engine.h"

enum {
	CHALLENGE_MS = 5 * 60 * 1000,      /* a prompt lives five minutes */
	REDEEM_MS = 5 * 60 * 1000,         /* rule 10 */
	PROMPTS_PER_LINK_DAY = 100,
	OPEN_PER_LINK = 5,                 /* of eight: three stay for the other links */
	THING_VALUE_MAX = 253,             /* a mail domain */
};

#define HOLD_MS (7 * DAY_MS)
#define ALLOWANCE_MAX_MS (90 * DAY_MS)

static struct policy_limit
limit_from(const struct config_limits *l)
{
	return (struct policy_limit){l->currency, l->per_payment_minor, l->per_day_minor, l->per_month_minor,
	    l->count_day, l->count_month};
}

static uint8_t
limits_from(const struct config_limits *from, uint16_t n, struct policy_limit *to)
{
	CHECK(n <= POLICY_LIMITS_MAX);
	for (uint16_t i = 0; i < n; i++)
		to[i] = limit_from(&from[i]);
	return (uint8_t)n;
}

static enum cs_err
compile_stack(const struct config *c, const struct config_stack *from, struct stack *to, char why[256])
{
	struct config_error err;
	char text[sizeof(err.file) + sizeof(err.message) + sizeof(err.mend) + 64];

	if (config_stack_compile(c, from, name_tag, to, &err) == CS_OK)
		return CS_OK;
	config_error_text(&err, text, sizeof(text));
	snprintf(why, 256, "%.255s", text);
	return CS_ERR_SYNTAX;
}

static uint8_t
kinds_mask(const char *const *names, uint16_t n)
{
	uint8_t mask = 0;

	for (uint16_t i = 0; i < n; i++) {
		enum factor_kind kind = factor_kind_find(view_str(names[i]));

		if (kind < FACTOR__COUNT)
			mask |= (uint8_t)(1 << kind);
	}
	return mask;
}

static enum cs_err
add_factors(const struct config *c, struct policy *p, char why[256])
{
	for (uint16_t i = 0; i < c->factor_count; i++) {
		const struct config_factor *f = &c->factors[i];
		enum factor_kind kind = factor_kind_find(view_str(f->name));

		if (kind == FACTOR__COUNT) {
			snprintf(why, 256, "factor \"%s\": there is no such kind of factor (use its kind as its name, "
			    "for example totp)", f->name);
			return CS_ERR_SYNTAX;
		}
		p->factors[kind] = (struct policy_factor){.plugin = name_tag(view_str(f->plugin)),
		    .cooling_off_ms = f->cooling_off_ms, .enabled = true,
		    .reverified = kind == FACTOR_TOTP || kind == FACTOR_WEBAUTHN || kind == FACTOR_APPROVE};
	}
	return CS_OK;
}

/* As a factor's tags: the digest of the whole word, "mail-domain:icloud.com". */
static uint64_t
thing_tag(const struct config_control *c)
{
	char word[8 + sizeof("mail-domain:") + THING_VALUE_MAX];
	int n = snprintf(word, sizeof(word), "%s:%s", c->kind, c->value);

	CHECK(n > 0 && (size_t)n < sizeof(word));
	return name_tag(view_of(word, (size_t)n));
}

static void
add_controls(const struct config_control *from, uint16_t n, struct policy_provider *to)
{
	static const struct {
		const char *kind;
		uint8_t sort;
	} sorts[] = {{"mail-domain", THING_MAIL}, {"phone", THING_PHONE}, {"aaguid", THING_AAGUID}};

	_Static_assert(2 * (int)CONFIG_CONTROLS_MAX <= (int)POLICY_CONTROLS_MAX, "a profile's and a provider's fit");
	for (uint16_t i = 0; i < n; i++) {
		if (strcmp(from[i].kind, "kind") == 0) {
			to->controls_kinds |= kinds_mask(&from[i].value, 1);
			continue;
		}
		for (size_t k = 0; k < sizeof(sorts) / sizeof(sorts[0]); k++)
			to->controls_sorts |= strcmp(from[i].kind, sorts[k].kind) == 0 ? sorts[k].sort : 0;
		CHECK(to->controls_n < POLICY_CONTROLS_MAX);
		to->controls[to->controls_n++] = thing_tag(&from[i]);
	}
}

static void
add_providers(const struct config *c, struct policy *p)
{
	for (uint16_t i = 0; i < c->provider_count; i++) {
		const struct config_provider *from = &c->providers[i];
		struct policy_provider *to = &p->providers[p->providers_n++];
		const struct config_profile *profile;

		*to = (struct policy_provider){.tag = name_tag(view_str(from->name)),
		    .plugin = name_tag(view_str(from->plugin)), .cooling_off_ms = from->cooling_off_ms,
		    .syncs_secrets = from->syncs_secrets,
		    .assume_kinds = kinds_mask(from->assume_independent, from->assume_independent_count)};
		to->limits_n = limits_from(from->limits, from->limits_count, to->limits);
		profile = config_provider_profile(c, from);
		if (profile != NULL) {
			to->syncs_secrets |= profile->syncs_secrets;
			add_controls(profile->controls, profile->control_count, to);
		}
		add_controls(from->controls, from->control_count, to);
	}
}

static void
add_zone(const struct config_timezone *z, struct policy *p)
{
	_Static_assert((int)CONFIG_TRANSITIONS_MAX <= (int)POLICY_TRANSITIONS_MAX, "a zone's table fits the policy");
	p->utc_offset_s = z->offset_s;
	p->transitions_n = z->transition_count;
	for (uint16_t i = 0; i < z->transition_count; i++)
		p->transitions[i] = (struct zone_transition){z->transitions[i].at_s * 1000, z->transitions[i].offset_s};
}

/* Two names with one tag cannot be told apart: one chance in 2^64 for each pair, and checked all the same. */
static enum cs_err
check_tags(const struct policy *p, char why[256])
{
	for (size_t i = 0; i < p->services_n; i++) {
		for (size_t j = i + 1; j < p->services_n; j++) {
			if (p->services[i].tag == p->services[j].tag) {
				snprintf(why, 256, "two services have names with the same digest: rename one");
				return CS_ERR_SYNTAX;
			}
		}
	}
	return CS_OK;
}

/* Where the workers answer is the parent's business and changes with their processes: it decides nothing. */
static void
drop_sockets(struct buf *text)
{
	static const char socket[] = "socket ";
	size_t kept = 0, end;

	for (size_t at = 0; at < text->len; at = end) {
		const uint8_t *newline = memchr(text->data + at, '\n', text->len - at);

		end = newline == NULL ? text->len : (size_t)(newline - text->data) + 1;
		if (end - at >= sizeof(socket) - 1 && memcmp(text->data + at, socket, sizeof(socket) - 1) == 0)
			continue;
		memmove(text->data + kept, text->data + at, end - at);
		kept += end - at;
	}
	text->len = kept;
}

/* The same for the daemon and for who reads the same files elsewhere. */
static void
digest_policy(struct config *c, struct policy *p)
{
	struct config *shadow = c->shadow;
	struct bytes text;
	struct hash h;
	const char *body;

	bytes_init(&text, CONFIG_CANONICAL_MAX);
	c->shadow = NULL; /* decides nothing */
	config_print(c, &text.buf);
	c->shadow = shadow;
	CHECK(!text.buf.full);
	drop_sockets(&text.buf);
	/* Without the first line, which is the generation. */
	body = memchr(text.buf.data, '\n', text.buf.len);
	CHECK(body != NULL);
	sha256(view_of(body, text.buf.len - (size_t)(body - (const char *)text.buf.data)), &h);
	memcpy(p->digest.b, h.b, sizeof(p->digest.b));
	bytes_clear(&text);
}

enum cs_err
ruleset_new(struct config *c, struct ruleset **out, char why[256])
{
	struct ruleset *r = calloc(1, sizeof(*r));
	struct policy *p = calloc(1, sizeof(*p));
	enum cs_err err = CS_OK;

	CHECK(r != NULL && p != NULL);
	r->policy = p;
	r->stacks = calloc(c->stack_count + 1u, sizeof(*r->stacks));
	CHECK(r->stacks != NULL);
	add_zone(&c->timezone, p);
	p->link_cooling_off_ms = c->cooling_off.link_ms;
	p->limit_cooling_off_ms = c->cooling_off.limit_ms;
	p->recovery_cooling_off_ms = c->cooling_off.recovery_ms;
	p->session_idle_ms = c->session.idle_ms;
	p->session_max_ms = c->session.max_ms;
	p->challenge_ms = CHALLENGE_MS;
	p->redeem_ms = REDEEM_MS;
	p->hold_ms = HOLD_MS;
	p->allowance_max_ms = ALLOWANCE_MAX_MS;
	p->prompts_per_link_day = PROMPTS_PER_LINK_DAY;
	p->open_per_link = OPEN_PER_LINK;
	p->limits_n = limits_from(c->policy_limits, c->policy_limits_count, p->limits);
	for (uint16_t i = 0; i < c->trusted_factor_limit_count; i++) {
		p->trusted[p->trusted_n++] = (struct policy_limit){c->trusted_factor_limits[i].currency,
		    c->trusted_factor_limits[i].amount_minor, -1, -1, -1, -1};
	}
	for (uint16_t i = 0; i < c->stack_count && err == CS_OK; i++)
		err = compile_stack(c, &c->stacks[i], &r->stacks[i], why);
	for (uint16_t i = 0; i < c->service_count; i++) {
		const struct config_service *s = &c->services[i];

		p->services[p->services_n++] = (struct policy_service){.tag = name_tag(view_str(s->name)),
		    .rights = s->rights, .doors = s->doors, .stack = &r->stacks[s->stack_index]};
		/* An account is every service's of the realm: what one stack asks for is counted at all of them. */
		p->needs |= r->stacks[s->stack_index].needs;
		r->risk_ops |= r->stacks[s->stack_index].risk_ops;
	}
	add_providers(c, p);
	if (err == CS_OK)
		err = add_factors(c, p, why);
	if (err == CS_OK)
		err = check_tags(p, why);
	if (err != CS_OK) {
		ruleset_free(r);
		return err;
	}
	digest_policy(c, p);
	r->config = c;
	*out = r;
	return CS_OK;
}

void
ruleset_payees(struct ruleset *r, const struct keyring *keys)
{
	for (uint16_t i = 0; i < r->config->stack_count; i++) {
		struct stack *s = &r->stacks[i];

		for (uint16_t k = 0; k < s->ids_n; k++)
			s->ids[k] = keyring_id(keys, DIGEST_PAYEE, &s->id_texts[k], 1);
	}
}

void
ruleset_free(struct ruleset *r)
{
	if (r == NULL)
		return;
	config_free(r->config);
	free(r->policy);
	free(r->stacks);
	free(r);
}

const struct config_service *
ruleset_service(const struct ruleset *r, uint64_t tag)
{
	for (uint16_t i = 0; i < r->policy->services_n; i++) {
		if (r->policy->services[i].tag == tag)
			return &r->config->services[i];
	}
	return NULL;
}

const struct config_provider *
ruleset_provider(const struct ruleset *r, uint64_t tag)
{
	for (uint16_t i = 0; i < r->policy->providers_n; i++) {
		if (r->policy->providers[i].tag == tag)
			return &r->config->providers[i];
	}
	return NULL;
}

const char *
ruleset_service_name(const struct ruleset *r, uint64_t tag)
{
	const struct config_service *s = ruleset_service(r, tag);

	return s == NULL ? "?" : s->name;
}

const char *
ruleset_provider_title(const struct ruleset *r, uint64_t tag)
{
	const struct config_provider *p = ruleset_provider(r, tag);

	return p == NULL ? "?" : config_provider_title(r->config, p);
}

static const struct config_control *
control_find(const struct config_control *from, uint16_t n, uint64_t thing)
{
	for (uint16_t i = 0; i < n; i++) {
		if (strcmp(from[i].kind, "kind") != 0 && thing_tag(&from[i]) == thing)
			return &from[i];
	}
	return NULL;
}

const struct config_control *
ruleset_control(const struct ruleset *r, uint64_t provider, uint64_t thing)
{
	const struct config_provider *p = ruleset_provider(r, provider);
	const struct config_profile *profile = p == NULL ? NULL : config_provider_profile(r->config, p);
	const struct config_control *found = p == NULL ? NULL : control_find(p->controls, p->control_count, thing);

	return found != NULL || profile == NULL ? found : control_find(profile->controls, profile->control_count, thing);
}

const char *
ruleset_provider_name(const struct ruleset *r, uint64_t tag)
{
	const struct config_provider *p = ruleset_provider(r, tag);

	return p == NULL ? "?" : p->name;
}
