/* SPDX-License-Identifier: Apache-2.0 */
/* The factor `pam`: a conversation with a service file of PAM. See README.md. */
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugins/pam/keeper.h"
#include "plugins/pam/talk.h"

enum {
	USER_MAX = 64,              /* bytes of a login name; Linux has 32, directories more */
	PATH_BYTES_MAX = 1024,
	CONVERSATIONS_MAX = 64,     /* of one server at a time: two processes each */
	MARGIN_MS = 150,            /* before the deadline, so that there is time to say so */
	WITHOUT_DEADLINE_MS = 5000,
	STATE_VERSION = 1,
	SECRET_VERSION = 1,
	STATE_BYTES = 2 + WIRE_NAME_BYTES + WIRE_KEY_BYTES,
	SECRET_MAX = 2 + STATE_BYTES + USER_MAX,
	ROUND_WAITING = 0,          /* nothing was asked: the module waits for something else */
};

struct pam {
	const struct countersign_host_v1 *host;
	char service[65], directory[PATH_BYTES_MAX + 1];
	int64_t timeout_ms, quiet_ms;
	bool silent;                /* a service that asks nothing may answer: push modules */
	int worker_fd;              /* a pidfd */
	pid_t keepers[CONVERSATIONS_MAX];
};

static const struct countersign_config_key config[] = {
    {.name = "service", .type = COUNTERSIGN_CONFIG_STRING, .flags = COUNTERSIGN_CONFIG_REQUIRED, .min = 1, .max = 64,
	.help = "The name of the PAM service: a file in the directory."},
    {.name = "directory", .type = COUNTERSIGN_CONFIG_STRING, .min = 2, .max = PATH_BYTES_MAX,
	.help = "Where service files are (absolute); else /etc/pam.d."},
    {.name = "timeout", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 600, .default_value = "120",
	.help = "Seconds after which a conversation and all that its modules started is ended."},
    {.name = "silent", .type = COUNTERSIGN_CONFIG_BOOL, .default_value = "no",
	.help = "yes: a service that asks nothing here may answer, for modules that ask the user's phone."},
    {.name = "quiet", .type = COUNTERSIGN_CONFIG_INT, .min = 100, .max = 10000, .default_value = "1500",
	.help = "With silent: milliseconds without a prompt after which the user is asked to look elsewhere."},
};

static const struct {
	const char *show, *ask;
} waiting_words[] = {
    {"Confirm on your other device.", "When you have done so, continue (leave this empty)"},
    {"请在您的其他设备上确认。", "确认后请继续（此处留空）"},
};

static void
say(const struct pam *p, int level, const char *text)
{
	p->host->log(p->host->context, level, countersign_view_of(text));
}

/* ---- state, secret --------------------------------------------------------------------------- */

static size_t
write_state(const struct wire_address *at, uint8_t round, uint8_t to[STATE_BYTES])
{
	to[0] = STATE_VERSION;
	to[1] = round;
	memcpy(to + 2, at->name, WIRE_NAME_BYTES);
	memcpy(to + 2 + WIRE_NAME_BYTES, at->key, WIRE_KEY_BYTES);
	return STATE_BYTES;
}

static bool
read_state(struct countersign_view v, struct wire_address *at, uint8_t *round)
{
	const uint8_t *b = (const uint8_t *)v.data;

	if (v.len != STATE_BYTES || b[0] != STATE_VERSION)
		return false;
	*round = b[1];
	memcpy(at->name, b + 2, WIRE_NAME_BYTES);
	memcpy(at->key, b + 2 + WIRE_NAME_BYTES, WIRE_KEY_BYTES);
	return true;
}

/* Version, whether a state follows, the state, the login name. */
static size_t
write_secret(const char *user, const uint8_t *state, uint8_t to[SECRET_MAX])
{
	size_t n = 2, len = strlen(user);

	to[0] = SECRET_VERSION;
	to[1] = state != NULL;
	if (state != NULL) {
		memcpy(to + n, state, STATE_BYTES);
		n += STATE_BYTES;
	}
	memcpy(to + n, user, len);
	return n + len;
}

static bool
is_user(const char *s, size_t len)
{
	if (len == 0 || len > USER_MAX || s[0] == '-' || s[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '.' ||
		    s[i] == '_' || s[i] == '-' || s[i] == '@' || s[i] == '+'))
			return false;
	return true;
}

