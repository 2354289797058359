/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for the do-it-yourself decision in Redis (decide.lua), with the client of all the other
 * figures.
 *
 *   redis_load SOCKET --sha SHA1 --people FILE [--connections N ...]
 *
 * Session ids must have SESSION_CHARS characters, so that the message can be prepared.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/driver.h"
#include "tests/bench/form.h"

enum { SESSION_CHARS = 31, LINE_MAX_BYTES = 64 };

static const char message[] = "*12\r\n$7\r\nEVALSHA\r\n$40\r\n%p\r\n$1\r\n1\r\n"
			      "$36\r\nsess:%1\r\n$8\r\ncheckout\r\n$24\r\n%n\r\n$24\r\n%n\r\n$"
			      "1\r\n1\r\n$3\r\nCNY\r\n$3\r\nm-7\r\n"
			      "$11\r\nCorner Shop\r\n$10\r\n%t\r\n";

struct load {
	struct people people;
	struct form form;
};

static size_t
ask(void *ctx, char *out)
{
	struct load *l = ctx;

	return form_fill(&l->form, people_pick(&l->people, false), out, DRIVER_REQUEST_MAX);
}

/* The number in a line "$12" or "*3"; *end is behind the line. 0 and *end NULL while the line is
 * not all there. */
static long
line_number(const char *data, size_t have, const char **end)
{
	const char *newline = memchr(data, '\n', have);

	*end = newline != NULL ? newline + 1 : NULL;
	return newline != NULL ? strtol(data + 1, NULL, 10) : 0;
}

/* Length of one value that is not an array; 0 while it is not all there. */
static size_t
scalar_length(const char *data, size_t have)
{
	const char *end;
	long n;

	if (have == 0)
		return 0;
	n = line_number(data, have, &end);
	if (end == NULL)
		return 0;
	if (*data != '$' || n < 0)
		return (size_t)(end - data);
	return (size_t)(end - data) + (size_t)n + 2 <= have ? (size_t)(end - data) + (size_t)n + 2
							    : 0;
}

static size_t
hear(void *ctx, const char *data, size_t have, enum heard *heard)
{
	static const char permit[] = "$6\r\npermit\r\n";
	const char *end;
	size_t at, len;
	long n;

	(void)ctx;
	if (have == 0 || *data != '*') {
		*heard = HEARD_OTHER;
		return scalar_length(data, have);
	}
	n = line_number(data, have, &end);
	if (end == NULL)
		return 0;
	at = (size_t)(end - data);
	if (have - at < sizeof(permit) - 1 || memcmp(end, permit, sizeof(permit) - 1) != 0)
		*heard = HEARD_OTHER;
	for (; n > 0; n--, at += len) {
		len = scalar_length(data + at, have - at);
		if (len == 0)
			return 0;
	}
	return at;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {DRIVER_LONG_OPTIONS,
	    {"people", required_argument, NULL, 'f'}, {"sha", required_argument, NULL, 'a'},
	    {NULL, 0, NULL, 0}};
	static struct load l;
	struct driver_options options = DRIVER_DEFAULTS;
	struct transport transport;
	const char *people = NULL, *sha = NULL;
	int c;

	while ((c = getopt_long(argc, argv, DRIVER_SHORT_OPTIONS "f:a:", longs, NULL)) != -1) {
		if (c == 'f')
			people = optarg;
		else if (c == 'a')
			sha = optarg;
		else if (!driver_option(&options, c, optarg))
			errx(2, "a bad option or value; usage: redis_load SOCKET --sha SHA1 "
				"--people FILE [options]");
	}
	if (argc - optind != 1 || people == NULL || sha == NULL || strlen(sha) != 40)
		errx(2, "usage: redis_load SOCKET --sha SHA1 --people FILE [options]");
	people_read(&l.people, people);
	for (size_t i = 0; i < l.people.n; i++)
		if (l.people.people[i].first.len != SESSION_CHARS)
			errx(1, "%s: line %zu: a session of %d characters expected", people, i + 1,
			    SESSION_CHARS);
	form_init(&l.form, message, sha);
	transport = transport_unix(argv[optind]);
	return driver_run(&options, &transport, &(struct traffic){"redis", ask, hear, &l});
}
