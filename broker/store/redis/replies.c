/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies are built by functions of our own, since those of hiredis 0.14 allocate what an array's length says before its
 * elements have come: "*1073741825" would be eight gigabytes. Here a reply has a budget, and what is over it ends the reader.
 */
#include "broker/store/redis/replies.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"

enum { READER_KEEP_BYTES = 256 * 1024, PORT_MAX = 65535, HOST_MAX = 100 };

/* ---- objects ---- */

static struct redisReply *
object_new(const redisReadTask *task, int type, size_t slots, size_t bytes)
{
	struct reply_reader *r = task->privdata;
	struct redisReply *o;

	if (task->parent == NULL) {
		r->budget.objects = REPLY_OBJECTS_MAX;
		r->budget.bytes = FLEET_REPLY_MAX;
	}
	if (slots >= r->budget.objects || bytes > r->budget.bytes)
		return NULL;
	r->budget.objects -= slots + 1;
	r->budget.bytes -= bytes;
	o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->type = type;
	if (task->parent != NULL) {
		struct redisReply *parent = task->parent->obj;

		CHECK(parent->type == REDIS_REPLY_ARRAY && task->idx >= 0 && (size_t)task->idx < parent->elements);
		parent->element[task->idx] = o;
	}
	return o;
}

static void *
object_string(const redisReadTask *task, char *text, size_t len)
{
	struct redisReply *o = object_new(task, task->type, 0, len);

	if (o == NULL)
		return NULL;
	o->str = malloc(len + 1);
	CHECK(o->str != NULL);
	memcpy(o->str, text, len);
	o->str[len] = '\0';
	o->len = len;
	return o;
}

static void *
object_array(const redisReadTask *task, int n)
{
	struct redisReply *o = n < 0 ? NULL : object_new(task, REDIS_REPLY_ARRAY, (size_t)n, 0);

	if (o == NULL)
		return NULL;
	o->element = n == 0 ? NULL : calloc((size_t)n, sizeof(*o->element));
	CHECK(n == 0 || o->element != NULL);
	o->elements = (size_t)n;
	return o;
}

static void *
object_integer(const redisReadTask *task, long long value)
{
	struct redisReply *o = object_new(task, REDIS_REPLY_INTEGER, 0, 0);

	if (o != NULL)
		o->integer = value;
	return o;
}

static void *
object_nil(const redisReadTask *task)
{
	return object_new(task, REDIS_REPLY_NIL, 0, 0);
}

void
reply_free(struct redisReply *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->elements; i++)
		reply_free(r->element[i]); /* as deep as the reader goes: 7 */
	free(r->element);
	free(r->str);
	free(r);
}

static void
object_free(void *o)
{
	reply_free(o);
}

static redisReplyObjectFunctions object_functions = {
	object_string, object_array, object_integer, object_nil, object_free};

void
reply_reader_init(struct reply_reader *r)
{
	memset(r, 0, sizeof(*r));
	r->reader = redisReaderCreateWithFunctions(&object_functions);
	CHECK(r->reader != NULL);
	r->reader->maxbuf = READER_KEEP_BYTES;
	r->reader->privdata = r;
}

void
reply_reader_clear(struct reply_reader *r)
{
	if (r->reader != NULL)
		redisReaderFree(r->reader);
	r->reader = NULL;
}

enum cs_err
reply_feed(struct reply_reader *r, const void *data, size_t n, const char **why)
{
	r->reader->privdata = r; /* the struct may have moved since */
	if (redisReaderFeed(r->reader, data, n) != REDIS_OK) {
		*why = r->reader->errstr;
		return CS_ERR_SYNTAX;
	}
	return CS_OK;
}

enum cs_err
reply_next(struct reply_reader *r, struct redisReply **out, const char **why)
{
	void *reply = NULL;

	if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
		*why = r->reader->err == REDIS_ERR_OOM ? "a reply is larger than any we ask for" : r->reader->errstr;
		return CS_ERR_SYNTAX;
	}
	/* What is left is the beginning of one reply. */
	if (reply == NULL && r->reader->len - r->reader->pos > FLEET_REPLY_MAX) {
		*why = "a reply is larger than any we ask for";
		return CS_ERR_SYNTAX;
	}
	*out = reply;
	return CS_OK;
}

/* ---- errors ---- */

static const struct {
	const char *word;
	enum reply_sort sort;
} error_words[] = {
	{"MOVED", REPLY_MOVED},
	{"ASK", REPLY_ASK},
	{"TRYAGAIN", REPLY_LATER},
	{"LOADING", REPLY_LATER},
	{"CLUSTERDOWN", REPLY_LATER},
	{"BUSY", REPLY_LATER},
	{"NOREPLICAS", REPLY_LATER},
	{"MISCONF", REPLY_LATER},
	{"MASTERDOWN", REPLY_LATER},
	{"READONLY", REPLY_READONLY},
	{"NOSCRIPT", REPLY_NOSCRIPT},
	{"OOM", REPLY_FULL},
	{"NOPERM", REPLY_DENIED},
	{"NOAUTH", REPLY_DENIED},
	{"WRONGPASS", REPLY_DENIED},
	{"DENIED", REPLY_DENIED},
};