static bool
read_secret(struct countersign_view v, char user[USER_MAX + 1], struct countersign_view *state)
{
	size_t head;

	if (v.len < 2 || v.data[0] != SECRET_VERSION || (uint8_t)v.data[1] > 1)
		return false;
	head = v.data[1] == 1 ? 2 + STATE_BYTES : 2;
	if (v.len <= head || !is_user(v.data + head, v.len - head))
		return false;
	*state = (struct countersign_view){v.data[1] == 1 ? v.data + 2 : NULL, v.data[1] == 1 ? STATE_BYTES : 0};
	memcpy(user, v.data + head, v.len - head);
	user[v.len - head] = '\0';
	return true;
}

/* ---- conversations --------------------------------------------------------------------------- */

/* A free place for a keeper; -1: none. */
static int
reap(struct pam *p)
{
	int place = -1;

	for (int i = 0; i < CONVERSATIONS_MAX; i++) {
		if (p->keepers[i] > 0 && waitpid(p->keepers[i], NULL, WNOHANG) != 0)
			p->keepers[i] = 0;
		if (p->keepers[i] == 0)
			place = i;
	}
	return place;
}

static int64_t
time_left(const struct pam *p, const struct countersign_call *call)
{
	if (call->deadline_boot_ms == 0)
		return WITHOUT_DEADLINE_MS;
	return call->deadline_boot_ms - p->host->boot_ms(p->host->context) - MARGIN_MS;
}

static int
start_conversation(struct pam *p, const char *user, struct wire_address *at)
{
	struct keeper k = {.service = p->service, .directory = p->directory[0] != '\0' ? p->directory : NULL, .user = user,
	    .timeout_ms = p->timeout_ms, .worker_fd = p->worker_fd};
	int place = reap(p);

	if (place < 0) {
		say(p, COUNTERSIGN_LOG_WARN, "too many conversations at the same time");
		return COUNTERSIGN_UNREACHABLE;
	}
	p->host->random(p->host->context, at, sizeof(*at));
	p->keepers[place] = keeper_start(&k, at);
	if (p->keepers[place] > 0)
		return COUNTERSIGN_OK;
	p->keepers[place] = 0;
	return COUNTERSIGN_INTERNAL;
}

static int
put_step(struct countersign_step *s, uint32_t kind, const char *text, size_t len)
{
	s->kind = kind;
	s->digits = 0;
	return countersign_put(&s->value, text, len);
}

/* What modules want shown, then their prompts. */
static int
put_prompts(const struct wire *w, struct countersign_step *steps, size_t *count)
{
	size_t n = 0;
	int rc = COUNTERSIGN_OK;

	if (w->text_len > 0)
		rc = put_step(&steps[n++], COUNTERSIGN_STEP_SHOW, w->text, w->text_len);
	for (size_t i = 0; i < w->prompts_count && rc == COUNTERSIGN_OK; i++, n++)
		rc = put_step(&steps[n], w->prompts[i].hidden ? COUNTERSIGN_STEP_SECRET : COUNTERSIGN_STEP_TEXT, w->prompts[i].label,
		    strlen(w->prompts[i].label));
	*count = n;
	return rc;
}

static int
put_waiting(const struct wire *w, bool zh, struct countersign_step *steps, size_t *count)
{
	const char *show = waiting_words[zh].show, *ask = waiting_words[zh].ask;
	int rc = w->text_len > 0 ? put_step(&steps[0], COUNTERSIGN_STEP_SHOW, w->text, w->text_len) :
				   put_step(&steps[0], COUNTERSIGN_STEP_SHOW, show, strlen(show));

	if (rc == COUNTERSIGN_OK)
		rc = put_step(&steps[1], COUNTERSIGN_STEP_TEXT, ask, strlen(ask));
	*count = 2;
	return rc;
}

