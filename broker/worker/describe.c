/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin is, as JSON. */
#include "broker/worker/describe.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/json.h"
#include "broker/base/log.h"
#include "broker/base/sandbox.h"
#include "broker/worker/cage.h"
#include "broker/worker/executable.h"
#include "broker/worker/host.h"
#include "broker/worker/load.h"

enum {
	DESCRIPTION_MAX = 256 * 1024,
	CHECK_MEMORY_BYTES = 1 << 30, /* as a cage has by default */
	CHECK_FILES_MAX = 256,        /* as a worker has */
};

static const char *const type_names[] = {
	[COUNTERSIGN_CONFIG_STRING] = "string",
	[COUNTERSIGN_CONFIG_INT] = "int",
	[COUNTERSIGN_CONFIG_BOOL] = "bool",
	[COUNTERSIGN_CONFIG_WORD] = "word",
	[COUNTERSIGN_CONFIG_URL] = "url",
	[COUNTERSIGN_CONFIG_SECRET] = "secret",
};

static const struct {
	uint32_t flag;
	const char *name;
} assurances[] = {
	{COUNTERSIGN_STABLE_SUBJECT, "stable_subject"},
	{COUNTERSIGN_HONOURS_MAX_AGE, "honours_max_age"},
	{COUNTERSIGN_VERIFIED_EMAIL, "verified_email"},
	{COUNTERSIGN_SENDS_SIGNALS, "sends_signals"},
	{COUNTERSIGN_SYNCS_SECRETS, "syncs_secrets"},
	{COUNTERSIGN_CODE_ALONE, "code_alone"},
};

static void
put_key(struct json_writer *w, const struct countersign_config_key *key)
{
	json_object_begin(w);
	json_member_str(w, "name", view_str(key->name));
	json_member_str(w, "type", view_str(type_names[key->type]));
	json_member_bool(w, "required", (key->flags & COUNTERSIGN_CONFIG_REQUIRED) != 0);
	json_member_bool(w, "many", (key->flags & COUNTERSIGN_CONFIG_MANY) != 0);
	if (key->min != 0 || key->max != 0) {
		json_member_int(w, "min", key->min);
		json_member_int(w, "max", key->max);
	}
	json_member_str(w, "words", view_str(key->words));
	json_member_str(w, "default", view_str(key->default_value));
	json_member_str(w, "help", view_str(key->help));
	json_object_end(w);
}

static void
put_kinds(struct json_writer *w, const struct countersign_plugin_v1 *p)
{
	const char *name;

	json_key(w, VIEW("kinds"));
	json_array_begin(w);
	for (size_t i = 0; (name = load_kind_name(p->kinds, i)) != NULL; i++)
		json_put_str(w, view_str(name));
	json_array_end(w);
	if ((p->kinds & COUNTERSIGN_KIND_FACTOR) != 0) {
		json_member_str(w, "factor_kind", view_str(p->factor->kind));
		json_member_bool(w, "begins", load_factor_begins(p->factor));
		json_member_bool(w, "sends", load_factor_begins(p->factor) && (p->flags & COUNTERSIGN_SENDS) != 0);
		json_member_bool(w, "tells", load_factor_tells(p->factor));
	}
	if ((p->kinds & COUNTERSIGN_KIND_PROVIDER) != 0) {
		json_member_bool(w, "signals", load_provider_signals(p->provider));
		json_member_bool(w, "polls", load_provider_polls(p->provider));
		json_member_bool(w, "streams", load_provider_streams(p->provider));
		json_member_bool(w, "rekeys", load_provider_rekeys(p->provider));
	}
}

static void
put_profile(struct json_writer *w, const struct countersign_profile *profile)
{
	json_key(w, VIEW("assurance"));
	json_array_begin(w);
	for (size_t i = 0; i < sizeof(assurances) / sizeof(assurances[0]); i++)
		if ((profile->assurance & assurances[i].flag) != 0)
			json_put_str(w, view_str(assurances[i].name));
	json_array_end(w);
	json_key(w, VIEW("controls"));
	json_array_begin(w);
	for (size_t i = 0; profile->controls != NULL && profile->controls[i] != NULL; i++)
		json_put_str(w, view_str(profile->controls[i]));
	json_array_end(w);
}

