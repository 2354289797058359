/* SPDX-License-Identifier: Apache-2.0 */
/* The types of single values: how each one is read, bounded and written. */
#include "broker/parent/config_option.h"
#include "broker/parent/config_zone.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

void
print_text(struct buf *b, const char *text)
{
	buf_put_view(b, view_str(text));
}

void
print_quoted(struct buf *b, const char *text)
{
	print_text(b, " \"");
	for (const char *s = text; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_put(b, "\\", 1);
		buf_put(b, s, 1);
	}
	print_text(b, "\"");
}

void
print_number(struct buf *b, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), " %" PRId64, v);
	print_text(b, text);
}

static const char *
list_at(const void *names, size_t i)
{
	return ((const char *const *)names)[i];
}

bool
reader_fail_unknown(struct reader *r, const char *what, const char *const *names)
{
	char mend[256] = "write one of:";
	size_t n = 0, len = strlen(mend);
	const char *near;

	for (; names[n] != NULL; n++) {
		if (len < sizeof(mend))
			len += (size_t)snprintf(mend + len, sizeof(mend) - len, " %s", names[n]);
	}
	near = name_nearest(r->words.text, n, list_at, names);
	if (near != NULL)
		snprintf(mend, sizeof(mend), "did you mean \"%s\"?", near);
	return reader_fail(r, mend, "unknown %s \"%.64s\"", what, r->words.text);
}

/* Digits at s, as a number that stops at INT64_MAX; *end is the first byte after them. False without a digit. */
static bool
digits(const char *s, int64_t *value, const char **end)
{
	int64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		int d = *p - '0';

		v = v > (INT64_MAX - d) / 10 ? INT64_MAX : v * 10 + d;
	}
	*value = v;
	*end = p;
	return p != s && !(s[0] == '0' && p - s > 1);
}

/* text and name */

static bool
text_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	if (r->words.len == 0)
		return reader_fail(r, "write a value", "%s is empty", o->name);
	return reader_take_text(r, at);
}

static bool
text_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const char *text = *(const char *const *)at;

	(void)o;
	(void)base;
	if (text != NULL)
		print_quoted(b, text);
	return text != NULL;
}

const struct option_type type_text = {"TEXT", text_read, text_print, NULL};

bool
name_check(struct reader *r, const char *what)
{
	const char *s = r->words.text;

	if (r->words.len == 0 || r->words.len > CONFIG_NAME_MAX)
		return reader_fail(r, "choose a name of 1 to 32 letters, digits, '-', '_' and '.'",
		    "the name of %s must have 1 to %d bytes", what, CONFIG_NAME_MAX);
	if (!isalnum((unsigned char)s[0]) || s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] != '\0')
		return reader_fail(r, "choose a name of letters, digits, '-', '_' and '.' that starts with a letter or digit",
		    "\"%.64s\" is no name for %s", s, what);
	return true;
}

static bool
name_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return name_check(r, o->name) && reader_take_text(r, at);
}

const struct option_type type_name = {"NAME", name_read, text_print, NULL};

/* paths */

static bool
path_read(struct reader *r, const struct option *o, void *base, void *at)
{
	const char *path;

	(void)base;
	if (r->words.len == 0)
		return reader_fail(r, "write a path", "%s is empty", o->name);
	path = reader_keep_path(r, r->words.text);
	if (path == NULL)
		return false;
	if (o->max > 0 && strlen(path) > (size_t)o->max)
		return reader_fail(r, "choose a shorter path: the kernel bounds the names of sockets",
		    "the path has %zu bytes, more than %" PRId64, strlen(path), o->max);
	*(const char **)at = path;
	return reader_next(r);
}

const struct option_type type_path = {"PATH", path_read, text_print, NULL};

