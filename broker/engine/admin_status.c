/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Admin: the daemon as a whole - status, providers, reload. */
#include "config.h"

#include "broker/base/sandbox.h"
#include "broker/base/sandbox_landlock.h"
#include "broker/engine/admin.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/record.h"
#include "broker/engine/shadow.h"
#include "broker/engine/workers.h"

enum { SENTENCE_MAX = 1024 };

/* The first that holds is what an admin has to mend first. */
static const char *
provider_state(const struct engine *e, const struct broker_provider *p)
{
	if (p == NULL || !p->enabled)
		return "disabled";
	if (p->frozen)
		return "frozen";
	if (!p->pinned)
		return "changed";
	return p->fresh && !e->broker.stale ? "active" : "stale";
}

static void
write_load(struct json_writer *w, const struct worker_status *s)
{
	json_member_int(w, "servers", s->servers);
	json_member_int(w, "busy", s->busy);
	json_member_int(w, "queued", s->queued);
	json_member_int(w, "failures", (int64_t)s->failures);
	if (s->rest_ms > 0)
		json_member_int(w, "rest_ms", s->rest_ms);
	if (s->last_error[0] != '\0')
		json_member_str(w, "last_error", view_str(s->last_error));
}

static void
write_provider(struct json_writer *w, const struct engine *e, size_t i, const struct worker_status *s)
{
	uint64_t tag = e->rules->policy->providers[i].tag;
	const struct broker_provider *p = broker_provider(&e->broker, tag);
	struct view words;
	int64_t since;

	json_object_begin(w);
	json_member_str(w, "name", view_str(s->name));
	json_member_str(w, "plugin", view_str(s->plugin));
	json_member_str(w, "state", view_str(provider_state(e, p)));
	if (record_frozen(e, tag, &since, &words)) {
		json_member_str(w, "frozen", words.len > 0 ? words : VIEW("frozen"));
		answer_time(w, "since", since);
	}
	if (p != NULL && p->rekey_until_ms > e->now.wall_ms)
		answer_time(w, "rekey_until", p->rekey_until_ms);
	write_load(w, s);
	json_object_end(w);
}

static void
write_providers(struct json_writer *w, const struct engine *e)
{
	struct worker_status s;

	json_key(w, VIEW("providers"));
	json_array_begin(w);
	for (size_t i = 0; i < e->rules->policy->providers_n && workers_status(e, i, &s); i++)
		write_provider(w, e, i, &s);
	json_array_end(w);
}

/* The others that work by a plugin: factors, risk and notify. */
static void
write_plugins(struct json_writer *w, const struct engine *e)
{
	struct worker_status s;

	json_key(w, VIEW("plugins"));
	json_array_begin(w);
	for (size_t i = e->rules->policy->providers_n; workers_status(e, i, &s); i++) {
		json_object_begin(w);
		json_member_str(w, "name", view_str(s.name));
		json_member_str(w, "kind", view_str(config_kind_name(s.kind)));
		json_member_str(w, "plugin", view_str(s.plugin));
		write_load(w, &s);
		json_object_end(w);
	}
	json_array_end(w);
}

void
admin_providers(struct call *call)
{
	struct json_writer w = call_reply(call);

	write_providers(&w, call->engine);
	call_end(call, &w);
}