static const char *
code_name(int32_t code)
{
	static const struct {
		int32_t code;
		const char *name;
	} names[] = {
	    {WIRE_CRASHED, "a module crashed or was killed"}, {PAM_OPEN_ERR, "PAM_OPEN_ERR"}, {PAM_SYMBOL_ERR, "PAM_SYMBOL_ERR"},
	    {PAM_SERVICE_ERR, "PAM_SERVICE_ERR"}, {PAM_SYSTEM_ERR, "PAM_SYSTEM_ERR"}, {PAM_BUF_ERR, "PAM_BUF_ERR"},
	    {PAM_PERM_DENIED, "PAM_PERM_DENIED"}, {PAM_AUTH_ERR, "PAM_AUTH_ERR"}, {PAM_CRED_INSUFFICIENT, "PAM_CRED_INSUFFICIENT"},
	    {PAM_AUTHINFO_UNAVAIL, "PAM_AUTHINFO_UNAVAIL"}, {PAM_USER_UNKNOWN, "PAM_USER_UNKNOWN"}, {PAM_MAXTRIES, "PAM_MAXTRIES"},
	    {PAM_NEW_AUTHTOK_REQD, "PAM_NEW_AUTHTOK_REQD"}, {PAM_ACCT_EXPIRED, "PAM_ACCT_EXPIRED"}, {PAM_CONV_ERR, "PAM_CONV_ERR"},
	    {PAM_IGNORE, "PAM_IGNORE"}, {PAM_ABORT, "PAM_ABORT"}, {PAM_MODULE_UNKNOWN, "PAM_MODULE_UNKNOWN"},
	    {PAM_CRED_EXPIRED, "PAM_CRED_EXPIRED"}, {PAM_AUTHTOK_EXPIRED, "PAM_AUTHTOK_EXPIRED"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	return "an unknown result";
}

/*
 * A no of PAM's is a wrong answer: which of authentication and account management said it stays in the log. Anything else
 * that is no success says that PAM could not find out.
 */
static bool
is_no(int32_t code)
{
	return code == PAM_AUTH_ERR || code == PAM_PERM_DENIED || code == PAM_CRED_INSUFFICIENT || code == PAM_USER_UNKNOWN ||
	    code == PAM_MAXTRIES || code == PAM_NEW_AUTHTOK_REQD || code == PAM_ACCT_EXPIRED || code == PAM_CRED_EXPIRED ||
	    code == PAM_AUTHTOK_EXPIRED || code == WIRE_REFUSED;
}

static void
say_end(const struct pam *p, const struct wire *w, const char *meaning)
{
	char text[160];

	snprintf(text, sizeof(text), "service %s ended with %s: %s", p->service, code_name(w->code), meaning);
	say(p, COUNTERSIGN_LOG_WARN, text);
}

/* The first event of a conversation. A conversation that cannot be answered is ended. */
static int
first_event(struct pam *p, const struct countersign_call *call, const struct wire_address *at, bool zh, uint8_t *round,
    struct countersign_step *steps, size_t *count)
{
	struct wire w;
	int64_t left = time_left(p, call);
	enum talk_result result = talk(at, 0, NULL, p->silent && p->quiet_ms < left ? p->quiet_ms : left, &w);
	int rc = COUNTERSIGN_UNREACHABLE;

	if (result == TALK_EVENT && w.type == WIRE_PROMPTS && w.prompts_count > 0) {
		*round = w.round;
		return put_prompts(&w, steps, count);
	}
	*round = ROUND_WAITING;
	if (p->silent && (result == TALK_SILENT || (result == TALK_EVENT && w.type == WIRE_END && w.code == PAM_SUCCESS)))
		return put_waiting(&w, zh, steps, count);
	if (result == TALK_EVENT && w.type == WIRE_END)
		say_end(p, &w, w.code == PAM_SUCCESS ? "it asked nothing, and so proves nothing (see the key silent)" : "nothing was asked");
	else if (result == TALK_SILENT) {
		say(p, COUNTERSIGN_LOG_WARN, "no prompt came in time");
		rc = COUNTERSIGN_TOO_LATE;
	}
	talk_quit(at);
	return rc;
}

/* ---- operations ------------------------------------------------------------------------------ */

static bool
is_zh(struct countersign_view language)
{
	return language.len >= 2 && memcmp(language.data, "zh", 2) == 0;
}

static int
pam_enrol(void *instance, const struct countersign_enrol *in, struct countersign_enrol_answer *out)
{
	struct pam *p = instance;
	uint8_t state[STATE_BYTES], secret[SECRET_MAX], round = 0;
	struct wire_address at;
	char user[USER_MAX + 1];
	int rc;

	if (!COUNTERSIGN_HAS(in, struct countersign_enrol, language) || !is_user(in->address.data, in->address.len)) {
		say(p, COUNTERSIGN_LOG_INFO, "an enrolment named no login name");
		return COUNTERSIGN_BAD_ADDRESS;
	}
	memcpy(user, in->address.data, in->address.len);
	user[in->address.len] = '\0';
	rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK)
		rc = start_conversation(p, user, &at);
	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = first_event(p, &in->call, &at, is_zh(in->language), &round, out->steps, &out->steps_count);
	(void)write_state(&at, round, state);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->secret, secret, write_secret(user, state, secret));
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static int
pam_begin(void *instance, const struct countersign_begin *in, struct countersign_begin_answer *out)
{
	struct pam *p = instance;
	struct countersign_view none;
	uint8_t state[STATE_BYTES], round = 0;
	struct wire_address at;
	char user[USER_MAX + 1];
	int rc;

	if (!read_secret(in->secret, user, &none) || none.len > 0)
		return COUNTERSIGN_INVALID;
	/* Asked again: what was begun before is over. */
	if (read_state(in->state, &at, &round))
		talk_quit(&at);
	rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc == COUNTERSIGN_OK)
		rc = start_conversation(p, user, &at);
	if (rc == COUNTERSIGN_OK)
		rc = first_event(p, &in->call, &at, is_zh(in->language), &round, out->steps, &out->steps_count);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->state, state, write_state(&at, round, state));
	out->expires_ms = in->call.now_ms + p->timeout_ms;
	explicit_bzero(state, sizeof(state));
	return rc;
}