static bool
plugin_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)o;
	(void)base;
	if (r->words.text[0] == '/')
		return reader_take_text(r, at);
	if (strchr(r->words.text, '/') != NULL)
		return reader_fail(r, "write the plugin's bare name, or its path from the root",
		    "\"%.64s\" is neither a name nor an absolute path", r->words.text);
	return name_check(r, "a plugin") && reader_take_text(r, at);
}

const struct option_type type_plugin = {"PLUGIN", plugin_read, text_print, NULL};

/* URLs: https, or http on this machine */

static bool
url_read(struct reader *r, const struct option *o, void *base, void *at)
{
	static const char *const starts[] = {"https://", "http://127.0.0.1", "http://[::1]", "http://localhost", NULL};
	const char *s = r->words.text;
	size_t n = 0;

	(void)base;
	for (size_t i = 0; n == 0 && starts[i] != NULL; i++) {
		size_t len = strlen(starts[i]);

		if (strncmp(s, starts[i], len) == 0 && (i == 0 || s[len] == '\0' || s[len] == ':' || s[len] == '/'))
			n = len;
	}
	if (n == 0)
		return reader_fail(r, "write https://..., or http:// with 127.0.0.1, [::1] or localhost",
		    "%s must be an https URL, or http on this machine's own address", o->name);
	if (s[strcspn(s, " #\\@")] != '\0' || (n == strlen("https://") && (s[n] == '\0' || s[n] == '/')))
		return reader_fail(r, "write https://HOST/PATH without user, fragment and spaces",
		    "%s is no URL that a browser can be sent to", o->name);
	return reader_take_text(r, at);
}

const struct option_type type_url = {"URL", url_read, text_print, NULL};

/* numbers */

static bool
bounds_check(struct reader *r, const struct option *o, int64_t v)
{
	if (v >= o->min && v <= o->max)
		return true;
	return reader_fail(r, "choose a value within the bounds", "%s must be from %" PRId64 " to %" PRId64, o->name,
	    o->min, o->max);
}

static bool
number_take(struct reader *r, const struct option *o, int64_t *v)
{
	const char *end;

	if (!digits(r->words.text, v, &end) || *end != '\0')
		return reader_fail(r, "write digits alone", "%s must be a whole number", o->name);
	return bounds_check(r, o, *v) && reader_next(r);
}

static bool
number_read(struct reader *r, const struct option *o, void *base, void *at)
{
	int64_t v;

	(void)base;
	if (!number_take(r, o, &v))
		return false;
	*(uint32_t *)at = (uint32_t)v;
	return true;
}

static bool
number_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)o;
	(void)base;
	print_number(b, *(const uint32_t *)at);
	return true;
}

const struct option_type type_number = {"NUMBER", number_read, number_print, NULL};

void
minus_absent(void *at)
{
	*(int64_t *)at = -1;
}

static bool
count_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return number_take(r, o, at);
}

static bool
count_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	int64_t v = *(const int64_t *)at;

	(void)o;
	(void)base;
	if (v >= 0)
		print_number(b, v);
	return v >= 0;
}

const struct option_type type_count = {"NUMBER", count_read, count_print, minus_absent};

static bool
generation_read(struct reader *r, const struct option *o, void *base, void *at)
{
	int64_t v;

	(void)base;
	if (!number_take(r, o, &v))
		return false;
	*(uint64_t *)at = (uint64_t)v;
	return true;
}

static bool
generation_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)o;
	(void)base;
	print_number(b, (int64_t)*(const uint64_t *)at);
	return true;
}

const struct option_type type_generation = {"NUMBER", generation_read, generation_print, NULL};

/* Quantities with a unit. Tables run from the largest unit to the smallest. */
struct unit {
	const char *name;
	int64_t size;
};

static const struct unit durations[] = {
	{"d", INT64_C(86400000)}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};
