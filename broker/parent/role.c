/* SPDX-License-Identifier: Apache-2.0 */
/* The common start of engine, gateway and worker. */
#include "broker/parent/role.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/sandbox.h"

static _Noreturn void
started_by_hand(const char *what, const char *why)
{
	fprintf(stderr, "countersign-%s: %s. This program is started by countersignd; see countersignd(8).\n", what, why);
	exit(ROLE_EXIT_USAGE);
}

/* A descriptor that argv names: in range, open, and closed on exec from now on. */
static int
take_fd(const char *what, const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || fd < ROLE_FIRST_FD || fd > 1024 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
		started_by_hand(what, "an argument names no open descriptor");
	return (int)fd;
}

static void
take_listener(const char *what, char *text, struct role *role)
{
	char *equals = strchr(text, '=');
	int fd, flags;

	if (equals == NULL || role->listener_count == ROLE_LISTENERS_MAX)
		started_by_hand(what, "--listen needs NAME=FD");
	*equals = '\0';
	fd = take_fd(what, equals + 1);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		started_by_hand(what, "a listening socket cannot be used");
	role->listeners[role->listener_count].name = text;
	role->listeners[role->listener_count].fd = fd;
	role->listener_count++;
}

static void
parse_arguments(const char *what, int argc, char **argv, struct role *role)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"plugin", required_argument, NULL, 'p'},
		{"name", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "d", options, NULL)) != -1) {
		if (c == 'l')
			take_listener(what, optarg, role);
		else if (c == 'p')
			role->plugin_fd = take_fd(what, optarg);
		else if (c == 'n')
			role->name = optarg;
		else if (c == 'd')
			role->debug = true;
		else
			started_by_hand(what, "an argument is unknown");
	}
	if (optind != argc)
		started_by_hand(what, "an argument is unknown");
}

enum cs_err
role_config_read(int fd, struct config **out, struct config_error *err)
{
	struct stat st;
	enum cs_err e;
	size_t have = 0;
	char *text;

	memset(err, 0, sizeof(*err));
	if (fstat(fd, &st) != 0)
		return CS_ERR_SYSTEM;
	if (st.st_size <= 0 || st.st_size > CONFIG_CANONICAL_MAX)
		return CS_ERR_FULL;
	text = malloc((size_t)st.st_size);
	CHECK(text != NULL);
	/* pread: all children share the one offset of the memfd. */
	while (have < (size_t)st.st_size) {
		ssize_t n = pread(fd, text + have, (size_t)st.st_size - have, (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(text);
			return CS_ERR_SYSTEM;
		}
		have += (size_t)n;
	}
	e = config_parse(text, have, out, err);
	free(text);
	return e;
}

static void
read_config(const char *what, struct role *role)
{
	struct config_error err;
	char text[1024];
	enum cs_err e = role_config_read(ROLE_CONFIG_FD, &role->config, &err);

	if (e == CS_OK) {
		close(ROLE_CONFIG_FD);
		return;
	}
	if (e != CS_ERR_SYNTAX)
		started_by_hand(what, "descriptor 3 holds no configuration");
	config_error_text(&err, text, sizeof(text));
	log_error("config msg=\"the parent gave a bad configuration\" error=%s", log_value(view_str(text)));
	exit(ROLE_EXIT_FAILED);
}

void
role_start(const char *what, int argc, char **argv, struct role *role)
{
	struct stat st;
	int type;
	socklen_t len = sizeof(type);

	memset(role, 0, sizeof(*role));
	role->ready_fd = ROLE_READY_FD;
	role->control_fd = ROLE_CONTROL_FD;
	role->plugin_fd = -1;
	signal(SIGPIPE, SIG_IGN);
	/* A file that may not grow is a failed write, like a full disk, and no death. */
	signal(SIGXFSZ, SIG_IGN);
	if (fstat(ROLE_READY_FD, &st) != 0 || !S_ISFIFO(st.st_mode) ||
	    getsockopt(ROLE_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_SEQPACKET)
		started_by_hand(what, "the descriptors from the parent are missing");
	for (int fd = ROLE_CONFIG_FD; fd < ROLE_FIRST_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	parse_arguments(what, argc, argv, role);
	if (role->name == NULL)
		snprintf(role->title, sizeof(role->title), "%s", what);
	else
		snprintf(role->title, sizeof(role->title), "%s:%s", what, role->name);
	log_init(role->title, role->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	read_config(what, role);
}

int
role_listener(const struct role *role, const char *name)
{
	for (int i = 0; i < role->listener_count; i++) {
		if (strcmp(role->listeners[i].name, name) == 0)
			return role->listeners[i].fd;
	}
	return -1;
}

/*
 * The parent armed this before exec, but a change of user disarms it. When the parent died in between, its end of the
 * control socket is closed.
 */
static void
end_with_parent(struct role *role)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (recv(role->control_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		log_error("start msg=\"the parent is gone\"");
		exit(ROLE_EXIT_FAILED);
	}
}

bool
role_become(struct role *role, const char *name)
{
	bool becomes = geteuid() == 0 && name != NULL;
	struct passwd *pw = name == NULL ? NULL : getpwnam(name);

	if (becomes) {
		if (pw == NULL || sandbox_drop(pw->pw_uid, pw->pw_gid) != CS_OK) {
			log_error("start msg=\"cannot become the user of this role\" user=%s error=%s", log_value(view_str(name)),
			    log_value(view_str(pw == NULL ? "no such user" : strerror(errno))));
			exit(ROLE_EXIT_FAILED);
		}
	}
	end_with_parent(role);
	return becomes;
}

void
role_drop(struct role *role, enum config_role user)
{
	(void)role_become(role, role->config->users[user]);
}

void
role_ready(struct role *role)
{
	ssize_t n;

	CHECK(role->ready_fd >= 0);
	do
		n = write(role->ready_fd, "\n", 1);
	while (n < 0 && errno == EINTR);
	/* Without a reader the parent is gone, which the control socket tells as well. */
	close(role->ready_fd);
	role->ready_fd = -1;
}

void
role_late(struct role *role, const char *what)
{
	char line[CONTROL_TEXT_MAX];
	int n = snprintf(line, sizeof(line) - 1, "%s", what);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(line) - 2 ? (size_t)n : sizeof(line) - 2;

	CHECK(role->ready_fd >= 0);
	if (len == 0)
		return;
	for (size_t i = 0; i < len; i++)
		line[i] = line[i] == '\n' ? ' ' : line[i];
	line[len] = '\n';
	/* Less than PIPE_BUF: all of it, or nothing where nobody reads; then the next one tells. */
	if (write(role->ready_fd, line, len + 1) < 0 && errno != EAGAIN && errno != EINTR)
		log_warn("start msg=\"the parent does not hear why this takes long\" errno=%d", errno);
}
