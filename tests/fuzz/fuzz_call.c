/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on one connection of the engine, over the store in memory. The first byte chooses the door: service, admin or
 * gateway. The engine stays from input to input, as it does from connection to connection; what it says must be whole
 * messages of JSON, and no byte may end it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/base/varlink.h"
#include "broker/engine/engine.h"
#include "broker/store/mem.h"
#include "tests/sim/bare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { UID = 1001, TURNS = 8 };

static const struct bare bare = {.realm = "fuzzed", .shop = "rights spend refund link enrol respond lookup explain",
    .sandbox = ""};
static struct engine *engine;
static struct clock_now now = {.wall_ms = INT64_C(1790000000000), .boot_ms = 1000000};

static void
start(void)
{
	static const uint8_t master[32] = {1, 2, 3};

	engine = bare_engine(&bare, keyring_from(master), store_mem_open(NULL), &now);
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
