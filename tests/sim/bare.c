/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration is read from files, as the parent does it; they are gone again at once. */
#include "tests/sim/bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"

static const char config_text[] =
    "realm \"%s\"\n"
    "run-directory \"%s\"\n"
    "state-directory \"%s\"\n"
    "listen service \"%s/s\"\n"
    "listen admin \"%s/a\"\n"
    "store mem { path \"%s/db\" }\n"
    "keys { file \"%s/key\" }\n"
    "cooling-off { link 0 factor 0 limit 0 }\n"
    "policy-limits CNY { per-payment 100 per-day 400 per-month 2000 count-day 60 count-month 400 }\n"
    "service \"shop\" { uid 1001 door unix client-id \"sandbox\" \"web\" stack \"shop\"\n    %s }\n"
    "provider \"sandbox\" { plugin \"oidc\" cooling-off 0 syncs-secrets no set issuer \"https://idp.test\"\n"
    "    set client-id \"web\" %s }\n"
    "factor \"totp\" { plugin \"totp\" cooling-off 0 }\n"
    "stacks \"%s\"\n";

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static struct config *
read_config(const struct bare *b)
{
	static const char *const names[] = {"c.conf", "next.conf", "shop", "other"};
	char dir[] = "/tmp/cs-bare-XXXXXX", text[4096], path[256];
	size_t len;
	struct config *c;
	struct config_error err;
	int n;

	CHECK(mkdtemp(dir) != NULL);
	n = snprintf(text, sizeof(text), config_text, b->realm, dir, dir, dir, dir, dir, dir, b->shop, b->sandbox, dir);
	CHECK(n > 0 && (size_t)n < sizeof(text));
	len = (size_t)n;
	if (b->candidate != NULL)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "shadow-config \"next.conf\"\n");
	CHECK(len < sizeof(text));
	write_file(dir, "c.conf", text);
	n = snprintf(text, sizeof(text), config_text, b->realm, dir, dir, dir, dir, dir, dir, b->shop,
	    b->candidate == NULL ? "" : b->candidate, dir);
	CHECK(n > 0 && (size_t)n < sizeof(text));
	write_file(dir, "next.conf", text);
	write_file(dir, "shop", "spend requisite session\nspend requisite limit in-all=100000CNY per-24h=100000CNY\nspend sufficient allowance\nspend required stepup any=totp\n");
	write_file(dir, "other", "spend required deny\n");
	snprintf(path, sizeof(path), "%s/c.conf", dir);
	if (config_load(path, &c, &err) != CS_OK) {
		config_error_text(&err, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
		CHECK(!"the configuration is refused");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	return c;
}

static void
update(void *ctx, struct stream *s)
{
	(void)ctx;
	(void)s;
}

static struct stream *
no_worker(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return NULL;
}

struct engine *
bare_engine(const struct bare *b, struct keyring *keys, struct store *store, const struct clock_now *now)
{
	static const struct stream_ops io = {.update = update, .connect = no_worker};
	struct engine *e;
	char why[256];

	CHECK(engine_new(read_config(b), keys, store, &io, now, &e, why) == CS_OK);
	return e;
}
