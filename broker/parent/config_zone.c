/* SPDX-License-Identifier: Apache-2.0 */
/* Reading TZif files, with the rule at their end for the years that they do not list. */
#include "broker/parent/config_zone.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/base/check.h"

#define ZONEINFO "/usr/share/zoneinfo"

enum {
	FILE_MAX = 64 * 1024, /* the largest of the system's has some 4 KiB */
	HEADER_LEN = 44,
	NAME_MAX_LEN = 64,
};

static const char damaged[] = "the system's file of it is damaged";

/* --- the file --- */

struct header {
	uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t
load32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t
load64(const unsigned char *p)
{
	return (int64_t)((uint64_t)load32(p) << 32 | load32(p + 4));
}

static bool
header_read(const unsigned char *p, size_t len, struct header *h)
{
	if (len < HEADER_LEN || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	*h = (struct header){load32(p + 20), load32(p + 24), load32(p + 28), load32(p + 32), load32(p + 36), load32(p + 40)};
	return h->isut < FILE_MAX && h->isstd < FILE_MAX && h->leap < FILE_MAX && h->time < FILE_MAX && h->type > 0 &&
	    h->type <= 256 && h->chars < FILE_MAX;
}

/* Bytes of a data block whose times take `width` bytes each. */
static size_t
block_len(const struct header *h, size_t width)
{
	return h->time * (width + 1) + h->type * 6 + h->chars + h->leap * (width + 4) + h->isstd + h->isut;
}

/* --- dates --- */

/* Days since 1970-01-01 of a date; months count from 1. */
static int64_t
day_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int
month_days(int64_t year, int month)
{
	return (int)(month == 12 ? day_of(year + 1, 1, 1) - day_of(year, 12, 1) :
	    day_of(year, month + 1, 1) - day_of(year, month, 1));
}

/* --- the rule: std offset dst [offset],start[/time],end[/time] --- */

struct rule_date {
	int month, week, weekday;
	int32_t time_s;
};

struct rule {
	int32_t std_s, dst_s;
	bool dst;
	struct rule_date start, end;
};

static bool
number(const char **at, int max, int *to)
{
	int n = 0;

	if (!isdigit((unsigned char)**at))
		return false;
	while (isdigit((unsigned char)**at) && n <= max)
		n = n * 10 + (*(*at)++ - '0');
	*to = n;
	return n <= max;
}

/* hh[:mm[:ss]] with a sign. */
static bool
clock_time(const char **at, int hours_max, int32_t *to)
{
	int sign = **at == '-' ? -1 : 1, part[3] = {0};

	if (**at == '-' || **at == '+')
		(*at)++;
	if (!number(at, hours_max, &part[0]))
		return false;
	for (int i = 1; i < 3 && **at == ':'; i++) {
		(*at)++;
		if (!number(at, 59, &part[i]))
			return false;
	}
	*to = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
	return true;
}

static bool
zone_word(const char **at)
{
	const char *from = *at;

	if (**at == '<') {
		while (**at != '\0' && **at != '>')
			(*at)++;
		if (**at != '>')
			return false;
		(*at)++;
		return true;
	}
	while (isalpha((unsigned char)**at))
		(*at)++;
	return *at > from;
}

/* ,Mm.w.d[/time] */
static bool
rule_date(const char **at, struct rule_date *d)
{
	d->time_s = 2 * 3600;
	if (**at != ',' || (*at)[1] != 'M')
		return false;
	*at += 2;
	if (!number(at, 12, &d->month) || d->month < 1 || *(*at)++ != '.' || !number(at, 5, &d->week) || d->week < 1 ||
	    *(*at)++ != '.' || !number(at, 6, &d->weekday))
		return false;
	if (**at != '/')
		return true;
	(*at)++;
	return clock_time(at, 167, &d->time_s);
}

static bool
rule_read(const char *at, struct rule *r)
{
	int32_t west;

	if (!zone_word(&at) || !clock_time(&at, 24, &west))
		return false;
	*r = (struct rule){.std_s = -west, .dst_s = -west + 3600};
	if (*at == '\0')
		return true;
	r->dst = true;
	if (!zone_word(&at))
		return false;
	if (*at != ',') {
		if (!clock_time(&at, 24, &west))
			return false;
		r->dst_s = -west;
	}
	return rule_date(&at, &r->start) && rule_date(&at, &r->end) && *at == '\0';
}

/* Local seconds since 1970 of the rule's moment in that year. */
static int64_t
rule_moment(const struct rule_date *d, int64_t year)
{
	int64_t first = day_of(year, d->month, 1);
	/* 1970-01-01 was a Thursday; Sunday is 0. */
	int weekday = (int)(((first + 4) % 7 + 7) % 7);
	int day = 1 + (d->weekday - weekday + 7) % 7 + (d->week - 1) * 7;

	while (day > month_days(year, d->month))
		day -= 7;
	return (first + day - 1) * 86400 + d->time_s;
}

/* --- the table --- */

static bool
transition_add(struct config_timezone *z, int64_t at_s, int32_t offset_s)
{
	int32_t now_s = z->transition_count == 0 ? z->offset_s : z->transitions[z->transition_count - 1].offset_s;

	if (offset_s < ZONE_OFFSET_MIN_S || offset_s > ZONE_OFFSET_MAX_S)
		return false;
	if (at_s <= ZONE_FROM_S) {
		z->offset_s = offset_s;
		return true;
	}
	if (offset_s == now_s || at_s >= ZONE_TO_S)
		return true;
	if (z->transition_count == CONFIG_TRANSITIONS_MAX)
		return false;
	z->transitions[z->transition_count].at_s = at_s;
	z->transitions[z->transition_count++].offset_s = offset_s;
	return true;
}

static bool
rule_apply(struct config_timezone *z, const struct rule *r, int64_t after_s)
{
	if (!r->dst)
		return after_s > ZONE_FROM_S || transition_add(z, ZONE_FROM_S, r->std_s);
	for (int64_t year = 2019; year <= 2050; year++) {
		int64_t on_s = rule_moment(&r->start, year) - r->std_s, off_s = rule_moment(&r->end, year) - r->dst_s;
		bool on_first = on_s < off_s;
		int64_t first_s = on_first ? on_s : off_s, second_s = on_first ? off_s : on_s;

		if (first_s > after_s && !transition_add(z, first_s, on_first ? r->dst_s : r->std_s))
			return false;
		if (second_s > after_s && !transition_add(z, second_s, on_first ? r->std_s : r->dst_s))
			return false;
	}
	return true;
}

static bool
footer_read(const unsigned char *p, size_t len, struct rule *r, bool *there)
{
	char text[NAME_MAX_LEN + 1];
	size_t n = 0;

	if (len < 2 || p[0] != '\n')
		return false;
	while (n + 1 < len && p[n + 1] != '\n')
		n++;
	if (n + 1 == len || n > NAME_MAX_LEN)
		return false;
	memcpy(text, p + 1, n);
	text[n] = '\0';
	*there = n > 0;
	return n == 0 || rule_read(text, r);
}

const char *
zone_read(const unsigned char *bytes, size_t len, struct config_timezone *zone)
{
	struct config_timezone z = {.name = zone->name};
	const unsigned char *times, *which, *types, *p = bytes;
	struct header h;
	struct rule rule;
	int64_t last_s = INT64_MIN;
	bool there;

	/* The first block has times of 32 bits: it is skipped. */
	if (!header_read(p, len, &h) || len - HEADER_LEN < block_len(&h, 4))
		return damaged;
	p += HEADER_LEN + block_len(&h, 4);
	len -= HEADER_LEN + block_len(&h, 4);
	if (!header_read(p, len, &h) || len - HEADER_LEN < block_len(&h, 8))
		return damaged;
	times = p + HEADER_LEN;
	which = times + (size_t)h.time * 8;
	types = which + h.time;
	if (!footer_read(p + HEADER_LEN + block_len(&h, 8), len - HEADER_LEN - block_len(&h, 8), &rule, &there))
		return "its rule is of a form that is not known here";
	z.offset_s = (int32_t)load32(types);
	if (h.time == 0 && there)
		z.offset_s = rule.std_s;
	for (uint32_t i = 0; i < h.time; i++) {
		int64_t at_s = load64(times + (size_t)i * 8);

		if (which[i] >= h.type || (i > 0 && at_s <= last_s))
			return damaged;
		last_s = at_s;
		/* Long ago clocks were set by the sun; of that only the last before the table matters. */
		if (i + 1 < h.time && load64(times + ((size_t)i + 1) * 8) <= ZONE_FROM_S)
			continue;
		if (!transition_add(&z, at_s, (int32_t)load32(types + (size_t)which[i] * 6)))
			return "it changes too often, or to an offset that no place has";
	}
	if (there && !rule_apply(&z, &rule, last_s))
		return "it changes too often, or to an offset that no place has";
	*zone = z;
	return NULL;
}

/* Area/Place: no way out of the directory. */
static bool
name_sane(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_LEN || !isalpha((unsigned char)name[0]) || strstr(name, "//") != NULL ||
	    name[len - 1] == '/')
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("/_+-", *p) == NULL)
			return false;
	return true;
}

const char *
zone_load(const char *name, struct config_timezone *zone)
{
	static unsigned char bytes[FILE_MAX];
	char path[sizeof(ZONEINFO) + NAME_MAX_LEN + 1];
	size_t len = 0;
	ssize_t n = 0;
	int fd;

	if (!name_sane(name))
		return "it is no name of a zone";
	snprintf(path, sizeof(path), "%s/%s", ZONEINFO, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return "the system does not know it";
	while (len < sizeof(bytes) && (n = read(fd, bytes + len, sizeof(bytes) - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (n < 0 || len == sizeof(bytes))
		return damaged;
	return zone_read(bytes, len, zone);
}
