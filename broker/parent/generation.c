/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation of the configuration and the processes that it wants. The first one binds the doors. Each later one
 * keeps the workers that nothing changed for, starts replacements of the others beside them, lets the engine swap when
 * all are ready, and only then ends what was replaced; until that moment every failure leaves the old one in force.
 */
#include "broker/parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/parent/plugins.h"
#include "broker/parent/sockets.h"

void
parent_init(struct parent *p)
{
	memset(p, 0, sizeof(*p));
	p->config_fd = p->next_fd = -1;
	p->service_fd = p->admin_fd = p->gateway_fd = p->https_fd = -1;
}

struct child *
parent_find(struct parent *p, enum child_kind kind, pid_t pid)
{
	for (int i = 0; i < p->child_count; i++) {
		struct child *c = &p->children[i];

		if (pid > 0 ? c->pid == pid : c->kind == kind && !c->trial && c->state < CHILD_STOPPING)
			return c;
	}
	return NULL;
}

static struct child *
child_add(struct parent *p, enum child_kind kind, const char *role, const char *program, uint64_t generation)
{
	struct child *c = &p->children[p->child_count];
	int n;

	CHECK(p->child_count < PARENT_CHILDREN_MAX);
	child_init(c, kind, role);
	n = snprintf(c->program, sizeof(c->program), "%s/%s", p->libexec, program);
	CHECK(n > 0 && (size_t)n < sizeof(c->program));
	c->debug = p->debug;
	c->wanted = generation;
	c->trial = p->config != NULL;
	p->child_count++;
	return c;
}

static void
child_listen(struct child *c, const char *name, int fd)
{
	CHECK(c->listener_count < CHILD_LISTENERS_MAX && fd >= 0);
	c->listeners[c->listener_count++] = (struct child_listener){name, fd};
}

static uid_t
user_of(const struct parent *p, const struct config *c, enum config_role role)
{
	struct passwd *pw = p->separated ? getpwnam(c->users[role]) : NULL;

	return pw == NULL ? (uid_t)-1 : pw->pw_uid;
}

/* Workers */

static void
print_identity(struct buf *b, const struct stat *st)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "file %llu:%llu %lld %lld.%09ld %lld.%09ld\n", (unsigned long long)st->st_dev,
	    (unsigned long long)st->st_ino, (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
	    (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);

	buf_put(b, text, (size_t)n);
}

/* Text that differs whenever the worker would be another one: its options, its plugin, the files of its settings. */
static char *
worker_fingerprint(const struct config *c, const struct config_instance *w, const struct plugin_file *file)
{
	struct bytes b;
	struct stat st;
	char *text;

	bytes_init(&b, CONFIG_CANONICAL_MAX);
	config_print_worker(c, w->name, &b.buf);
	print_identity(&b.buf, &file->st);
	for (size_t i = 0; i < w->setting_count; i++) {
		if (w->settings[i].values[0][0] == '/' && stat(w->settings[i].values[0], &st) == 0)
			print_identity(&b.buf, &st);
	}
	buf_put_u8(&b.buf, '\0');
	CHECK(!b.buf.full);
	text = (char *)b.buf.data;
	return text;
}

static struct child *
find_worker(struct parent *p, const char *name, const char *fingerprint)
{
	for (int i = 0; i < p->child_count; i++) {
		struct child *c = &p->children[i];

		if (c->kind == CHILD_WORKER && !c->trial && c->state < CHILD_STOPPING && strcmp(c->name, name) == 0 &&
		    strcmp(c->fingerprint, fingerprint) == 0)
			return c;
	}
	return NULL;
}

/* Takes plugin_fd and fingerprint. */
static bool
worker_add(struct parent *p, struct config *c, size_t index, int plugin_fd, char *fingerprint, char *why)
{
	struct config_instance w;
	const char **socket = config_instance_socket(c, index);
	char role[CONTROL_ROLE_MAX + 8], path[sizeof(((struct child *)0)->socket_path)];
	struct child *child;
	enum cs_err e;
	int n;

	CHECK(config_instance_at(c, index, &w));
	snprintf(role, sizeof(role), "worker:%s", w.name);
	child = child_add(p, CHILD_WORKER, role, "countersign-worker", c->generation);
	snprintf(child->name, sizeof(child->name), "%s", w.name);
	child->plugin_fd = plugin_fd;
	child->fingerprint = fingerprint;
	memset(path, 0, sizeof(path));
	/* A replacement has a socket of its own, so that the engine cannot reach the old worker by the new policy. */
	n = p->config == NULL
	    ? snprintf(path, sizeof(path), "%s/worker-%s.sock", c->run_directory, w.name)
	    : snprintf(path, sizeof(path), "%s/worker-%s.%llu.sock", c->run_directory, w.name,
	          (unsigned long long)c->generation);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		snprintf(why, PARENT_WHY_MAX, "the run-directory's path is too long for the workers' sockets");
		return false;
	}
	e = socket_bind_unix(path, 0600, user_of(p, c, CONFIG_ENGINE), &child->socket_fd, why);
	if (e != CS_OK)
		return false;
	memcpy(child->socket_path, path, sizeof(path));
	child_listen(child, "worker", child->socket_fd);
	*socket = config_keep(c, path);
	snprintf(why, PARENT_WHY_MAX, "the configuration has too many words");
	return *socket != NULL;
}