static void
put_plugin(struct json_writer *w, const struct countersign_plugin_v1 *p,
    const struct countersign_profile *profile)
{
	json_object_begin(w);
	json_member_str(w, "name", view_str(p->name));
	json_member_str(w, "version", view_str(p->version));
	json_member_int(w, "abi", p->abi);
	json_member_str(w, "help", view_str(p->help));
	put_kinds(w, p);
	json_member_bool(w, "uses_http", (p->flags & COUNTERSIGN_USES_HTTP) != 0);
	put_profile(w, profile);
	json_key(w, VIEW("keys"));
	json_array_begin(w);
	for (size_t i = 0; i < p->config_count; i++)
		put_key(w, settings_key_at(p, i));
	if ((p->flags & COUNTERSIGN_USES_HTTP) != 0)
		for (const struct countersign_config_key *key = settings_host_keys; key->name != NULL; key++)
			put_key(w, key);
	json_array_end(w);
	json_member_str(w, "self_test", VIEW("passed"));
	json_object_end(w);
}

static int
refuse(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	return 1;
}

/* As the parent: of root or of the asking user, and not to be written by others. */
static const char *
check_owner(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "it belongs to another user: chown it to root";
	return NULL;
}

/*
 * As a server is before the plugin's first instruction runs, since whoever asks may be root; but nobody listens to what the
 * cage stops: such a call fails, as one that the kernel does not know. NULL, or what went wrong.
 */
static const char *
into_cage(int fd, char *problem)
{
	static struct config_cage cage = {.network = CONFIG_NETWORK_HOSTS, .memory_bytes = CHECK_MEMORY_BYTES};
	static const struct settings settings = {.name = "check", .cage = &cage};
	struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;
	int pair[2], keep[3] = {fd};

	if ((nobody != NULL && sandbox_drop(nobody->pw_uid, nobody->pw_gid) != CS_OK) ||
	    sandbox_limits(CHECK_FILES_MAX) != CS_OK)
		return "it cannot be looked at as the user nobody";
	cage.processes = executable_is(fd);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return strerror(errno);
	keep[1] = pair[0];
	keep[2] = pair[1];
	if (cage_main(&settings, fd, nobody != NULL, problem) != CS_OK ||
	    cage_first(&settings, pair[1], keep, sizeof(keep) / sizeof(keep[0]), problem) != CS_OK)
		return problem;
	close(pair[0]);
	return NULL;
}

int
describe_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct countersign_profile profile = {.size = sizeof(profile)};
	const struct countersign_plugin_v1 *p;
	char problem[LOAD_PROBLEM_MAX];
	static struct host host;
	struct json_writer w;
	struct bytes out;
	const char *why;

	if (fd < 0)
		return refuse(path, strerror(errno));
	log_init("worker:check", LOG_LEVEL_WARN);
	why = check_owner(fd);
	if (why == NULL)
		why = into_cage(fd, problem);
	if (why != NULL)
		return refuse(path, why);
	if (load_plugin(fd, &p, problem) != CS_OK)
		return refuse(path, problem);
	host_init(&host, p, NULL, NULL);
	if (p->self_test(&host.table) != COUNTERSIGN_OK ||
	    p->profile(NULL, &profile) != COUNTERSIGN_OK)
		return refuse(path, "its self-test failed: it or one of its libraries is broken");
	host_call_end(&host);
	bytes_init(&out, DESCRIPTION_MAX);
	w = json_to(&out.buf);
	put_plugin(&w, p, &profile);
	if (out.buf.full)
		return refuse(path, "its description is longer than 256 KiB");
	printf("%.*s\n", (int)out.buf.len, (const char *)out.buf.data);
	bytes_clear(&out);
	return 0;
}