/* More prompts, or the news that there is none yet. */
static int
put_more(const struct wire *w, const struct wire_address *at, bool waiting, struct countersign_verify_answer *out)
{
	uint8_t state[STATE_BYTES];
	int rc = waiting ? put_waiting(w, false, out->steps, &out->steps_count) : put_prompts(w, out->steps, &out->steps_count);

	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->state, state, write_state(at, waiting ? ROUND_WAITING : w->round, state));
	out->verdict = COUNTERSIGN_MORE;
	out->step = -1;
	return rc;
}

static int
put_verdict(const struct pam *p, const struct wire *w, struct countersign_verify_answer *out)
{
	bool right = w->code == PAM_SUCCESS && (w->asked || p->silent);

	if (!right && !is_no(w->code)) {
		say_end(p, w, w->code == PAM_SUCCESS ? "it asked nothing, and so proves nothing (see the key silent)" : "no answer");
		return COUNTERSIGN_UNREACHABLE;
	}
	if (!right && w->code != PAM_AUTH_ERR && w->code != WIRE_REFUSED)
		say_end(p, w, "counted as a wrong answer");
	out->verdict = right ? COUNTERSIGN_RIGHT : COUNTERSIGN_WRONG;
	out->step = right ? 0 : -1;
	return COUNTERSIGN_OK;
}

static int
converse(const struct pam *p, const struct countersign_verify *in, const struct wire_address *at, uint8_t round,
    struct countersign_verify_answer *out)
{
	int64_t left = time_left(p, &in->call);
	struct wire w;
	enum talk_result result = talk(at, round, &in->answer, left, &w);

	if (result == TALK_EVENT && w.type == WIRE_END)
		return put_verdict(p, &w, out);
	if (result == TALK_EVENT && w.type == WIRE_PROMPTS && w.prompts_count > 0)
		return put_more(&w, at, false, out);
	if (result == TALK_SILENT && p->silent)
		return put_more(&w, at, true, out);
	if (result == TALK_GONE)
		say(p, COUNTERSIGN_LOG_INFO, "the conversation is over: its time was up, or it was ended");
	else
		talk_quit(at);
	return result == TALK_SILENT ? COUNTERSIGN_TOO_LATE : COUNTERSIGN_UNREACHABLE;
}

