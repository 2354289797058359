/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences for the edges of rule 11. */
#include "broker/engine/edge_text.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/engine/engine.h"

enum { NAME_MAX_BYTES = 96 };

/* What an owner calls a factor of each kind. */
static const char *const nouns[FACTOR__COUNT] = {
	[FACTOR_TOTP] = "authenticator app",
	[FACTOR_WEBAUTHN] = "passkey",
	[FACTOR_OTP] = "one-time code",
	[FACTOR_PAM] = "password",
	[FACTOR_RECOVERY] = "list of recovery codes",
	[FACTOR_APPROVE] = "approving device",
};

/* "the Apple ID", but "WeChat": a title of one word is a name. */
static const char *
provider_words(const struct ruleset *rules, uint64_t provider, char to[NAME_MAX_BYTES])
{
	const char *title = ruleset_provider_title(rules, provider);

	(void)snprintf(to, NAME_MAX_BYTES, "%s%s", strchr(title, ' ') != NULL ? "the " : "", title);
	return to;
}

struct sentence {
	char *to;
	size_t len;
};

static void __attribute__((format(printf, 2, 3)))
add(struct sentence *s, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(s->to + s->len, EDGE_TEXT_MAX - s->len, format, ap);
	va_end(ap);
	CHECK(n >= 0);
	s->len += (size_t)n;
	if (s->len >= EDGE_TEXT_MAX)
		s->len = EDGE_TEXT_MAX - 1;
}

static void
add_thing(struct sentence *s, const struct ruleset *rules, const struct edge *edge, const char *of, const char *noun,
    const char *provider)
{
	const struct config_control *c = ruleset_control(rules, edge->provider, edge->thing);
	const char *name = c == NULL ? "something" : c->title != NULL ? c->title : c->value;

	if (c != NULL && strcmp(c->kind, "aaguid") == 0)
		add(s, "%s %s syncs through %s, which falls with %s", of, noun, c->title != NULL ? name : "its maker's cloud",
		    provider);
	else if (c != NULL && strcmp(c->kind, "phone") == 0)
		add(s, "%s %s goes to %s%s, which falls with %s", of, noun, c->title != NULL ? name : "a number that begins ",
		    c->title != NULL ? "" : c->value, provider);
	else if (c != NULL && c->title != NULL)
		add(s, "%s %s goes to %s (%s), which falls with %s", of, noun, name, c->value, provider);
	else
		add(s, "%s %s goes to %s, which falls with %s", of, noun, name, provider);
}

static bool
address_known(const struct factor *f)
{
	uint64_t any = 0;

	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++)
		any |= f->rests[i];
	return any != 0;
}

static void
add_copies(struct sentence *s, const struct factor *f, const char *of, const char *noun, const char *provider)
{
	switch ((enum factor_kind)f->kind) {
	case FACTOR_TOTP:
		add(s, "the secret of %s %s may be kept in %s, too", of, noun, provider);
		break;
	case FACTOR_OTP:
		if (address_known(f))
			add(s, "%s %s may be read by whoever has %s", of, noun, provider);
		else
			add(s, "where %s %s goes was never said, and %s may control that", of, noun, provider);
		break;
	case FACTOR_WEBAUTHN:
	case FACTOR_APPROVE:
		add(s, "%s %s may have copies in %s: nothing proves that it stays on its device", of, noun, provider);
		break;
	default:
		add(s, "%s %s may be kept in %s, too", of, noun, provider);
	}
}

static void
add_edge(struct sentence *s, const struct ruleset *rules, const struct factor *f, const struct edge *edge, const char *of)
{
	const char *noun = nouns[f->kind];
	char mem[NAME_MAX_BYTES];
	const char *provider = provider_words(rules, edge->provider, mem);

	switch ((enum edge_kind)edge->what) {
	case EDGE_PLUGIN:
		add(s, "%s %s answers through the plugin of %s itself", of, noun, provider);
		break;
	case EDGE_KIND:
		add(s, "%s %s falls with %s, as all of the kind %s do", of, noun, provider,
		    factor_kind_name((enum factor_kind)f->kind));
		break;
	case EDGE_THING:
		add_thing(s, rules, edge, of, noun, provider);
		break;
	case EDGE_COPIES:
		add_copies(s, f, of, noun, provider);
		break;
	case EDGE_SUPPORT:
		add(s, "%s %s was enrolled with a factor that is gone, so nobody knows what it rests on", of, noun);
		break;
	case EDGE_PROVIDER:
		add(s, "the provider of a linked ID is not configured any more, so nobody knows what it controls");
		break;
	case EDGE_NONE:
	case EDGE__COUNT:
		CHECK(false);
	}
}

size_t
edge_text(const struct ruleset *rules, const struct account *a, const struct factor *f, const struct edge *edge,
    char to[EDGE_TEXT_MAX])
{
	const struct factor *at = account_factor_by_no(a, edge->factor_no);
	struct sentence s = {.to = to};

	to[0] = '\0';
	if (at != NULL && at->no != f->no) {
		add(&s, "this %s was enrolled with a factor of the kind %s, and ", nouns[f->kind],
		    factor_kind_name((enum factor_kind)at->kind));
		add_edge(&s, rules, at, edge, "that");
	} else {
		add_edge(&s, rules, f, edge, "this");
	}
	return s.len;
}

size_t
bare_text(const struct ruleset *rules, uint64_t provider, char to[EDGE_TEXT_MAX])
{
	char mem[NAME_MAX_BYTES];
	struct sentence s = {.to = to};

	to[0] = '\0';
	add(&s, "no factor of this account is known to be independent of %s: nothing can be countersigned through it; enrol a "
	    "factor that does not fall with it, such as a security key", provider_words(rules, provider, mem));
	return s.len;
}