enum reply_sort
reply_sort(const struct redisReply *r)
{
	size_t word;

	if (r->type != REDIS_REPLY_ERROR)
		return REPLY_FINE;
	word = strcspn(r->str, " ");
	for (size_t i = 0; i < sizeof(error_words) / sizeof(error_words[0]); i++)
		if (view_equal(view_of(r->str, word), view_str(error_words[i].word)))
			return error_words[i].sort;
	return REPLY_OTHER;
}

/* Digits only, up to `max`; -1 otherwise. */
static int64_t
number_read(struct view v, int64_t max)
{
	int64_t n = 0;

	if (v.len == 0)
		return -1;
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] < '0' || v.data[i] > '9' || n > max / 10)
			return -1;
		n = n * 10 + (v.data[i] - '0');
	}
	return n > max ? -1 : n;
}

/* What comes before `end` goes into *part and is dropped from *v, with the `end`; false where there is no such byte. */
static bool
part_take(struct view *v, char end, struct view *part)
{
	const char *at = v->len == 0 ? NULL : memchr(v->data, end, v->len);

	if (at == NULL)
		return false;
	*part = view_of(v->data, (size_t)(at - v->data));
	v->len -= part->len + 1;
	v->data = at + 1;
	return true;
}

bool
reply_address(struct view host, unsigned port, struct fleet_address *to)
{
	bool colon = memchr(host.data == NULL ? "" : host.data, ':', host.len) != NULL;

	if (host.len == 0 || host.len > HOST_MAX || port == 0 || port > PORT_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (host.data[i] <= ' ' || host.data[i] >= 0x7f || host.data[i] == '/' || host.data[i] == '[' || host.data[i] == ']')
			return false;
	snprintf(to->text, sizeof(to->text), colon ? "[%.*s]:%u" : "%.*s:%u", (int)host.len, host.data, port);
	return true;
}

bool
reply_redirect(const struct redisReply *r, const char *host, unsigned *slot, struct fleet_address *to)
{
	struct view text = reply_view(r), word, number, at;
	size_t colon;
	int64_t n, port;

	if (r->type != REDIS_REPLY_ERROR)
		return false;
	text = view_of(r->str, r->len);
	if (!part_take(&text, ' ', &word) || !part_take(&text, ' ', &number))
		return false;
	n = number_read(number, SLOTS_ALL - 1);
	for (colon = text.len; colon > 0 && text.data[colon - 1] != ':'; colon--)
		;
	if (n < 0 || colon == 0)
		return false;
	at = view_of(text.data, colon - 1);
	port = number_read(view_of(text.data + colon, text.len - colon), PORT_MAX);
	if (at.len == 0 || view_equal(at, VIEW("?")))
		at = view_str(host);
	if (port < 0 || !reply_address(at, (unsigned)port, to))
		return false;
	*slot = (unsigned)n;
	return true;
}

bool
reply_is_status(const struct redisReply *r, const char *text)
{
	return r->type == REDIS_REPLY_STATUS && view_equal(view_of(r->str, r->len), view_str(text));
}

struct view
reply_view(const struct redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS ? view_of(r->str, r->len) : view_of(NULL, 0);
}

/* ---- INFO ---- */

static bool
id_read(struct view v, char to[REPLY_ID_TEXT])
{
	if (v.len != REPLY_ID_TEXT - 1)
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (strchr("0123456789abcdef", v.data[i]) == NULL || v.data[i] == '\0')
			return false;
	memcpy(to, v.data, v.len);
	to[v.len] = '\0';
	return true;
}

static void
text_read(struct view v, char *to, size_t cap)
{
	size_t n = v.len < cap - 1 ? v.len : cap - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = v.data[i] > ' ' && v.data[i] < 0x7f ? v.data[i] : '?';
	to[n] = '\0';
}

static uint64_t
count_read(struct view v)
{
	int64_t n = number_read(v, INT64_MAX / 16);

	return n < 0 ? 0 : (uint64_t)n;
}

static unsigned
version_read(struct view v)
{
	unsigned version = 0;
	struct view part;

	for (int i = 0; i < 3; i++) {
		int64_t n;

		if (!part_take(&v, '.', &part)) {
			part = v;
			v = view_of(NULL, 0);
		}
		n = number_read(part, 99);
		version = version * 100 + (n < 0 ? 0 : (unsigned)n);
	}
	return version;
}

/* "slave0:ip=10.0.0.2,port=6379,state=online,offset=1234,lag=0" */
static void
replica_read(struct view v, struct reply_info *i)
{
	struct view part;
	bool online = false, more = true;
	uint64_t offset = 0;

	while (more) {
		more = part_take(&v, ',', &part);
		if (!more)
			part = v;
		if (view_equal(part, VIEW("state=online")))
			online = true;
		else if (part.len > 7 && memcmp(part.data, "offset=", 7) == 0)
			offset = count_read(view_of(part.data + 7, part.len - 7));
	}
	if (!online)
		return;
	i->online++;
	/* The master's own offset comes after its replicas: the difference is taken at the end. */
	if (i->online == 1 || offset < i->lag_bytes)
		i->lag_bytes = offset;
}

static bool
line_read(struct view name, struct view v, struct reply_info *i)
{
	if (view_equal(name, VIEW("run_id")))
		return id_read(v, i->run_id);
	if (view_equal(name, VIEW("master_replid")))
		return id_read(v, i->replid);
	if (view_equal(name, VIEW("redis_version"))) {
		i->version = version_read(v);
		text_read(v, i->version_text, sizeof(i->version_text));
	} else if (view_equal(name, VIEW("redis_mode")))
		i->cluster = view_equal(v, VIEW("cluster"));
	else if (view_equal(name, VIEW("role"))) {
		i->said_role = true;
		i->master = view_equal(v, VIEW("master"));
		i->online = 0;
		i->lag_bytes = 0;
	} else if (name.len > 5 && memcmp(name.data, "slave", 5) == 0 && number_read(view_of(name.data + 5, name.len - 5), 9999) >= 0)
		replica_read(v, i);
	else if (view_equal(name, VIEW("master_host")))
		text_read(v, i->master_address, sizeof(i->master_address));
	else if (view_equal(name, VIEW("master_repl_offset"))) {
		i->offset = count_read(v);
		i->lag_bytes = i->online > 0 && i->offset > i->lag_bytes ? i->offset - i->lag_bytes : 0;
	} else if (view_equal(name, VIEW("loading")))
		i->loading = !view_equal(v, VIEW("0"));
	else if (view_equal(name, VIEW("aof_enabled")))
		i->aof = view_equal(v, VIEW("1"));
	else if (view_equal(name, VIEW("aof_last_write_status")))
		i->aof_fails = !view_equal(v, VIEW("ok"));
	else if (view_equal(name, VIEW("used_memory")))
		i->memory = count_read(v);
	else if (view_equal(name, VIEW("maxmemory")))
		i->memory_max = count_read(v);
	else if (view_equal(name, VIEW("maxmemory_policy")))
		text_read(v, i->eviction, sizeof(i->eviction));
	return true;
}

bool
reply_info(struct view text, struct reply_info *i)
{
	struct view line, name;

	while (part_take(&text, '\n', &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (!part_take(&line, ':', &name))
			continue;
		if (!line_read(name, line, i))
			return false;
	}
	return true;
}

bool
reply_config(const struct redisReply *r, const char *name, char *to, size_t cap)
{
	if (r->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i + 1 < r->elements; i += 2)
		if (view_equal(reply_view(r->element[i]), view_str(name))) {
			text_read(reply_view(r->element[i + 1]), to, cap);
			return true;
		}
	return false;
}

/* ---- CLUSTER ---- */

uint64_t
reply_epoch(struct view text)
{
	struct view line, name;

	while (part_take(&text, '\n', &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (part_take(&line, ':', &name) && view_equal(name, VIEW("cluster_current_epoch")))
			return count_read(line);
	}
	return 0;
}


enum cs_err
reply_slots(const struct redisReply *r, const char *host, reply_slots_fn *fn, void *ctx)
{
	if (r->type != REDIS_REPLY_ARRAY || r->elements > SLOTS_ALL)
		return CS_ERR_SYNTAX;
	for (size_t i = 0; i < r->elements; i++) {
		const struct redisReply *e = r->element[i], *m;
		struct fleet_address at;
		struct view name;

		if (e->type != REDIS_REPLY_ARRAY || e->elements < 3 || e->element[0]->type != REDIS_REPLY_INTEGER ||
		    e->element[1]->type != REDIS_REPLY_INTEGER || e->element[0]->integer < 0 ||
		    e->element[0]->integer > e->element[1]->integer || e->element[1]->integer >= SLOTS_ALL)
			return CS_ERR_SYNTAX;
		m = e->element[2];
		if (m->type != REDIS_REPLY_ARRAY || m->elements < 2 || m->element[1]->type != REDIS_REPLY_INTEGER ||
		    m->element[1]->integer < 1 || m->element[1]->integer > PORT_MAX)
			return CS_ERR_SYNTAX;
		name = reply_view(m->element[0]);
		if (name.len == 0 || view_equal(name, VIEW("?")))
			name = view_str(host);
		if (!reply_address(name, (unsigned)m->element[1]->integer, &at))
			return CS_ERR_SYNTAX;
		fn(ctx, (unsigned)e->element[0]->integer, (unsigned)e->element[1]->integer, &at);
	}
	return CS_OK;
}