/* What vouches for a file is told once a generation. */
static void
log_plugin(const struct config_instance *w, const struct plugin_file *file)
{
	char hex[TRUST_HEX_LEN + 1];

	if (!file->digested)
		return;
	trust_hex(file->sha256, hex);
	log_info("plugin name=%s sha256=%s pinned=%s signer=%s", w->name, hex, w->pin_count > 0 ? "yes" : "no",
	    log_value(view_str(file->signer)));
}

static bool
worker_plan(struct parent *p, struct config *c, size_t index, char *why)
{
	struct config_instance w;
	struct child *same;
	char *fingerprint;
	struct plugin_file file;

	CHECK(config_instance_at(c, index, &w));
	if (plugin_open(p->plugins, c, &w, &file, why) != CS_OK)
		return false;
	log_plugin(&w, &file);
	fingerprint = worker_fingerprint(c, &w, &file);
	same = find_worker(p, w.name, fingerprint);
	if (same == NULL)
		return worker_add(p, c, index, file.fd, fingerprint, why);
	same->wanted = c->generation;
	*config_instance_socket(c, index) = config_keep(c, same->socket_path);
	close(file.fd);
	free(fingerprint);
	return *config_instance_socket(c, index) != NULL;
}

static bool
workers_plan(struct parent *p, struct config *c, char *why)
{
	struct config_instance w;

	for (size_t i = 0; config_instance_at(c, i, &w); i++) {
		if (!worker_plan(p, c, i, why))
			return false;
	}
	return true;
}

static void
gateway_plan(struct parent *p, const struct config *c)
{
	/* Always replaced: certificate and key may be new files under their old names. */
	if (p->https_fd >= 0)
		child_listen(child_add(p, CHILD_GATEWAY, "gateway", "countersign-gateway", c->generation), "https", p->https_fd);
}

