/* SPDX-License-Identifier: Apache-2.0 */
/* The types of values with more than one word: money, pairs, plugins' settings, users, blocks. */
#include "broker/parent/config_option.h"

#include <ctype.h>
#include <stdio.h>

#include "broker/core/money.h"

/* Money. In a block of limits the currency is the block's name. */
static bool
amount_take(struct reader *r, const char *what, uint16_t currency, int64_t *to)
{
	const struct currency *cur = currency_get(currency);
	enum cs_err e = money_parse(view_str(r->words.text), currency, to);

	if (e == CS_ERR_RANGE)
		return reader_fail(r, "write a smaller amount", "%s is past the largest amount that can be", what);
	if (e != CS_OK)
		return reader_fail(r, "write a decimal number without sign, leading zeros or spaces, like 20 or 20.5",
		    "%s must be an amount with at most %u digits after the point", what, cur == NULL ? 0U : cur->exponent);
	return reader_next(r);
}

static void
amount_put(struct buf *b, uint16_t currency, int64_t minor)
{
	char text[MONEY_TEXT_MAX];

	print_text(b, " ");
	buf_put(b, text, money_format(minor, currency, text));
}

static bool
amount_read(struct reader *r, const struct option *o, void *base, void *at)
{
	return amount_take(r, o->name, ((const struct config_limits *)base)->currency, at);
}

static bool
amount_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	int64_t v = *(const int64_t *)at;

	(void)o;
	if (v >= 0)
		amount_put(b, ((const struct config_limits *)base)->currency, v);
	return v >= 0;
}

const struct option_type type_amount = {"AMOUNT", amount_read, amount_print, minus_absent};

static bool
currency_take(struct reader *r, uint16_t *to)
{
	uint16_t number = currency_find(view_str(r->words.text));

	if (number == CURRENCY_NONE)
		return reader_fail(r, "write an ISO 4217 code in capitals, like CNY", "unknown currency \"%.64s\"",
		    r->words.text);
	*to = number;
	return reader_next(r);
}

static bool
currency_amount_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_amount *a = at;

	(void)base;
	if (!currency_take(r, &a->currency))
		return false;
	if (!words_at_value(&r->words))
		return reader_fail(r, "write it like: trusted-factor-limit CNY 0", "%s needs an amount after the currency",
		    o->name);
	return amount_take(r, o->name, a->currency, &a->amount_minor);
}

static bool
currency_amount_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config_amount *a = at;

	(void)o;
	(void)base;
	print_text(b, " ");
	print_text(b, currency_get(a->currency)->code);
	amount_put(b, a->currency, a->amount_minor);
	return true;
}

const struct option_type type_currency_amount = {"CURRENCY AMOUNT", currency_amount_read, currency_amount_print, NULL};

/* Pairs and settings of plugins */

static bool
pair_read(struct reader *r, const struct option *o, const char *what, const char *like, struct config_client *client)
{
	char mend[96];

	if (!name_check(r, what) || !reader_take_text(r, &client->provider))
		return false;
	snprintf(mend, sizeof(mend), "write it like: %s \"%s\" \"our-id-there\"", o->name, like);
	if (!words_at_value(&r->words))
		return reader_fail(r, mend, "%s needs the id after %s", o->name, what);
	return type_text.read(r, o, NULL, &client->id);
}

static bool
client_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return pair_read(r, o, "a provider", "google", at);
}

static bool
token_client_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return pair_read(r, o, "a token", "corp", at);
}

static bool
client_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config_client *client = at;

	(void)o;
	(void)base;
	print_quoted(b, client->provider);
	print_quoted(b, client->id);
	return true;
}

const struct option_type type_client = {"PROVIDER ID", client_read, client_print, NULL};
const struct option_type type_token_client = {"TOKEN ID", token_client_read, client_print, NULL};

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* A setting of such a name is a secret, which does not belong into a file that is mailed about and kept in git. */
static bool
is_secret_name(const char *name)
{
	static const char *const ends[] = {"secret", "password", "passphrase", "private-key", "token", "api-key"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (ends_with(name, ends[i]))
			return true;
	}
	return false;
}

