/* SPDX-License-Identifier: Apache-2.0 */
/* The cage of a worker, from what its block says. */
#include "broker/worker/cage.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/sandbox.h"
#include "broker/base/sandbox_landlock.h"

/* Asked before the cage closes, when it may still be asked. */
static struct sandbox_kernel kernel;

enum { PORT_HTTPS = 443, PORT_NAMES = 53, OWN_RULES = 3 };

static enum cs_err say(char *problem, enum cs_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum cs_err
say(char *problem, enum cs_err err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(problem, SETTINGS_PROBLEM_MAX, format, ap);
	va_end(ap);
	return err;
}

/* Files */

struct place {
	const char *path;
	unsigned access;
};

/* Libraries, and what they read of the system. */
static const struct place for_all[] = {
	{"/usr/lib", LANDLOCK_READ}, {"/usr/lib32", LANDLOCK_READ}, {"/usr/lib64", LANDLOCK_READ},
	{"/usr/local/lib", LANDLOCK_READ}, {"/lib", LANDLOCK_READ}, {"/lib64", LANDLOCK_READ},
	{"/etc/ld.so.cache", LANDLOCK_READ}, {"/etc/localtime", LANDLOCK_READ}, {"/usr/share/zoneinfo", LANDLOCK_READ},
	{"/etc/ssl/openssl.cnf", LANDLOCK_READ}, {"/usr/lib/ssl", LANDLOCK_READ}, {"/etc/gnutls", LANDLOCK_READ},
	{"/dev/null", LANDLOCK_READ | LANDLOCK_WRITE}, {"/dev/urandom", LANDLOCK_READ}, {"/proc/sys", LANDLOCK_READ},
	{"/sys/devices/system/cpu", LANDLOCK_READ},
};
/* Names of hosts, and authorities of certificates. */
static const struct place for_network[] = {
	{"/etc/resolv.conf", LANDLOCK_READ}, {"/run/systemd/resolve", LANDLOCK_READ}, {"/run/resolvconf", LANDLOCK_READ},
	{"/run/NetworkManager", LANDLOCK_READ}, {"/etc/hosts", LANDLOCK_READ}, {"/etc/nsswitch.conf", LANDLOCK_READ},
	{"/etc/host.conf", LANDLOCK_READ}, {"/etc/gai.conf", LANDLOCK_READ}, {"/etc/services", LANDLOCK_READ},
	{"/etc/protocols", LANDLOCK_READ}, {"/etc/networks", LANDLOCK_READ}, {"/etc/ssl/certs", LANDLOCK_READ},
	{"/etc/pki", LANDLOCK_READ}, {"/etc/ca-certificates", LANDLOCK_READ}, {"/usr/share/ca-certificates", LANDLOCK_READ},
	{"/usr/local/share/ca-certificates", LANDLOCK_READ},
	/* Semaphores of libraries for tokens, which make them when they start: cage_judge() ends that. */
	{"/dev/shm", LANDLOCK_READ | LANDLOCK_WRITE},
};
/* Programs, and what the system lets everybody read. */
static const struct place for_processes[] = {
	{"/usr", LANDLOCK_READ | LANDLOCK_EXECUTE}, {"/bin", LANDLOCK_READ | LANDLOCK_EXECUTE},
	{"/sbin", LANDLOCK_READ | LANDLOCK_EXECUTE}, {"/lib", LANDLOCK_READ | LANDLOCK_EXECUTE},
	{"/lib64", LANDLOCK_READ | LANDLOCK_EXECUTE}, {"/etc", LANDLOCK_READ}, {"/proc", LANDLOCK_READ},
	{"/dev/zero", LANDLOCK_READ}, {"/dev/random", LANDLOCK_READ},
};
/* AddressSanitizer reads its own map and those of its threads. */
static const struct place for_sanitizer[] = {{"/proc", LANDLOCK_READ}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
allow_places(struct landlock *l, const struct place *places, size_t n)
{
	enum cs_err err = CS_OK;

	for (size_t i = 0; i < n && (err == CS_OK || err == CS_ERR_NOT_FOUND); i++)
		err = landlock_path(l, places[i].path, places[i].access);
	return err == CS_OK || err == CS_ERR_NOT_FOUND;
}

static enum cs_err
allow_named(struct landlock *l, const char *const *paths, size_t n, unsigned access, char *problem)
{
	for (size_t i = 0; i < n; i++) {
		if (landlock_path(l, paths[i], access) != CS_OK)
			return say(problem, CS_ERR_SYSTEM, "the cage cannot be given %.256s: %s; the worker's user must be able to "
			    "reach it", paths[i], strerror(errno));
	}
	return CS_OK;
}

/* The value of a setting whose name ends in -file is a path, of a file for the plugin to read. */
static enum cs_err
allow_settings(struct landlock *l, const struct settings *s, char *problem)
{
	enum cs_err err = CS_OK;

	for (size_t i = 0; err == CS_OK && i < s->count; i++) {
		const struct setting *item = &s->items[i];
		size_t len = strlen(item->name);

		if (item->secret == NULL && len > 5 && strcmp(item->name + len - 5, "-file") == 0)
			err = allow_named(l, item->values, item->count, LANDLOCK_READ, problem);
	}
	return err;
}

/* Ports */

/* Of "https://host", "smtp://[::1]:587/x"; 0 where the text is no URL with a port that is known. */
static uint16_t
port_of(const char *url)
{
	static const struct {
		const char *scheme;
		uint16_t port;
	} known[] = {{"https", PORT_HTTPS}, {"http", 80}, {"smtps", 465}, {"smtp", 25}};
	const char *at = strstr(url, "://"), *end, *colon;
	long port = 0;

	if (at == NULL)
		return 0;
	end = at + 3 + strcspn(at + 3, "/?#");
	colon = end;
	while (colon > at + 3 && colon[-1] >= '0' && colon[-1] <= '9')
		colon--;
	if (colon < end && colon > at + 3 && colon[-1] == ':')
		port = strtol(colon, NULL, 10);
	for (size_t i = 0; port == 0 && i < COUNT(known); i++) {
		if (strlen(known[i].scheme) == (size_t)(at - url) && strncmp(url, known[i].scheme, (size_t)(at - url)) == 0)
			port = known[i].port;
	}
	return port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool
allow_ports(struct landlock *l, const struct settings *s)
{
	/* A plugin may know its servers by itself; name servers answer long answers by TCP. */
	bool ok = landlock_port(l, PORT_HTTPS) == CS_OK && landlock_port(l, PORT_NAMES) == CS_OK;

	for (size_t i = 0; ok && i < s->count; i++) {
		for (size_t k = 0; ok && s->items[i].secret == NULL && k < s->items[i].count; k++) {
			uint16_t port = port_of(s->items[i].values[k]);

			ok = port == 0 || landlock_port(l, port) == CS_OK;
		}
	}
	return ok;
}

static enum cs_err
allow_all(struct landlock *l, const struct settings *s, int plugin_fd, char *problem)
{
	const struct config_cage *c = s->cage;
	bool ok = allow_places(l, for_all, COUNT(for_all)) && landlock_file(l, plugin_fd, LANDLOCK_READ | LANDLOCK_EXECUTE) == CS_OK;
	enum cs_err err;

	if (ok && c->network != CONFIG_NETWORK_NO)
		ok = allow_places(l, for_network, COUNT(for_network)) && allow_ports(l, s);
	if (ok && c->processes)
		ok = allow_places(l, for_processes, COUNT(for_processes));
	if (ok && SANDBOX_SANITIZED)
		ok = allow_places(l, for_sanitizer, COUNT(for_sanitizer));
	if (!ok)
		return say(problem, CS_ERR_SYSTEM, "the cage cannot be made: %s", strerror(errno));
	err = allow_settings(l, s, problem);
	if (err == CS_OK)
		err = allow_named(l, c->reads, c->read_count, LANDLOCK_READ | (c->processes ? LANDLOCK_EXECUTE : 0), problem);
	if (err == CS_OK)
		err = allow_named(l, c->writes, c->write_count, LANDLOCK_READ | LANDLOCK_WRITE, problem);
	return err;
}

enum cs_err
cage_main(const struct settings *s, int plugin_fd, bool own_user, char *problem)
{
	struct clock_now now;
	struct landlock l;
	enum cs_err err;

	sandbox_probe(&kernel);
	if (own_user && sandbox_bound(RLIMIT_NPROC, CAGE_PROCESSES_MAX) != CS_OK)
		return say(problem, CS_ERR_SYSTEM, "the number of processes cannot be limited: %s", strerror(errno));
	/* A clock that tests move is a file, which is opened with the first look at it. */
	clock_read(&now);
	err = landlock_init(&l, s->cage->network != CONFIG_NETWORK_ANY);
	if (err == CS_ERR_UNAVAILABLE)
		return CS_OK;
	if (err != CS_OK)
		return say(problem, err, "the cage cannot be made: %s", strerror(errno));
	err = allow_all(&l, s, plugin_fd, problem);
	if (err == CS_OK && landlock_enforce(&l) != CS_OK)
		err = say(problem, CS_ERR_SYSTEM, "the cage cannot be closed: %s", strerror(errno));
	return err;
}

/* System calls */

static unsigned
rules_of(const struct config_cage *c)
{
	unsigned when = CAGE_ALWAYS | CAGE_START;

	if (c->network != CONFIG_NETWORK_NO)
		when |= CAGE_NETWORK;
	if (c->network == CONFIG_NETWORK_HOSTS || c->network == CONFIG_NETWORK_ANY)
		when |= CAGE_INET;
	if (c->processes)
		when |= CAGE_PROCESSES | CAGE_WRITE;
	if (c->processes || c->network == CONFIG_NETWORK_ANY)
		when |= CAGE_UNIX;
	else if (c->network == CONFIG_NETWORK_HOSTS)
		when |= CAGE_NO_UNIX;
	if (c->write_count > 0)
		when |= CAGE_WRITE;
	if (SANDBOX_SANITIZED)
		when |= CAGE_SANITIZER;
	return when;
}

/* abort() and raise() send signals, to this process alone. */
static void
own_rules(struct seccomp_rule *to)
{
	static const char *const names[OWN_RULES] = {"kill", "tgkill", "rt_tgsigqueueinfo"};

	for (size_t i = 0; i < OWN_RULES; i++)
		to[i] = (struct seccomp_rule){.name = names[i], .when = CAGE_ALWAYS, .argument_count = 1,
		    .arguments = {{0, UINT32_MAX, (uint64_t)getpid()}}};
}

static void
send_notices(int to_main, int notices)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {{0}};
	struct iovec data = {(char[1]){0}, 1};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};

	if (notices >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &notices, sizeof(int));
	}
	while (sendmsg(to_main, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		continue;
	if (notices >= 0)
		close(notices);
	close(to_main);
}

int
cage_take_notices(int from_server)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {{0}};
	char byte;
	struct iovec data = {&byte, 1};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	int fd = -1;

	if (recvmsg(from_server, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) > 0 && CMSG_FIRSTHDR(&m) != NULL &&
	    control.header.cmsg_type == SCM_RIGHTS && control.header.cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
	return fd;
}

/* A log that is a file must be able to grow: then Landlock alone keeps files from being written. */
static enum cs_err
bound_files(const struct config_cage *c)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		return CS_OK;
	if (c->write_count > 0 || c->processes)
		return sandbox_bound(RLIMIT_FSIZE, CAGE_FILE_MAX);
	return sandbox_bound(RLIMIT_FSIZE, c->network == CONFIG_NETWORK_NO ? 0 : CAGE_SEMAPHORE_MAX);
}

enum cs_err
cage_first(const struct settings *s, int to_main, const int *keep, size_t keep_count, char *problem)
{
	size_t count = cage_rules_count + OWN_RULES;
	struct seccomp_rule *rules;
	enum cs_err err = CS_OK;
	int notices = -1;

	sandbox_close_from(STDERR_FILENO + 1, keep, keep_count);
	if ((!SANDBOX_SANITIZED && sandbox_bound(RLIMIT_AS, s->cage->memory_bytes) != CS_OK) || bound_files(s->cage) != CS_OK)
		return say(problem, CS_ERR_SYSTEM, "the server cannot be limited: %s", strerror(errno));
	if (kernel.seccomp) {
		rules = calloc(count, sizeof(*rules));
		CHECK(rules != NULL);
		memcpy(rules, cage_rules, cage_rules_count * sizeof(*rules));
		own_rules(rules + cage_rules_count);
		err = seccomp_only(rules, count, rules_of(s->cage), &notices);
		free(rules);
	}
	if (err != CS_OK)
		return say(problem, err, "the system calls cannot be limited: %s", strerror(errno));
	send_notices(to_main, notices);
	return CS_OK;
}

static bool
has_network(const struct settings *s, uint32_t flags)
{
	return s->cage->network == CONFIG_NETWORK_HOSTS || s->cage->network == CONFIG_NETWORK_ANY ||
	    (s->cage->network == CONFIG_NETWORK_DEFAULT && (flags & COUNTERSIGN_USES_HTTP) != 0);
}

enum cs_err
cage_second(const struct settings *s, uint32_t flags, char *problem)
{
	/* Names of hosts are looked up with files, and by libraries that are loaded for it; programs load theirs. */
	if (!kernel.seccomp || SANDBOX_SANITIZED || has_network(s, flags) || s->cage->processes || s->cage->write_count > 0)
		return CS_OK;
	if (seccomp_less(cage_rules, cage_rules_count, CAGE_SECOND) != CS_OK)
		return say(problem, CS_ERR_SYSTEM, "the system calls cannot be limited further: %s", strerror(errno));
	return CS_OK;
}

enum cs_err
cage_check(const struct settings *s, const struct countersign_plugin_v1 *p, char *problem)
{
	if ((p->flags & COUNTERSIGN_USES_HTTP) != 0 && s->cage->network == CONFIG_NETWORK_NO)
		return say(problem, CS_ERR_DENIED, "plugin %s asks servers, and its cage has  network no: write  cage { network "
		    "hosts }, or remove the line", p->name);
	if ((p->flags & COUNTERSIGN_STARTS_PROCESSES) != 0 && !s->cage->processes)
		return say(problem, CS_ERR_DENIED, "plugin %s starts processes, which its cage does not allow: write  cage { "
		    "processes yes }  in the block of \"%.32s\"", p->name, s->name);
	return CS_OK;
}

/* The main process */

/* How a semaphore is made; what else it could be used for is Landlock's. */
static bool
makes_semaphore(const char *name)
{
	static const char *const names[] = {"open", "openat", "link", "linkat", "unlink", "unlinkat", "ftruncate"};
	size_t i = 0;

	while (i < COUNT(names) && strcmp(names[i], name) != 0)
		i++;
	return i < COUNT(names);
}

/* What socket() shall do: 0, an error, or -1: it is forbidden. */
static int
judge_socket(const struct seccomp_notice *n)
{
	int domain = (int)n->arguments[0];

	if (domain == AF_INET || domain == AF_INET6 || (domain == AF_NETLINK && n->arguments[2] == 0))
		return 0;
	return domain == AF_UNIX ? EACCES : -1;
}

bool
cage_judge(int notices, const struct settings *s, bool starting, bool uses_http, struct seccomp_notice *out)
{
	uint32_t network = s->cage->network;
	int error = -1;

	if (seccomp_notice_read(notices, out) != CS_OK)
		return false;
	if (out->name[0] == '\0')
		error = ENOSYS; /* younger than libseccomp: the library that tries it knows an older one */
	else if (starting && network != CONFIG_NETWORK_NO && makes_semaphore(out->name))
		error = 0;
	else if (network == CONFIG_NETWORK_DEFAULT && uses_http && strcmp(out->name, "socket") == 0)
		error = judge_socket(out);
	if (error >= 0)
		seccomp_notice_answer(notices, out, error);
	return error < 0;
}
