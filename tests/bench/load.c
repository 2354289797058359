/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for the broker's Unix socket.
 *
 *   load KIND SOCKET [--people FILE] [--param WORD] [--connections N] [--depth N] [--seconds S]
 * [--rate N] ...
 *
 * Every reply is looked at: one that is not what the kind expects makes the run fail, so that a
 * fast refusal is never taken for a fast decision.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/driver.h"
#include "tests/bench/form.h"

#define PAYMENT                                                                                    \
	"\"payment\":{\"id\":\"%n\",\"amount\":\"0.01\",\"currency\":\"CNY\","                     \
	"\"payee\":{\"id\":\"m-7\",\"name\":\"Corner Shop\"}}"

static const struct kind {
	const char *name;
	const char *text;
	const char *expect; /* in every good reply */
	bool people, once;
} kinds[] = {
    {"authorize",
	"{\"method\":\"org.countersign.Payments.Authorize\",\"parameters\":{\"session\":\"%"
	"1\"," PAYMENT ",\"capture\":true}}%0",
	"\"outcome\":\"permit\"", true, false},
    {"evaluate",
	"{\"method\":\"org.countersign.Payments.Evaluate\",\"parameters\":{\"session\":\"%"
	"1\"," PAYMENT "}}%0",
	"\"outcome\":\"permit\"", true, false},
    {"lookup",
	"{\"method\":\"org.countersign.Lookup.ByAccount\",\"parameters\":{\"account\":\"%2\"}}%0",
	"\"entries\":[{", true, false},
    {"info", "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}%0",
	"\"vendor\":", false, false},
    {"begin",
	"{\"method\":\"org.countersign.Sessions.Begin\",\"parameters\":{\"provider\":\"%p\"}}%0",
	"\"nonce\":", false, false},
    {"open",
	"{\"method\":\"org.countersign.Sessions.Open\",\"parameters\":{\"sign_in\":\"%1\",\"id_"
	"token\":\"%2\"}}%0",
	"\"session\":", true, true},
};

struct load {
	const struct kind *kind;
	struct people people;
	struct form form;
	size_t expect_len;
};

static size_t
ask(void *ctx, char *out)
{
	struct load *l = ctx;
	const struct person *who = NULL;

	if (l->kind->people && (who = people_pick(&l->people, l->kind->once)) == NULL)
		return 0;
	return form_fill(&l->form, who, out, DRIVER_REQUEST_MAX);
}

static size_t
hear(void *ctx, const char *data, size_t have, enum heard *heard)
{
	struct load *l = ctx;
	const char *end = memchr(data, '\0', have);

	if (end == NULL)
		return 0;
	if (memmem(data, (size_t)(end - data), l->kind->expect, l->expect_len) == NULL)
		*heard = HEARD_OTHER;
	return (size_t)(end - data) + 1;
}

static const struct kind *
kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	errx(2,
	    "%s is not a kind of message; authorize, evaluate, lookup, info, begin and open are",
	    name);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {DRIVER_LONG_OPTIONS,
	    {"people", required_argument, NULL, 'f'}, {"param", required_argument, NULL, 'p'},
	    {NULL, 0, NULL, 0}};
	static struct load l;
	struct driver_options options = DRIVER_DEFAULTS;
	struct transport transport;
	const char *people = NULL, *param = NULL;
	int c;

	while ((c = getopt_long(argc, argv, DRIVER_SHORT_OPTIONS "f:p:", longs, NULL)) != -1) {
		if (c == 'f')
			people = optarg;
		else if (c == 'p')
			param = optarg;
		else if (!driver_option(&options, c, optarg))
			errx(2, "a bad option or value; usage: load KIND SOCKET [options]");
	}
	if (argc - optind != 2)
		errx(2, "usage: load KIND SOCKET [options]");
	l.kind = kind_find(argv[optind]);
	l.expect_len = strlen(l.kind->expect);
	if (l.kind->people) {
		if (people == NULL)
			errx(2, "%s needs --people FILE", l.kind->name);
		people_read(&l.people, people);
	}
	form_init(&l.form, l.kind->text, param);
	transport = transport_unix(argv[optind + 1]);
	return driver_run(&options, &transport, &(struct traffic){l.kind->name, ask, hear, &l});
}
