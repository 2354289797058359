/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on one connection of the engine, over the store in memory. The first byte chooses the door: service, admin or
 * gateway. The engine stays from input to input, as it does from connection to connection; what it says must be whole
 * messages of JSON, and no byte may end it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/base/varlink.h"
#include "broker/engine/engine.h"
#include "broker/store/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { UID = 1001, TURNS = 8 };

static const char config_text[] =
    "realm \"fuzzed\"\n"
    "run-directory \"%s\"\n"
    "state-directory \"%s\"\n"
    "listen service \"%s/s\"\n"
    "listen admin \"%s/a\"\n"
    "store mem { path \"%s/db\" }\n"
    "keys { file \"%s/key\" }\n"
    "cooling-off { link 0 factor 0 }\n"
    "policy-limits CNY { per-payment 100 per-day 400 per-month 2000 count-day 60 count-month 400 }\n"
    "service \"shop\" { uid 1001 door unix rights spend refund link enrol respond lookup explain\n"
    "    client-id \"sandbox\" \"web\" stack \"shop\" }\n"
    "provider \"sandbox\" { plugin \"oidc\" cooling-off 0 syncs-secrets no set issuer \"https://idp.test\"\n"
    "    set client-id \"web\" }\n"
    "factor \"totp\" { plugin \"totp\" cooling-off 0 }\n"
    "stacks \"%s\"\n";

static struct engine *engine;
static struct clock_now now = {.wall_ms = INT64_C(1790000000000), .boot_ms = 1000000};

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
read_config(void)
{
	static const char *const names[] = {"c.conf", "shop", "other"};
	char dir[] = "/tmp/cs-fuzz-XXXXXX", text[4096], path[256];
	struct config *c = NULL;
	struct config_error err;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(text, sizeof(text), config_text, dir, dir, dir, dir, dir, dir, dir);
	write_file(dir, "c.conf", text);
	write_file(dir, "shop", "spend requisite session\nspend sufficient allowance\nspend required stepup any=totp\n");
	write_file(dir, "other", "spend required deny\n");
	snprintf(path, sizeof(path), "%s/c.conf", dir);
	CHECK(config_load(path, &c, &err) == CS_OK);
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

static void
start(void)
{
	static const uint8_t master[32] = {1, 2, 3};
	static const struct stream_ops io = {.update = update, .connect = no_worker};
	char why[256];

	CHECK(engine_new(read_config(), keyring_from(master), store_mem_open(NULL), &io, &now, &engine, why) == CS_OK);
}

static void
turn(struct stream *s)
{
	now.wall_ms += 3;
	now.boot_ms += 3;
	engine_turn_begin(engine, &now);
	if (s != NULL)
		engine_ready(engine, s);
	engine_turn_end(engine);
	engine_tick(engine);
	store_idle(engine->store, 1000);
	engine_turn_end(engine);
}

/* Every reply is one object, and says what a reply may say. */
static void
read_replies(struct stream *s)
{
	static struct json_token tokens[JSON_TOKENS_MAX];
	struct json doc;
	size_t len;

	CHECK(s->unsettled == 0);
	while (varlink_frame((char *)s->out.buf.data, s->out.buf.len, NULL, &len) == CS_OK) {
		enum cs_err err = json_read((char *)s->out.buf.data, len, tokens, JSON_TOKENS_MAX, &doc, NULL);

		/* An answer may have more tokens than a call may have; anything else is wrong. */
		CHECK(err == CS_OK || err == CS_ERR_FULL);
		if (err == CS_OK)
			CHECK(json_type(&doc, 0) == JSON_OBJECT);
		bytes_consume(&s->out, len + 1);
	}
	CHECK(s->out.buf.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum stream_kind doors[] = {STREAM_SERVICE, STREAM_ADMIN, STREAM_GATEWAY};
	struct stream s;

	if (engine == NULL)
		start();
	if (len == 0 || len > VARLINK_MESSAGE_MAX)
		return 0;
	stream_init(&s, doors[data[0] % 3], UID);
	/* A call ends with a NUL; lines do here, so that a corpus can be read. */
	for (size_t i = 1; i < len; i++)
		buf_put_u8(&s.in.buf, data[i] == '\n' ? 0 : data[i]);
	buf_put_u8(&s.in.buf, 0);
	for (int i = 0; i < TURNS && s.out.buf.len < STREAM_OUT_FULL; i++)
		turn(&s);
	read_replies(&s);
	engine_gone(engine, &s);
	turn(NULL);
	stream_clear(&s);
	return 0;
}
