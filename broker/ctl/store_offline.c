/* SPDX-License-Identifier: Apache-2.0 */
/* store status, forget and release where no broker answers (--offline): on the servers themselves, as the configuration names them. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/json.h"
#include "broker/ctl/check.h"
#include "broker/ctl/print.h"
#include "broker/ctl/store.h"
#include "broker/engine/keyring.h"
#include "broker/store/redis/offline.h"

enum {
	TOKENS_MAX = 8192,
	OWNERS_MAX = 64,
	NAMES_TEXT = 1024,
	REASON_BYTES = 199, /* as Admin.StoreForget takes */
	WHO_TEXT = 96,
};

struct offline {
	struct ctl *ctl;
	struct config *config;
	struct keyring *keys;
	struct tool *tool;
	struct offline_view view;
	char why[TOOL_WHY_TEXT];
};

static int
failed(struct offline *o, enum cs_err err)
{
	return ctl_fail(o->ctl, err == CS_ERR_UNAVAILABLE || err == CS_ERR_UNKNOWN ? CTL_UNREACHABLE : CTL_FAILED, "%s", o->why);
}

/* A word is said to no other store than this configuration's. */
static int
check_realm(struct offline *o)
{
	char realm[STORE_REALM_TEXT], text[TOOL_META_TEXT] = "";
	enum cs_err err = tool_meta(o->tool, "realm", text, o->why);

	if (err != CS_OK)
		return failed(o, err);
	store_realm(o->keys, o->config, realm);
	if (text[0] == '\0')
		return ctl_fail(o->ctl, CTL_REFUSED, "there is no store under the prefix \"%s\"", tool_layout(o->tool)->prefix);
	if (strcmp(text, realm) != 0)
		return ctl_fail(o->ctl, CTL_REFUSED, "the store on Redis is of another key file than %s, or of another realm", o->config->key_file);
	return CTL_OK;
}

/* To be closed whatever this says. */
static int
offline_begin(struct offline *o)
{
	enum cs_err err;
	int rc = check_load(o->ctl, &o->config);

	if (rc != CTL_OK)
		return rc;
	if (o->config->store.kind != CONFIG_STORE_REDIS)
		return ctl_fail(o->ctl, CTL_USAGE, "%s has no `store redis`: its store is not shared, and nobody is waited for", o->ctl->config);
	rc = store_become_owner(o->ctl, o->config->key_file);
	if (rc == CTL_OK)
		rc = store_keys(o->ctl, o->config, &o->keys);
	if (rc == CTL_OK)
		rc = store_tool(o->ctl, o->config, &o->tool);
	if (rc == CTL_OK)
		rc = check_realm(o);
	if (rc != CTL_OK)
		return rc;
	err = offline_look(o->tool, &o->view, o->why);
	return err == CS_OK ? CTL_OK : failed(o, err);
}

/* For as long as a broker that is alive may be silent. */
static int
watch(struct offline *o)
{
	int64_t lease_ms = o->config->store.redis.lease_ms;
	enum cs_err err = offline_watch(o->tool, &o->view, lease_ms + lease_ms / 4, o->why);

	return err == CS_OK ? CTL_OK : failed(o, err);
}

static int
offline_end(struct offline *o, int rc)
{
	tool_close(o->tool);
	keyring_free(o->keys);
	config_free(o->config);
	return rc;
}

/* --- status --- */