static bool
setting_values(struct reader *r, struct config_setting *s)
{
	bool is_path = ends_with(s->name, "-file");

	while (reader_at_item(r)) {
		const char **to = &s->values[s->value_count];

		if (s->value_count == CONFIG_VALUES_MAX)
			return reader_fail(r, "remove some", "\"%s\" has more than %d values", s->name, CONFIG_VALUES_MAX);
		*to = is_path && r->words.text[0] != '/' ? reader_keep_path(r, r->words.text)
		                                         : reader_keep(r, r->words.text, r->words.len);
		if (*to == NULL || !reader_next(r))
			return false;
		s->value_count++;
	}
	if (s->value_count == 0)
		return reader_fail(r, "write: set NAME VALUE", "set %s needs a value", s->name);
	return true;
}

static bool
setting_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_setting *s = at;
	char mend[160];

	(void)o;
	(void)base;
	memset(s, 0, sizeof(*s));
	if (!name_check(r, "a setting") || !reader_take_text(r, &s->name))
		return false;
	if (r->words.type == WORD_BARE && strcmp(r->words.text, "file") == 0) {
		s->is_file = true;
		if (!reader_next(r))
			return false;
		if (!words_at_value(&r->words))
			return reader_fail(r, "write: set NAME file \"PATH\"", "set %s file needs a path", s->name);
		s->values[0] = reader_keep_path(r, r->words.text);
		s->value_count = 1;
		return s->values[0] != NULL && reader_next(r);
	}
	if (is_secret_name(s->name) && words_at_value(&r->words)) {
		r->words.text[0] = '\0';  /* no secret in a message */
		snprintf(mend, sizeof(mend), "put it into a file of mode 0600 and write: set %s file \"PATH\"", s->name);
		return reader_fail(r, mend, "the secret \"%s\" is written in the configuration", s->name);
	}
	return setting_values(r, s);
}

static bool
setting_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config_setting *s = at;

	(void)o;
	(void)base;
	print_quoted(b, s->name);
	if (s->is_file)
		print_text(b, " file");
	for (size_t i = 0; i < s->value_count; i++)
		print_quoted(b, s->values[i]);
	return true;
}

const struct option_type type_setting = {"NAME [file] VALUE ...", setting_read, setting_print, NULL};

/* user ROLE NAME */

static const char *const role_names[] = {"engine", "gateway", "worker", NULL};

static bool
user_read(struct reader *r, const struct option *o, void *base, void *at)
{
	const char **users = at;

	(void)base;
	do {
		size_t i = 0;

		while (role_names[i] != NULL && strcmp(role_names[i], r->words.text) != 0)
			i++;
		if (role_names[i] == NULL)
			return reader_fail_unknown(r, "role", role_names);
		if (users[i] != NULL)
			return reader_fail(r, "remove one of them", "the user of the %s is written twice", role_names[i]);
		if (!reader_next(r))
			return false;
		if (!words_at_value(&r->words))
			return reader_fail(r, "write it like: user engine \"countersign\"", "%s needs a name after the role", o->name);
		reader_mark(r, &users[i], r->words.place);
		if (!name_check(r, "a user") || !reader_take_text(r, &users[i]))
			return false;
	} while (reader_at_item(r));
	return true;
}

static bool
user_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const char *const *users = at;
	bool any = false;

	(void)o;
	(void)base;
	for (size_t i = 0; i < CONFIG_ROLE_COUNT; i++) {
		if (users[i] == NULL)
			continue;
		any = true;
		print_text(b, " ");
		print_text(b, role_names[i]);
		print_quoted(b, users[i]);
	}
	return any;
}

const struct option_type type_user = {"ROLE NAME", user_read, user_print, NULL};

/* Blocks */

static bool
block_type_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return block_read_braces(r, o->block, at);
}

static bool
block_type_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)base;
	print_text(b, " ");
	block_print(b, o->block, at);
	return true;
}

const struct option_type type_block = {"{ ... }", block_type_read, block_type_print, NULL};

static bool
named_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return name_check(r, o->block->what) && reader_take_text(r, at) && block_read_braces(r, o->block, at);
}

static bool
named_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	print_quoted(b, *(const char *const *)at);
	return block_type_print(b, o, base, at);
}

const struct option_type type_named = {"NAME { ... }", named_read, named_print, NULL};

static bool
currency_block_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return currency_take(r, at) && block_read_braces(r, o->block, at);
}

static bool
currency_block_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	print_text(b, " ");
	print_text(b, currency_get(*(const uint16_t *)at)->code);
	return block_type_print(b, o, base, at);
}

const struct option_type type_currency_block = {"CURRENCY { ... }", currency_block_read, currency_block_print, NULL};