static void
write_store(struct json_writer *w, const struct engine *e)
{
	struct store_status s = {0};

	store_status(e->store, &s);
	json_key(w, VIEW("store"));
	json_object_begin(w);
	json_member_str(w, "kind", view_str(s.kind));
	json_member_int(w, "records", (int64_t)s.records);
	json_member_int(w, "log_first", (int64_t)s.log_first);
	json_member_int(w, "log_last", (int64_t)s.log_last);
	json_member_int(w, "folded", (int64_t)s.folded);
	json_member_int(w, "cache_bytes", (int64_t)s.cache_bytes);
	json_member_int(w, "cache_records", (int64_t)s.cache_records);
	json_member_int(w, "dirty_records", (int64_t)s.dirty_records);
	json_member_int(w, "wal_bytes", (int64_t)s.wal_bytes);
	json_member_int(w, "db_bytes", (int64_t)s.db_bytes);
	json_member_int(w, "disk_free_bytes", (int64_t)s.disk_free_bytes);
	json_member_bool(w, "narrow_only", s.narrow_only);
	if (config_weaker_name(e->rules->config, 0) != NULL) {
		json_key(w, VIEW("weaker"));
		json_array_begin(w);
		for (size_t i = 0; config_weaker_name(e->rules->config, i) != NULL; i++)
			json_put_str(w, view_str(config_weaker_name(e->rules->config, i)));
		json_array_end(w);
	}
	if (e->store->ops->shared) {
		json_member_bool(w, "fresh", s.fresh);
		json_member_int(w, "fresh_for_ms", s.fresh_for_ms);
		json_member_bool(w, "leads", s.leads);
		json_member_int(w, "shared_revision", (int64_t)s.shared_revision);
	}
	if (s.detail[0] != '\0')
		json_member_str(w, "detail", view_str(s.detail));
	if (s.way_out[0] != '\0')
		json_member_str(w, "way_out", view_str(s.way_out));
	json_object_end(w);
}