static const struct unit sizes[] = {
	{"GiB", INT64_C(1) << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {NULL, 0},
};

static const struct unit *
unit_find(const struct unit *units, const char *name)
{
	for (; units->name != NULL; units++) {
		if (strcmp(units->name, name) == 0)
			return units;
	}
	return NULL;
}

/* "24h", or "16 MiB" in two words; zero needs no unit. */
static bool
quantity_read(struct reader *r, const struct option *o, const struct unit *units, const char *mend, int64_t *to)
{
	char bounds[64];
	const struct unit *unit = NULL;
	const char *end;
	int64_t v;
	struct words before;

	if (!digits(r->words.text, &v, &end))
		return reader_fail(r, mend, "%s must be a number with a unit", o->name);
	before = r->words;
	if (*end != '\0') {
		unit = unit_find(units, end);
	} else if (v != 0) {
		if (!reader_next(r))
			return false;
		unit = r->words.type == WORD_BARE ? unit_find(units, r->words.text) : NULL;
		if (unit == NULL)
			r->words = before;
	} else {
		unit = units;
	}
	if (unit == NULL)
		return reader_fail(r, mend, "%s needs a unit", o->name);
	if (v > o->max / unit->size || v * unit->size < o->min) {
		const struct unit *least = units, *most = units;

		while (o->min != 0 && (o->min % least->size) != 0)
			least++;
		while (o->max % most->size != 0)
			most++;
		snprintf(bounds, sizeof(bounds), "%" PRId64 "%s to %" PRId64 "%s", o->min / least->size,
		    o->min == 0 ? "" : least->name, o->max / most->size, most->name);
		r->words = before;
		return reader_fail(r, "choose a value within the bounds", "%s must be from %s", o->name, bounds);
	}
	*to = v * unit->size;
	return reader_next(r);
}

static void
quantity_print(struct buf *b, const struct unit *units, int64_t v)
{
	while (v % units->size != 0)
		units++;
	print_number(b, v / units->size);
	if (v != 0)
		print_text(b, units->name);
}

static bool
duration_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	return quantity_read(r, o, durations, "write it like 500ms, 5s, 10m, 24h or 30d", at);
}

static bool
duration_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	int64_t v = *(const int64_t *)at;

	(void)o;
	(void)base;
	if (v >= 0)
		quantity_print(b, durations, v);
	return v >= 0;
}

const struct option_type type_duration = {"DURATION", duration_read, duration_print, minus_absent};

static bool
size_read(struct reader *r, const struct option *o, void *base, void *at)
{
	int64_t v;

	(void)base;
	if (!quantity_read(r, o, sizes, "write it like 512 KiB, 16 MiB or 1 GiB", &v))
		return false;
	*(uint64_t *)at = (uint64_t)v;
	return true;
}

static bool
size_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)o;
	(void)base;
	quantity_print(b, sizes, (int64_t)*(const uint64_t *)at);
	return true;
}

const struct option_type type_size = {"SIZE", size_read, size_print, NULL};

static bool
bool_read(struct reader *r, const struct option *o, void *base, void *at)
{
	bool yes = strcmp(r->words.text, "yes") == 0;

	(void)base;
	if (!yes && strcmp(r->words.text, "no") != 0)
		return reader_fail(r, "write yes or no", "%s must be yes or no", o->name);
	*(bool *)at = yes;
	return reader_next(r);
}

static bool
bool_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)o;
	(void)base;
	print_text(b, *(const bool *)at ? " yes" : " no");
	return true;
}

const struct option_type type_bool = {"yes|no", bool_read, bool_print, NULL};

/* "+08:00" */
static bool
offset_parse(const char *s, size_t len, int32_t *offset_s)
{
	int32_t minutes;

	if (len != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':' || !isdigit((unsigned char)s[1]) ||
	    !isdigit((unsigned char)s[2]) || s[4] < '0' || s[4] > '5' || !isdigit((unsigned char)s[5]))
		return false;
	minutes = ((s[1] - '0') * 10 + (s[2] - '0')) * 60 + (s[4] - '0') * 10 + (s[5] - '0');
	*offset_s = (s[0] == '-' ? -minutes : minutes) * 60;
	return true;
}