static int
pam_verify(void *instance, const struct countersign_verify *in, struct countersign_verify_answer *out)
{
	struct pam *p = instance;
	bool enrolling = in->challenge.len == 0;
	struct countersign_view state;
	struct wire_address at;
	uint8_t secret[SECRET_MAX], round;
	char user[USER_MAX + 1];
	int rc;

	if (!COUNTERSIGN_HAS(in, struct countersign_verify, state) ||
	    !COUNTERSIGN_HAS(out, struct countersign_verify_answer, steps_count) || !read_secret(in->secret, user, &state) ||
	    enrolling != (state.len > 0))
		return COUNTERSIGN_INVALID;
	/* In an enrolment the first state is in the secret, later ones come as in any other conversation. */
	if (in->state.len > 0)
		state = in->state;
	if (!read_state(state, &at, &round))
		return COUNTERSIGN_INVALID;
	(void)reap(p);
	rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (in->answer.len > WIRE_ANSWERS_MAX) {
		talk_quit(&at);
		out->verdict = COUNTERSIGN_WRONG;
		out->step = -1;
		return COUNTERSIGN_OK;
	}
	rc = converse(p, in, &at, round, out);
	if (rc == COUNTERSIGN_OK && enrolling && out->verdict == COUNTERSIGN_RIGHT)
		rc = countersign_put(&out->secret, secret, write_secret(user, NULL, secret));
	return rc;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

/* Messages, both ways. No module is started: none is known to be here. */
static int
pam_self_test(const struct countersign_host_v1 *host)
{
	struct wire_address at;
	uint8_t state[STATE_BYTES], secret[SECRET_MAX], round = 0;
	struct countersign_view rest;
	char user[USER_MAX + 1];
	size_t n;

	host->random(host->context, &at, sizeof(at));
	n = write_state(&at, 7, state);
	if (!read_state((struct countersign_view){(const char *)state, n}, &at, &round) || round != 7)
		return COUNTERSIGN_INTERNAL;
	n = write_secret("alice", state, secret);
	if (!read_secret((struct countersign_view){(const char *)secret, n}, user, &rest) || strcmp(user, "alice") != 0 ||
	    rest.len != STATE_BYTES)
		return COUNTERSIGN_INTERNAL;
	return COUNTERSIGN_OK;
}

static struct countersign_view
text_of(const struct countersign_host_v1 *host, const char *key)
{
	return host->config_text(host->context, key, 0);
}

static int
read_settings(struct pam *p)
{
	struct countersign_view service = text_of(p->host, "service"), directory = text_of(p->host, "directory");
	char path[PATH_BYTES_MAX + 80];

	if (!is_user(service.data, service.len)) {
		say(p, COUNTERSIGN_LOG_ERROR, "service: it is a file's name without its directory");
		return COUNTERSIGN_INVALID;
	}
	snprintf(p->service, sizeof(p->service), "%.*s", (int)service.len, service.data);
	p->timeout_ms = 1000 * p->host->config_int(p->host->context, "timeout", 120);
	p->quiet_ms = p->host->config_int(p->host->context, "quiet", 1500);
	p->silent = p->host->config_int(p->host->context, "silent", 0) != 0;
	if (directory.len == 0)
		return COUNTERSIGN_OK;
	snprintf(p->directory, sizeof(p->directory), "%.*s", (int)directory.len, directory.data);
	snprintf(path, sizeof(path), "%s/%s", p->directory, p->service);
	if (p->directory[0] != '/' || access(path, R_OK) != 0) {
		say(p, COUNTERSIGN_LOG_ERROR, "directory: it must be an absolute path that holds the service's file, which the worker's user can read");
		return COUNTERSIGN_INVALID;
	}
	return COUNTERSIGN_OK;
}

static int
pam_init(const struct countersign_host_v1 *host, void **instance)
{
	struct pam *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return COUNTERSIGN_INTERNAL;
	p->host = host;
	rc = read_settings(p);
	if (rc != COUNTERSIGN_OK) {
		free(p);
		return rc;
	}
	/* Servers come and go; conversations end with the worker that is their parent. */
	p->worker_fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
	*instance = p;
	return COUNTERSIGN_OK;
}

static void
pam_fini(void *instance)
{
	struct pam *p = instance;

	(void)reap(p);
	for (int i = 0; i < CONVERSATIONS_MAX; i++) {
		if (p->keepers[i] <= 0)
			continue;
		kill(p->keepers[i], SIGTERM);
		(void)waitpid(p->keepers[i], NULL, 0);
	}
	if (p->worker_fd >= 0)
		close(p->worker_fd);
	free(p);
}

static int
pam_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_factor_v1 factor = {
	    .size = sizeof(factor),
	    .kind = "pam",
	    .enrol = pam_enrol,
	    .verify = pam_verify,
	    .begin = pam_begin,
	};
	static const struct countersign_plugin_v1 plugin = {
	    .size = sizeof(plugin),
	    .abi = COUNTERSIGN_PLUGIN_ABI,
	    .kinds = COUNTERSIGN_KIND_FACTOR,
	    .config_count = sizeof(config) / sizeof(config[0]),
	    .config_key_size = sizeof(config[0]),
	    .config = config,
	    .name = "pam",
	    .version = "1",
	    .help = "A conversation with any service file of PAM.",
	    .self_test = pam_self_test,
	    .init = pam_init,
	    .fini = pam_fini,
	    .profile = pam_profile,
	    .factor = &factor,
	    .flags = COUNTERSIGN_STARTS_PROCESSES,
	};

	return &plugin;
}