/* The canonical text in a memfd that nobody can change; -1 with why. */
static int
seal(const struct config *c, char *why)
{
	struct bytes b;
	size_t done = 0;
	int fd = memfd_create("countersign.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	bytes_init(&b, CONFIG_CANONICAL_MAX);
	config_print(c, &b.buf);
	while (fd >= 0 && !b.buf.full && done < b.buf.len) {
		ssize_t n = write(fd, b.buf.data + done, b.buf.len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (fd < 0 || b.buf.full || done < b.buf.len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
		snprintf(why, PARENT_WHY_MAX, "cannot hand on the configuration: %s", b.buf.full ? "it is too long" : strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	bytes_clear(&b);
	return fd;
}

static bool
load(struct parent *p, struct config **c, char *why)
{
	struct config_error err;

	if (config_load(p->file, c, &err) == CS_OK)
		return true;
	config_error_text(&err, why, PARENT_WHY_MAX);
	return false;
}

bool
generation_check(struct parent *p, char *why)
{
	struct config_instance w;
	struct config *c;
	bool ok;

	if (!load(p, &c, why))
		return false;
	ok = true;
	for (size_t i = 0; ok && config_instance_at(c, i, &w); i++) {
		struct plugin_file file;

		ok = plugin_open(p->plugins, c, &w, &file, why) == CS_OK;
		if (ok)
			close(file.fd);
	}
	config_free(c);
	return ok;
}

/* First generation */

/* The admin socket asks for credentials as well; its mode keeps others away where only root and we are admins. */
static mode_t
admin_mode(const struct config *c)
{
	for (size_t i = 0; i < c->admin_uid_count; i++) {
		if (c->admin_uids[i] != 0 && c->admin_uids[i] != geteuid())
			return 0666;
	}
	return 0600;
}

void
parent_unlink(struct parent *p, const struct config *c)
{
	char gateway[256];

	snprintf(gateway, sizeof(gateway), "%s/gateway.sock", c->run_directory);
	if (p->service_fd >= 0)
		unlink(c->service_socket);
	if (p->admin_fd >= 0)
		unlink(c->admin_socket);
	if (p->gateway_fd >= 0)
		unlink(gateway);
	for (int i = 0; i < p->child_count; i++)
		child_clear(&p->children[i]);
	p->child_count = 0;
}

static bool
bind_doors(struct parent *p, const struct config *c, char *why)
{
	char gateway[256];

	snprintf(gateway, sizeof(gateway), "%s/gateway.sock", c->run_directory);
	return directory_make(c->run_directory, 0711, (uid_t)-1, why) == CS_OK &&
	    directory_make(c->state_directory, 0700, user_of(p, c, CONFIG_ENGINE), why) == CS_OK &&
	    socket_bind_unix(c->service_socket, 0666, (uid_t)-1, &p->service_fd, why) == CS_OK &&
	    socket_bind_unix(c->admin_socket, admin_mode(c), (uid_t)-1, &p->admin_fd, why) == CS_OK &&
	    socket_bind_unix(gateway, 0600, user_of(p, c, CONFIG_GATEWAY), &p->gateway_fd, why) == CS_OK &&
	    (c->https.address == NULL || socket_bind_tcp(c->https.address, c->https.port, &p->https_fd, why) == CS_OK);
}

bool
generation_first(struct parent *p, char *why)
{
	struct config *c;
	struct child *engine;

	if (!load(p, &c, why))
		return false;
	c->generation = 1;
	p->separated = geteuid() == 0;
	for (size_t i = 0; i < CONFIG_ROLE_COUNT; i++)
		p->separated = p->separated && c->users[i] != NULL;
	if (!bind_doors(p, c, why)) {
		parent_unlink(p, c);
		config_free(c);
		return false;
	}
	engine = child_add(p, CHILD_ENGINE, "engine", "countersign-engine", 1);
	child_listen(engine, "service", p->service_fd);
	child_listen(engine, "admin", p->admin_fd);
	child_listen(engine, "gateway", p->gateway_fd);
	gateway_plan(p, c);
	if (!workers_plan(p, c, why) || (p->config_fd = seal(c, why)) < 0) {
		parent_unlink(p, c);
		config_free(c);
		return false;
	}
	for (int i = 0; i < p->child_count; i++)
		p->children[i].config_fd = p->config_fd;
	p->config = c;
	return true;
}

/* Reload */

static bool
text_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What this process or the engine did once and cannot do again. */
static bool
check_unchangeable(const struct config *a, const struct config *b, char *why)
{
	const struct {
		const char *what;
		bool same;
	} things[] = {
		{"the realm", text_same(a->realm, b->realm)},
		{"a directory", text_same(a->run_directory, b->run_directory) && text_same(a->state_directory, b->state_directory)},
		{"a door (listen)", text_same(a->service_socket, b->service_socket) && text_same(a->admin_socket, b->admin_socket) &&
		        text_same(a->https.address, b->https.address) && a->https.port == b->https.port},
		{"the store", config_store_same(a, b)},
		{"the key file", text_same(a->key_file, b->key_file)},
		{"a user", text_same(a->users[CONFIG_ENGINE], b->users[CONFIG_ENGINE]) &&
		        text_same(a->users[CONFIG_GATEWAY], b->users[CONFIG_GATEWAY]) &&
		        text_same(a->users[CONFIG_WORKER], b->users[CONFIG_WORKER])},
	};

	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		if (!things[i].same) {
			snprintf(why, PARENT_WHY_MAX, "%s was changed, which needs a restart of the broker", things[i].what);
			return false;
		}
	}
	return true;
}

static void
answer_engine(struct parent *p, struct control_message m)
{
	struct child *engine = parent_find(p, CHILD_ENGINE, 0);

	if (p->reload_asked && engine != NULL && engine->control_fd >= 0 && control_send(engine->control_fd, &m, -1) != CS_OK)
		log_warn("reload msg=\"the engine did not take the answer\"");
	p->reload_asked = false;
}

static void
reload_over(struct parent *p)
{
	p->reload = RELOAD_NONE;
	p->next = NULL;
	p->next_fd = -1;
	p->reload_due_ms = -1;
	p->table_dirty = true;
}

static void
reload_fail(struct parent *p, const char *why, int64_t now_ms)
{
	/* The cause stands in the log before what follows from it. */
	log_error("reload result=refused generation=%llu why=%s", (unsigned long long)p->config->generation,
	    log_value(view_str(why)));
	for (int i = 0; i < p->child_count; i++) {
		struct child *c = &p->children[i];

		if (c->trial)
			child_handle(c, CHILD_EVENT_STOP, now_ms);
		else if (p->config != NULL && c->state < CHILD_STOPPING)
			c->wanted = p->config->generation;
	}
	answer_engine(p, control_text(CONTROL_REFUSED, p->config->generation, why));
	config_free(p->next);
	/* Trials that are still ending borrow it no more: they are not started again. */
	if (p->next_fd >= 0)
		close(p->next_fd);
	reload_over(p);
}

static void
reload_commit(struct parent *p, int64_t now_ms)
{
	config_free(p->config);
	close(p->config_fd);
	p->config = p->next;
	p->config_fd = p->next_fd;
	for (int i = 0; i < p->child_count; i++) {
		struct child *c = &p->children[i];

		c->trial = false;
		c->config_fd = p->config_fd;
		if (c->kind == CHILD_ENGINE)
			c->generation = c->wanted = p->config->generation;
		else if (c->wanted != p->config->generation)
			child_handle(c, CHILD_EVENT_STOP, now_ms);
	}
	log_info("reload result=done generation=%llu", (unsigned long long)p->config->generation);
	answer_engine(p, control_text(CONTROL_RELOADED, p->config->generation, ""));
	reload_over(p);
}

/* Old ones that are still draining after the reload before this one take up room in the table. */
static bool
still_draining(const struct parent *p)
{
	for (int i = 0; i < p->child_count; i++) {
		if (p->children[i].state >= CHILD_STOPPING)
			return true;
	}
	return false;
}

static bool
reload_prepare(struct parent *p, char *why)
{
	if (!load(p, &p->next, why))
		return false;
	p->next->generation = p->config->generation + 1;
	if (!check_unchangeable(p->config, p->next, why))
		return false;
	gateway_plan(p, p->next);
	if (!workers_plan(p, p->next, why))
		return false;
	p->next_fd = seal(p->next, why);
	return p->next_fd >= 0;
}

void
reload_begin(struct parent *p, int64_t now_ms)
{
	char why[PARENT_WHY_MAX] = "";

	if (p->reload != RELOAD_NONE || still_draining(p)) {
		p->reload_again = true;
		return;
	}
	p->reload_again = false;
	p->next = NULL;
	p->next_fd = -1;
	if (!reload_prepare(p, why)) {
		reload_fail(p, why, now_ms);
		return;
	}
	p->reload = RELOAD_STARTING;
	for (int i = 0; i < p->child_count; i++) {
		struct child *c = &p->children[i];

		if (c->trial) {
			c->config_fd = p->next_fd;
			child_start(c, now_ms);
		}
	}
	reload_step(p, now_ms);
}

static void
tell_engine(struct parent *p, int64_t now_ms)
{
	struct child *engine = parent_find(p, CHILD_ENGINE, 0);
	struct control_message m = control_text(CONTROL_CONFIG, p->next->generation, "");

	/* An engine that is just starting has read the old text; it is told when it is up. */
	if (engine == NULL || engine->state != CHILD_UP)
		return;
	if (control_send(engine->control_fd, &m, p->next_fd) != CS_OK)
		return;
	p->reload = RELOAD_SWAPPING;
	p->reload_due_ms = now_ms + PARENT_SWAP_MS;
}

static void
step_starting(struct parent *p, int64_t now_ms)
{
	char why[PARENT_WHY_MAX];

	for (int i = 0; i < p->child_count; i++) {
		const struct child *c = &p->children[i];

		if (c->trial && c->failures > 0) {
			snprintf(why, sizeof(why), "the new %s did not become ready; its lines above say why", c->role);
			reload_fail(p, why, now_ms);
			return;
		}
		if (c->trial && c->state != CHILD_UP)
			return;
	}
	tell_engine(p, now_ms);
}

static void
step_swapping(struct parent *p, int64_t now_ms)
{
	struct child *engine = parent_find(p, CHILD_ENGINE, 0);

	if (engine == NULL || engine->state != CHILD_UP) {
		reload_fail(p, "the engine ended while it changed to the new configuration", now_ms);
	} else if (now_ms >= p->reload_due_ms) {
		/* It may have swapped or not: started again, it certainly has the old one. */
		kill(engine->pid, SIGKILL);
		reload_fail(p, "the engine did not answer in time and is started again", now_ms);
	}
}

void
reload_step(struct parent *p, int64_t now_ms)
{
	if (p->reload == RELOAD_STARTING)
		step_starting(p, now_ms);
	else if (p->reload == RELOAD_SWAPPING)
		step_swapping(p, now_ms);
	else if (p->reload_again && !still_draining(p))
		reload_begin(p, now_ms);
}

void
reload_answer(struct parent *p, const struct control_message *m, int64_t now_ms)
{
	char why[PARENT_WHY_MAX];

	if (p->reload != RELOAD_SWAPPING || m->generation != p->next->generation)
		return;
	if (m->type == CONTROL_OK) {
		reload_commit(p, now_ms);
		return;
	}
	snprintf(why, sizeof(why), "the engine refused it: %.960s", m->text);
	reload_fail(p, why, now_ms);
}