static bool
zone_offset_sane(int64_t offset_s)
{
	return offset_s >= ZONE_OFFSET_MIN_S && offset_s <= ZONE_OFFSET_MAX_S;
}

/* After the zone's name in canonical text: the first offset, then "TIME=OFFSET" for each transition; all in seconds. */
static bool
zone_read_canonical(struct reader *r, struct config_timezone *z)
{
	long long offset_s, at_s;
	int end = 0;

	if (sscanf(r->words.text, "%lld%n", &offset_s, &end) != 1 || (size_t)end != r->words.len ||
	    !zone_offset_sane(offset_s))
		return reader_fail(r, "write what config_print writes", "no offset of a zone");
	z->offset_s = (int32_t)offset_s;
	while (reader_next(r) && words_at_value(&r->words) && r->words.text[0] != '\0' &&
	    strchr("-0123456789", r->words.text[0]) != NULL) {
		if (sscanf(r->words.text, "%lld=%lld%n", &at_s, &offset_s, &end) != 2 || (size_t)end != r->words.len ||
		    !zone_offset_sane(offset_s) || z->transition_count == CONFIG_TRANSITIONS_MAX ||
		    (z->transition_count > 0 && z->transitions[z->transition_count - 1].at_s >= at_s))
			return reader_fail(r, "write what config_print writes", "no transition of a zone");
		z->transitions[z->transition_count].at_s = at_s;
		z->transitions[z->transition_count++].offset_s = (int32_t)offset_s;
	}
	return r->err->message[0] == '\0';
}

/* An offset, or the name of a zone. */
static bool
timezone_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_timezone *z = at;
	const char *why;

	(void)base;
	*z = (struct config_timezone){0};
	if (offset_parse(r->words.text, r->words.len, &z->offset_s)) {
		if (!zone_offset_sane(z->offset_s))
			return reader_fail(r, "write an offset from -12:00 to +14:00", "no place on Earth has the offset %.64s",
			    r->words.text);
		return reader_next(r);
	}
	if (!isalpha((unsigned char)r->words.text[0]))
		return reader_fail(r, "write a zone like \"Asia/Shanghai\", or an offset like \"+08:00\"",
		    "%s must be an offset from UTC or the name of a zone", o->name);
	if (!r->canonical && (why = zone_load(r->words.text, z)) != NULL)
		return reader_fail(r, "write a zone like \"Asia/Shanghai\" (the package tzdata has them), or an offset like "
		    "\"+08:00\"", "%s cannot be read: %s", o->name, why);
	if ((z->name = reader_keep(r, r->words.text, r->words.len)) == NULL)
		return false;
	return reader_next(r) && (!r->canonical || zone_read_canonical(r, z));
}

static bool
timezone_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config_timezone *z = at;
	int32_t minutes = z->offset_s / 60;
	char text[64];

	(void)o;
	(void)base;
	if (z->name == NULL) {
		snprintf(text, sizeof(text), " \"%c%02d:%02d\"", minutes < 0 ? '-' : '+', abs(minutes) / 60,
		    abs(minutes) % 60);
		print_text(b, text);
		return true;
	}
	print_quoted(b, z->name);
	snprintf(text, sizeof(text), " \"%d\"", z->offset_s);
	print_text(b, text);
	for (uint16_t i = 0; i < z->transition_count; i++) {
		snprintf(text, sizeof(text), " \"%lld=%d\"", (long long)z->transitions[i].at_s, z->transitions[i].offset_s);
		print_text(b, text);
	}
	return true;
}

const struct option_type type_timezone = {"ZONE", timezone_read, timezone_print, NULL};