static void
put_nodes(struct json_writer *w, struct offline *o)
{
	static struct fleet_owner_status owners[OWNERS_MAX];
	size_t n = fleet_owners(tool_fleet(o->tool), owners, OWNERS_MAX);

	json_key(w, VIEW("nodes"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		if (owners[i].buckets == 0)
			continue;
		json_object_begin(w);
		json_member_str(w, "address", view_str(owners[i].address));
		json_member_int(w, "buckets", owners[i].buckets);
		json_member_int(w, "replicas", owners[i].replicas);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_members(struct json_writer *w, const struct offline_view *v)
{
	json_key(w, VIEW("members"));
	json_array_begin(w);
	for (size_t i = 0; i < v->members_n; i++) {
		const struct offline_member *m = &v->members[i];

		json_object_begin(w);
		json_member_str(w, "name", view_str(m->name));
		json_member_str(w, "id", view_str(m->id));
		json_member_bool(w, "live", m->moves);
		json_member_int(w, "waited_for", m->waited);
		json_member_int(w, "proved", m->proved);
		json_member_bool(w, "forgotten", m->forgotten);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
put_buckets(struct json_writer *w, const struct offline_view *v)
{
	json_key(w, VIEW("buckets"));
	json_object_begin(w);
	json_member_int(w, "open", v->open);
	json_member_int(w, "new", v->fresh);
	json_member_int(w, "shut", v->shut);
	json_member_int(w, "held", v->held);
	if (v->held > 0)
		json_member_int(w, "first_held", v->first_held);
	json_member_int(w, "records_held", v->records_held);
	json_object_end(w);
}

static void
put_words(struct json_writer *w, const struct offline_view *v)
{
	char text[CLOCK_TEXT_MAX];

	json_key(w, VIEW("words"));
	json_array_begin(w);
	for (size_t i = 0; i < v->words_n; i++) {
		json_object_begin(w);
		json_member_str(w, "time", view_of(text, clock_text(v->words[i].time_ms, text)));
		json_member_str(w, "word", view_str(v->words[i].text));
		json_member_bool(w, "told", v->words[i].told);
		json_object_end(w);
	}
	json_array_end(w);
}

/* Printed as an answer of the daemon would be. */
static int
print_status(struct offline *o)
{
	static struct json_token tokens[TOKENS_MAX];
	struct ctl *ctl = o->ctl;
	struct buf out = buf_over(ctl->message, sizeof(ctl->message));
	struct json_writer w = json_to(&out);

	json_object_begin(&w);
	json_member_str(&w, "kind", VIEW("redis"));
	json_member_bool(&w, "offline", true);
	json_member_str(&w, "prefix", view_str(tool_layout(o->tool)->prefix));
	put_buckets(&w, &o->view);
	put_members(&w, &o->view);
	put_nodes(&w, o);
	put_words(&w, &o->view);
	json_object_end(&w);
	if (out.full || json_read(ctl->message, out.len, tokens, TOKENS_MAX, &ctl->doc, NULL) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "what stands in the store is too long to be shown");
	print_reply(ctl, 0);
	return CTL_OK;
}

int
store_status_offline(struct ctl *ctl)
{
	struct offline *o = calloc(1, sizeof(*o));
	int rc;

	CHECK(o != NULL);
	o->ctl = ctl;
	rc = offline_begin(o);
	if (rc == CTL_OK)
		rc = watch(o);
	if (rc == CTL_OK)
		rc = print_status(o);
	rc = offline_end(o, rc);
	free(o);
	return rc;
}

/* --- words --- */

/* As where a broker answers. */
static int
check_reason(struct ctl *ctl, const char *reason)
{
	if (reason[0] != '\0' && strlen(reason) <= REASON_BYTES && json_printable(view_str(reason)))
		return CTL_OK;
	return ctl_fail(ctl, CTL_USAGE, "the reason has 1 to %d bytes of text in one line", REASON_BYTES);
}

/* A broker's name comes from the servers: what the configuration takes for one, and nothing else. */
static struct view
name_clean(char to[JOURNAL_NAME_TEXT], const char *name)
{
	size_t n = 0;

	for (; name[n] != '\0' && n < JOURNAL_NAME_TEXT - 1; n++)
		to[n] = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", name[n]) != NULL ? name[n] : '?';
	return view_of(to, n);
}

/* "uid 0 on host" */
static struct view
who(char to[WHO_TEXT])
{
	char host[JOURNAL_NAME_TEXT] = "", clean[JOURNAL_NAME_TEXT];
	struct view name;
	int n;

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	name = name_clean(clean, host);
	n = snprintf(to, WHO_TEXT, "uid %u on %.*s", (unsigned)getuid(), (int)name.len, name.data);
	CHECK(n > 0 && n < WHO_TEXT);
	return view_of(to, (size_t)n);
}

/* "a (1234), b (5678)" */
static void
member_names(const struct offline_view *v, char to[NAMES_TEXT])
{
	size_t len = 0;

	to[0] = '\0';
	for (size_t i = 0; i < v->members_n && len < NAMES_TEXT; i++)
		if (!v->members[i].forgotten)
			len += (size_t)snprintf(to + len, NAMES_TEXT - len, "%s%s (%s)", len > 0 ? ", " : "", v->members[i].name, v->members[i].id);
}

static int
find_member(struct offline *o, const char *name, const struct offline_member **out)
{
	bool several;
	const struct offline_member *m = offline_find(&o->view, name, &several);
	char names[NAMES_TEXT];
	int rc;

	*out = m;
	member_names(&o->view, names);
	if (several)
		return ctl_fail(o->ctl, CTL_REFUSED, "more than one broker is called %s: give its id, of these: %s", name, names);
	if (m == NULL && names[0] == '\0')
		return ctl_fail(o->ctl, CTL_NOT_FOUND, "there is no broker %s: the store knows none. Start one: it tells the store whom it waits for", name);
	if (m == NULL)
		return ctl_fail(o->ctl, CTL_NOT_FOUND, "there is no broker %s in this store; there are: %s", name, names);
	rc = watch(o);
	if (rc != CTL_OK)
		return rc;
	if (m->moves)
		return ctl_fail(o->ctl, CTL_REFUSED, "%s is alive, it was heard just now: stop that broker first", name);
	if (m->waited == 0)
		return ctl_fail(o->ctl, CTL_REFUSED, "nothing waits for %s%s: what is waited for says `countersignctl store status --offline`", name,
		    m->proved > 0 ? ", which has proved itself since the servers were started" : "");
	return CTL_OK;
}

static int
forget(struct offline *o, const char *name, const char *reason)
{
	const struct offline_member *m;
	char by[WHO_TEXT], clean[JOURNAL_NAME_TEXT];
	struct store_word word = {.bucket = -1, .by = who(by), .reason = view_str(reason)};
	enum cs_err err;
	int rc = find_member(o, name, &m);

	if (rc != CTL_OK)
		return rc;
	word.member = name_clean(clean, m->name);
	word.member_id = view_str(m->id);
	err = offline_forget(o->tool, &word, o->why);
	if (err != CS_OK)
		return failed(o, err);
	if (o->ctl->json)
		(void)printf("{\"forgotten\": \"%s\", \"buckets\": %u}\n", m->id, m->waited);
	else
		(void)printf("%s is forgotten in all buckets; %u waited for it\n", m->id, m->waited);
	return CTL_OK;
}

int
store_forget_offline(struct ctl *ctl, const char *name, const char *reason)
{
	struct offline *o;
	int rc = check_reason(ctl, reason);

	if (rc != CTL_OK)
		return rc;
	o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->ctl = ctl;
	rc = offline_begin(o);
	if (rc == CTL_OK)
		rc = forget(o, name, reason);
	rc = offline_end(o, rc);
	free(o);
	return rc;
}

static int
release(struct offline *o, unsigned bucket, const char *reason)
{
	char by[WHO_TEXT];
	struct store_word word = {.bucket = (int)bucket, .by = who(by), .reason = view_str(reason)};
	enum cs_err err = offline_release(o->tool, &word, o->why);

	if (err == CS_ERR_NOT_FOUND)
		return ctl_fail(o->ctl, CTL_NOT_FOUND, "bucket %u is not held", bucket);
	if (err != CS_OK)
		return failed(o, err);
	if (o->ctl->json)
		(void)printf("{\"released\": true}\n");
	else
		(void)printf("bucket %u released\n", bucket);
	return CTL_OK;
}

int
store_release_offline(struct ctl *ctl, int64_t bucket, const char *reason)
{
	struct offline *o;
	int rc;

	if (bucket < 0 || bucket >= LAYOUT_BUCKETS)
		return ctl_fail(ctl, CTL_USAGE, "--bucket: buckets have the numbers 0 to %d", LAYOUT_BUCKETS - 1);
	rc = check_reason(ctl, reason);
	if (rc != CTL_OK)
		return rc;
	o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->ctl = ctl;
	rc = offline_begin(o);
	if (rc == CTL_OK)
		rc = release(o, (unsigned)bucket, reason);
	rc = offline_end(o, rc);
	free(o);
	return rc;
}