static void
write_processes(struct json_writer *w, const struct engine *e)
{
	json_key(w, VIEW("processes"));
	json_array_begin(w);
	for (uint32_t i = 0; i < e->processes_n; i++) {
		const struct control_process *p = &e->processes[i];

		json_object_begin(w);
		json_member_str(w, "role", view_str(p->role));
		json_member_int(w, "pid", p->pid);
		json_member_int(w, "generation", (int64_t)p->generation);
		json_member_str(w, "state", view_str(control_state_name(p->state)));
		json_member_int(w, "restarts", p->restarts);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
write_counters(struct json_writer *w, const struct engine *e)
{
	json_key(w, VIEW("counters"));
	json_object_begin(w);
	json_member_int(w, "calls", (int64_t)e->calls);
	for (int i = 0; i < 3; i++)
		json_member_int(w, outcome_name((enum outcome)i), (int64_t)e->outcomes[i]);
	json_member_int(w, "notices_lost", (int64_t)e->notices_lost);
	json_object_end(w);
}

/* Each role has a user of its own: then a captured role reaches no other's files. */
static bool
users_differ(const struct config *c)
{
	for (int i = 0; i < CONFIG_ROLE_COUNT; i++) {
		if (c->users[i] == NULL)
			return false;
		for (int k = 0; k < i; k++) {
			if (strcmp(c->users[i], c->users[k]) == 0)
				return false;
		}
	}
	return true;
}

/* What an attacker inside the gateway could ask for: it says who calls, so it may name any service behind its door. */
static void
write_gateway(struct json_writer *w, const struct config *c)
{
	char text[SENTENCE_MAX];
	struct buf b = buf_over(text, sizeof(text));
	uint16_t n = 0;

	if (c->https.address == NULL) {
		json_member_str(w, "gateway", VIEW("There is no gateway: nothing is reached but by the local sockets."));
		return;
	}
	buf_put_view(&b, VIEW("A captured gateway could call as"));
	for (uint16_t i = 0; i < c->service_count; i++) {
		struct view name = view_str(c->services[i].name);

		if ((c->services[i].doors & CONFIG_DOOR_HTTPS) == 0)
			continue;
		if (b.len + name.len > SENTENCE_MAX / 2) {
			buf_put_view(&b, VIEW(" and others"));
			n++;
			break;
		}
		buf_put_view(&b, n++ == 0 ? VIEW(" ") : VIEW(", "));
		buf_put_view(&b, name);
	}
	if (n == 0)
		buf_put_view(&b, VIEW(" no service"));
	buf_put_view(&b, VIEW(", with the rights of those services, and pass on answers that people give on its pages; "
	    "it has no key, no store and no way to admin calls, and rules 10 to 12 hold against it as against anyone."));
	json_member_str(w, "gateway", buf_view(&b));
}

struct cage_part {
	const char *name;
	bool there;
	const char *without;       /* what is not held then */
};

/* What of the workers' cage this kernel and this build have; the workers are of the same, and end where it refuses them what it has. */
static void
write_cage(struct json_writer *w)
{
	struct sandbox_kernel k;
	struct cage_part parts[7];
	size_t n = 0;

	sandbox_probe(&k);
	parts[n++] = (struct cage_part){"system_calls", k.seccomp, "a plugin may make every system call (the kernel has no seccomp)"};
	parts[n++] = (struct cage_part){"call_names", k.seccomp_names,
	    "a call that is stopped is not named in the log (the kernel is older than 5.0)"};
	parts[n++] = (struct cage_part){"files", k.landlock >= LANDLOCK_FILES,
	    "a plugin may read what its user may (the kernel is older than 5.13, or was booted without landlock)"};
	parts[n++] = (struct cage_part){"ports", k.landlock >= LANDLOCK_TCP,
	    "a plugin with network may connect to every TCP port (the kernel is older than 6.7)"};
	parts[n++] = (struct cage_part){"signals", k.landlock >= LANDLOCK_SCOPES,
	    "a plugin that may start processes may signal others of its user (the kernel is older than 6.12)"};
	parts[n++] = (struct cage_part){"memory", k.memory, "memory is not limited (this build has sanitizers)"};
	parts[n++] = (struct cage_part){"no_new_privs", k.no_new_privs, "set-uid programs give rights (the kernel is older than 3.5)"};
	json_key(w, VIEW("cage"));
	json_object_begin(w);
	for (size_t i = 0; i < n; i++)
		json_member_bool(w, parts[i].name, parts[i].there);
	json_key(w, VIEW("missing"));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++) {
		if (!parts[i].there)
			json_put_str(w, view_str(parts[i].without));
	}
	json_array_end(w);
	json_object_end(w);
}

void
admin_status(struct call *call)
{
	static const char digits[] = "0123456789abcdef";
	const struct engine *e = call->engine;
	const struct config *c = e->rules->config;
	struct json_writer w = call_reply(call);
	char policy[2 * sizeof(e->rules->policy->digest.b)];
	struct view words;
	int64_t since;

	for (size_t i = 0; i < sizeof(policy); i++)
		policy[i] = digits[e->rules->policy->digest.b[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	json_member_str(&w, "version", VIEW(PACKAGE_VERSION));
	json_member_str(&w, "realm", view_str(c->realm));
	json_member_int(&w, "generation", (int64_t)c->generation);
	json_member_str(&w, "policy", view_of(policy, sizeof(policy)));
	json_member_int(&w, "uptime_s", (e->now.boot_ms - e->started_boot_ms) / 1000);
	write_store(&w, e);
	write_processes(&w, e);
	write_providers(&w, e);
	write_plugins(&w, e);
	signals_write(&w, e);
	json_member_bool(&w, "uid_separation", e->separated && users_differ(c));
	write_cage(&w);
	if (record_frozen(e, 0, &since, &words))
		json_member_str(&w, "frozen", words.len > 0 ? words : VIEW("frozen"));
	write_counters(&w, e);
	shadow_status(&w, e);
	write_gateway(&w, c);
	call_end(call, &w);
}

void
admin_reload(struct call *call)
{
	struct engine *e = call->engine;
	struct control_message m = {.type = CONTROL_RELOAD};

	if (e->reload != NULL) {
		call_too_many(call, "another reload is under way", 1000);
		return;
	}
	if (e->control_fd < 0 || control_send(e->control_fd, &m, -1) != CS_OK) {
		call_unavailable(call, "parent");
		return;
	}
	e->reload = call_hold(call);
}

void
admin_reloaded(struct engine *e, uint64_t generation, const char *why)
{
	struct call *call = e->reload;
	struct json_writer w;

	e->reload = NULL;
	if (call == NULL)
		return;
	if (why != NULL) {
		call_conflict(call, why);
	} else {
		w = call_reply(call);
		json_member_int(&w, "generation", (int64_t)generation);
		call_end(call, &w);
	}
	call_release(call);
}