/* One or more of a set of words, as bits. */
static bool
words_read(struct reader *r, const struct option *o, void *base, void *at)
{
	unsigned *bits = at;

	(void)base;
	do {
		size_t i = 0;

		while (o->words[i] != NULL && strcmp(o->words[i], r->words.text) != 0)
			i++;
		if (o->words[i] == NULL)
			return reader_fail_unknown(r, o->name, o->words);
		if ((*bits & 1U << i) != 0)
			return reader_fail(r, "remove one of them", "%s \"%s\" is written twice", o->name, o->words[i]);
		*bits |= 1U << i;
		if (!reader_next(r))
			return false;
	} while (reader_at_item(r));
	return true;
}

static bool
words_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	unsigned bits = *(const unsigned *)at;

	(void)base;
	for (size_t i = 0; o->words[i] != NULL; i++) {
		if ((bits & 1U << i) != 0) {
			print_text(b, " ");
			print_text(b, o->words[i]);
		}
	}
	return bits != 0;
}

const struct option_type type_words = {"WORD ...", words_read, words_print, NULL};

/* The same, whose first word is none and goes with no other. */
static bool
words_or_none_read(struct reader *r, const struct option *o, void *base, void *at)
{
	unsigned *bits = at;

	if (!words_read(r, o, base, at))
		return false;
	return (*bits & 1U) == 0 || *bits == 1U ||
	    config_fail(r->err, r->option_place, o->name, "write none alone, or remove it", "%s is both none and something",
	        o->name);
}

const struct option_type type_words_or_none = {"WORD ...", words_or_none_read, words_print, NULL};

/* One of a set of words, as its number from 1. */
static bool
word_read(struct reader *r, const struct option *o, void *base, void *at)
{
	uint32_t i = 0;

	(void)base;
	while (o->words[i] != NULL && strcmp(o->words[i], r->words.text) != 0)
		i++;
	if (o->words[i] == NULL)
		return reader_fail_unknown(r, o->name, o->words);
	*(uint32_t *)at = i + 1;
	return reader_next(r);
}

static bool
word_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	uint32_t i = *(const uint32_t *)at;

	(void)base;
	if (i == 0)
		return false;
	print_text(b, " ");
	print_text(b, o->words[i - 1]);
	return true;
}

const struct option_type type_word = {"WORD", word_read, word_print, NULL};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 64 digits at text. */
static bool
sha256_take(const char *text, uint8_t to[32])
{
	uint8_t bytes[32];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		int hi = hex_digit(text[2 * i]);
		int lo = hi < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (lo < 0)
			return false;
		bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	memcpy(to, bytes, sizeof(bytes));
	return true;
}

static bool
certificate_read(struct reader *r, const struct option *o, void *base, void *at)
{
	(void)base;
	if (r->words.len != 64 || !sha256_take(r->words.text, at))
		return reader_fail(r, "take the 64 digits of: openssl x509 -outform DER -in CERT | sha256sum",
		    "%s must be 64 hexadecimal digits", o->name);
	return reader_next(r);
}

static bool
certificate_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const uint8_t *bytes = at;
	char text[65];

	(void)o;
	(void)base;
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	print_quoted(b, text);
	return true;
}

const struct option_type type_certificate = {"SHA256", certificate_read, certificate_print, NULL};

/* sha256:HEX of a plugin's file. There is nothing to print: the canonical text has none. */

static const char pin_prefix[] = "sha256:";

static bool
pin_read(struct reader *r, const struct option *o, void *base, void *at)
{
	size_t n = sizeof(pin_prefix) - 1;

	(void)base;
	if (r->words.len != n + 64 || strncmp(r->words.text, pin_prefix, n) != 0 || !sha256_take(r->words.text + n, at))
		return reader_fail(r, "write sha256: and the 64 digits of: sha256sum FILE", "%s must be sha256: and 64 hexadecimal"
		    " digits", o->name);
	return reader_next(r);
}

static bool
pin_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	(void)b;
	(void)o;
	(void)base;
	(void)at;
	return false;
}

const struct option_type type_pin = {"sha256:HEX", pin_read, pin_print, NULL};
