/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Redis servers say. The first byte cuts the rest into pieces, which the reader gets one by one; each reply is read
 * as an error, INFO, settings and slots. The same bytes in one piece must give the same number of replies, and none may
 * be over its bounds. The rest is also read as the text of INFO and as an address.
 */
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/redis/address.h"
#include "broker/store/redis/replies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
objects_of(const struct redisReply *r, size_t *bytes, int depth)
{
	size_t n = 1;

	CHECK(depth < 9);
	*bytes += r->len;
	if (r->str != NULL)
		CHECK(r->str[r->len] == '\0');
	for (size_t i = 0; i < r->elements; i++)
		n += objects_of(r->element[i], bytes, depth + 1);
	return n;
}

static void
range_take(void *ctx, unsigned first, unsigned last, const struct fleet_address *master)
{
	struct address a;

	(void)ctx;
	CHECK(first <= last && last < SLOTS_ALL);
	CHECK(address_read(master->text, &a) == CS_OK && !a.local);
}

static void
text_read(struct view text)
{
	struct reply_info info = {.run_id = ""};

	if (reply_info(text, &info))
		CHECK((info.run_id[0] == '\0' || strlen(info.run_id) == REPLY_ID_TEXT - 1) &&
		    (info.replid[0] == '\0' || strlen(info.replid) == REPLY_ID_TEXT - 1));
	(void)reply_epoch(text);
}

static void
reply_look(const struct redisReply *r)
{
	struct fleet_address to;
	struct address a;
	char setting[8];
	unsigned slot = 0;
	size_t bytes = 0;

	CHECK(objects_of(r, &bytes, 0) <= REPLY_OBJECTS_MAX && bytes <= FLEET_REPLY_MAX);
	CHECK((reply_sort(r) == REPLY_FINE) == (r->type != REDIS_REPLY_ERROR));
	if (reply_redirect(r, "host", &slot, &to))
		CHECK(slot < SLOTS_ALL && address_read(to.text, &a) == CS_OK && !a.local);
	if (reply_config(r, "appendonly", setting, sizeof(setting)))
		CHECK(strlen(setting) < sizeof(setting));
	(void)reply_slots(r, "host", range_take, NULL);
	(void)reply_is_status(r, "OK");
	text_read(reply_view(r));
}

/* Replies until the end, or until it is not the protocol any more. */
static size_t
replies_read(const uint8_t *data, size_t size, size_t piece)
{
	struct reply_reader reader;
	const char *why = NULL;
	size_t n = 0;
	enum cs_err rc = CS_OK;

	reply_reader_init(&reader);
	for (size_t at = 0; rc == CS_OK && at < size; at += piece) {
		struct redisReply *r = NULL;

		rc = reply_feed(&reader, data + at, size - at < piece ? size - at : piece, &why);
		while (rc == CS_OK && (rc = reply_next(&reader, &r, &why)) == CS_OK && r != NULL) {
			reply_look(r);
			reply_free(r);
			n++;
		}
	}
	CHECK(rc == CS_OK || (rc == CS_ERR_SYNTAX && why != NULL));
	reply_reader_clear(&reader);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[FLEET_ADDRESS_TEXT + 8];
	struct address a;
	size_t n;

	if (size == 0)
		return 0;
	CHECK(replies_read(data + 1, size - 1, (size_t)data[0] % 16 + 1) == replies_read(data + 1, size - 1, size));
	text_read(view_of(data + 1, size - 1));
	n = size - 1 < sizeof(text) - 1 ? size - 1 : sizeof(text) - 1;
	memcpy(text, data + 1, n);
	text[n] = '\0';
	if (address_read(text, &a) == CS_OK)
		CHECK(a.host[0] != '\0' && a.local == (a.port[0] == '\0'));
	return 0;
}
