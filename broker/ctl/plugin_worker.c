/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, asking and ending the worker of `plugin test`. */
#include "broker/ctl/plugin_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/parent/role.h"

enum {
	START_MS = 30 * 1000,    /* as the parent waits */
	STOP_MS = 5 * 1000,
	RESTART_MS = 8 * 1000,   /* the longest pause of a server that died again and again, and a start */
	FIRST_HIGH_FD = 100,     /* above what the worker's own numbers are */
	LISTEN_FD = ROLE_FIRST_FD, PLUGIN_FD,
};

/* ---- the log ---------------------------------------------------------------------------------- */

/* A process of its own takes what the worker says, so that a worker that says much waits for nobody. */
static _Noreturn void
keep_log(int from, int to)
{
	static char chunk[64 * 1024];
	size_t kept = 0;
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0 && kept + (size_t)n <= WORKER_LOG_MAX && write(to, chunk, (size_t)n) == n)
			kept += (size_t)n;
	}
	_exit(0);
}

/* The log from this place on, to be freed. */
static char *
log_text(const struct trial_worker *w, off_t from)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(w->log_fd, &st) != 0 || st.st_size < from)
		return NULL;
	text = calloc(1, (size_t)(st.st_size - from) + 1);
	n = text == NULL ? -1 : pread(w->log_fd, text, (size_t)(st.st_size - from), from);
	/* What a hostile plugin writes may hold zeros. */
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] == '\0' ? '?' : text[i];
	return text;
}

bool
trial_worker_logged(const struct trial_worker *w, const char *text)
{
	char *log = log_text(w, 0);
	bool found = log != NULL && strstr(log, text) != NULL;

	free(log);
	return found;
}

/* Until a line says it, or for so long: the log comes by another process, a moment after the act. */
static bool
log_wait(const struct trial_worker *w, const char *text, int64_t wait_ms)
{
	int64_t until = wire_now_ms() + wait_ms;
	bool found;

	do {
		char *log = log_text(w, w->log_from);

		found = log != NULL && strstr(log, text) != NULL;
		free(log);
		if (!found)
			(void)poll(NULL, 0, 2);
	} while (!found && wire_now_ms() < until);
	return found;
}

static struct view
line_of(const char *at)
{
	const char *end = strchr(at, '\n');

	return view_of(at, end == NULL ? strlen(at) : (size_t)(end - at));
}

/* What the line says behind its time, level and role: "plugin step=init msg=..." */
static struct view
line_words(struct view line)
{
	for (int i = 0; i < 3; i++) {
		const char *blank = memchr(line.data, ' ', line.len);

		if (blank == NULL)
			break;
		line = view_of(blank + 1, line.len - (size_t)(blank + 1 - (const char *)line.data));
	}
	return line;
}

/* The last complaint of this call that is not the supervisor's usual one; empty for none. */
static struct view
last_complaint(const char *log)
{
	struct view found = VIEW("");

	for (const char *at = log; at != NULL && *at != '\0';) {
		struct view line = line_of(at);
		bool usual = memmem(line.data, line.len, "will be replaced", 16) != NULL ||
		    (found.len > 0 && memmem(line.data, line.len, "the line before says why", 24) != NULL);

		if (!usual && (memmem(line.data, line.len, " error ", 7) != NULL || memmem(line.data, line.len, " warn ", 6) != NULL))
			found = line_words(line);
		at += line.len;
		at += *at == '\n';
	}
	return found;
}

/* ---- start -------------------------------------------------------------------------------------- */

/* As root it becomes somebody else, as in a broker; the configuration's own user is not known here. */
static const char *
test_user(void)
{
	return geteuid() == 0 && getpwnam("nobody") != NULL ? "user worker \"nobody\"\n" : "";
}

/* Whether one of the lines begins with this word. */
static bool
line_given(const char *lines, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = lines; at != NULL; at = strchr(at, '\n')) {
		at += strspn(at, "\n\t ");
		if (strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\t'))
			return true;
	}
	return false;
}

/* The canonical text of a broker with one block, in a memfd. -1 with w->reason. */
static int
write_config(struct trial_worker *w, const char *kind, const char *lines)
{
	char deadline[32] = "", *text = NULL;
	struct config_error err = {.line = 0};
	struct config_instance block = {.deadline_ms = 0};
	struct config *config = NULL;
	int fd, n;

	if (!line_given(lines, "deadline"))
		(void)snprintf(deadline, sizeof(deadline), "deadline %dms\n", WORKER_DEADLINE_MS);
	n = asprintf(&text,
	    "generation 1\nrealm \"test\"\nrun-directory \"%s\"\nstate-directory \"%s\"\nstore mem\n%s"
	    "listen service \"%s/s\"\nlisten admin \"%s/a\"\n%s \"tested\" {\nplugin \"tested\"\nservers 1\n%s%s}\n",
	    w->directory, w->directory, test_user(), w->directory, w->directory, kind, deadline, lines);
	if (n < 0)
		return -1;
	if (config_parse(text, (size_t)n, &config, &err) != CS_OK) {
		(void)snprintf(w->reason, sizeof(w->reason), "its block is not understood: \"%s\": %s%s%s", err.word, err.message,
		    err.mend[0] == '\0' ? "" : "; ", err.mend);
		free(text);
		return -1;
	}
	if (config_instance_at(config, 0, &block))
		w->deadline_ms = block.deadline_ms;
	config_free(config);
	fd = memfd_create("countersign.conf", MFD_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		(void)snprintf(w->reason, sizeof(w->reason), "cannot hand on its configuration: %s", strerror(errno));
	free(text);
	return fd;
}

static int
open_listener(struct trial_worker *w)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/worker", w->directory);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 || listen(fd, 8) != 0) {
		(void)snprintf(w->reason, sizeof(w->reason), "cannot open a socket in %s: %s", w->directory, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	(void)wire_init(w->wire, to.sun_path);
	return fd;
}

struct handed {
	int fd, as;
};

static _Noreturn void
become_worker(const char *program, struct handed *handed, size_t count)
{
	char listen_text[32], plugin_text[8];

	for (size_t i = 0; i < count; i++)
		handed[i].fd = fcntl(handed[i].fd, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
	for (size_t i = 0; i < count; i++)
		if (handed[i].fd < 0 || dup2(handed[i].fd, handed[i].as) < 0)
			_exit(127);
	(void)snprintf(listen_text, sizeof(listen_text), "worker=%d", LISTEN_FD);
	(void)snprintf(plugin_text, sizeof(plugin_text), "%d", PLUGIN_FD);
	(void)execl(program, program, "--name", "tested", "--listen", listen_text, "--plugin", plugin_text, (char *)NULL);
	_exit(127);
}

static pid_t
spawn_logger(int from, int to, int other)
{
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)close(other);
		keep_log(from, to);
	}
	return pid;
}

/* Waits for the readiness byte. False: it ended, its server died while it started, or it said nothing in time. */
static bool
wait_ready(const struct trial_worker *w, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t until = wire_now_ms() + START_MS;
	char byte;
	int n;

	do
		n = poll(&p, 1, 20);
	while ((n == 0 || (n < 0 && errno == EINTR)) && wire_now_ms() < until && !trial_worker_logged(w, "did not start, will be replaced"));
	return n == 1 && read(fd, &byte, 1) == 1;
}

static void
close_pair(int fds[2])
{
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
		fds[i] = -1;
	}
}

static void
forget(struct trial_worker *w)
{
	const int fds[] = {w->control_fd, w->log_fd, w->listen_fd};
	char path[sizeof(w->directory) + 8];

	wire_close(w->wire);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	(void)snprintf(path, sizeof(path), "%s/worker", w->directory);
	(void)unlink(path);
	(void)rmdir(w->directory);
	free(w->wire);
	w->wire = NULL;
}

/* "signal=6" of the supervisor's line. */
static const char *
first_death(const char *log, char *to, size_t size)
{
	static const char end[] = "will be replaced\" ";
	const char *at = strstr(log, end);
	struct view line = at == NULL ? VIEW("") : line_of(at + sizeof(end) - 1);
	const char *blank = memchr(line.data, ' ', line.len);

	(void)snprintf(to, size, "%.*s", (int)(blank == NULL ? line.len : (size_t)(blank - (const char *)line.data)), line.data);
	return to;
}

/* Why it did not become ready: its own last word, or how it ended. */
static void
say_unready(struct trial_worker *w)
{
	char *log, death[40];
	struct view line;
	int status = 0;

	(void)kill(w->pid, SIGKILL);
	(void)waitpid(w->pid, &status, 0);
	(void)waitpid(w->logger, NULL, 0);
	log = log_text(w, 0);
	line = log == NULL ? VIEW("") : last_complaint(log);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		(void)snprintf(w->reason, sizeof(w->reason), "%s/countersign-worker cannot be run: give its directory with --libexec",
		    w->ctl->libexec);
	else if (line.len > 0)
		(void)snprintf(w->reason, sizeof(w->reason), "%.*s", (int)(line.len < 400 ? line.len : 400), line.data);
	else if (log != NULL && strstr(log, "did not start") != NULL)
		(void)snprintf(w->reason, sizeof(w->reason), "its process died while it started (%s)", first_death(log, death, sizeof(death)));
	else
		(void)snprintf(w->reason, sizeof(w->reason), "it said nothing, and was not ready within %d s", START_MS / 1000);
	free(log);
}

bool
trial_worker_start(struct ctl *ctl, const char *kind, const char *lines, int plugin_fd, struct trial_worker *w)
{
	int config, ready[2] = {-1, -1}, log[2] = {-1, -1}, control[2] = {-1, -1};
	char program[4096];
	bool up = false;

	*w = (struct trial_worker){.ctl = ctl, .control_fd = -1, .log_fd = -1, .listen_fd = -1, .wire = calloc(1, sizeof(*w->wire))};
	(void)snprintf(w->directory, sizeof(w->directory), "/tmp/countersign-test.XXXXXX");
	if (w->wire == NULL || mkdtemp(w->directory) == NULL) {
		(void)snprintf(w->reason, sizeof(w->reason), "cannot make a directory in /tmp: %s", strerror(errno));
		free(w->wire);
		return false;
	}
	w->wire->fd = -1;
	(void)snprintf(program, sizeof(program), "%s/countersign-worker", ctl->libexec);
	config = write_config(w, kind, lines);
	w->log_fd = memfd_create("log", MFD_CLOEXEC);
	if (config >= 0 && (w->listen_fd = open_listener(w)) >= 0 && w->log_fd >= 0 && pipe2(ready, O_CLOEXEC) == 0 &&
	    pipe2(log, O_CLOEXEC) == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0) {
		struct handed handed[] = {{log[1], STDERR_FILENO}, {config, ROLE_CONFIG_FD}, {ready[1], ROLE_READY_FD},
		    {control[1], ROLE_CONTROL_FD}, {w->listen_fd, LISTEN_FD}, {plugin_fd, PLUGIN_FD}};

		w->logger = spawn_logger(log[0], w->log_fd, log[1]);
		w->pid = fork();
		if (w->pid == 0)
			become_worker(program, handed, sizeof(handed) / sizeof(handed[0]));
		w->control_fd = control[0];
		control[0] = -1;
		(void)close(ready[1]);
		(void)close(log[1]);
		ready[1] = log[1] = -1;
		up = w->pid > 0 && wait_ready(w, ready[0]);
		if (!up)
			say_unready(w);
	}
	if (config >= 0)
		(void)close(config);
	close_pair(ready);
	close_pair(log);
	close_pair(control);
	w->processes = strstr(lines, "processes yes") != NULL;
	if (!up)
		forget(w);
	return up;
}

bool
trial_worker_stop(struct trial_worker *w)
{
	int64_t until = wire_now_ms() + STOP_MS;
	int status = 0;
	pid_t pid;

	wire_close(w->wire);
	(void)kill(w->pid, SIGTERM);
	while ((pid = waitpid(w->pid, &status, WNOHANG)) == 0 && wire_now_ms() < until)
		(void)poll(NULL, 0, 2);
	w->reason[0] = '\0';
	if (pid == 0) {
		(void)snprintf(w->reason, sizeof(w->reason), "it had not ended %d s after it was told to", STOP_MS / 1000);
		(void)kill(w->pid, SIGKILL);
		(void)waitpid(w->pid, &status, 0);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		(void)snprintf(w->reason, sizeof(w->reason), "it ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	/* Its log is whole when nobody is left who could write to it. */
	(void)waitpid(w->logger, NULL, 0);
	return w->reason[0] == '\0';
}

void
trial_worker_forget(struct trial_worker *w)
{
	forget(w);
}

/* ---- calls ------------------------------------------------------------------------------------ */

struct json_writer
trial_call(struct trial_worker *w, const char *method, int64_t deadline_ms)
{
	char name[96];
	struct json_writer call;

	(void)snprintf(name, sizeof(name), "org.countersign.Worker.%s", method);
	w->ctl->out = buf_over(w->ctl->message, sizeof(w->ctl->message));
	call = varlink_call_begin(&w->ctl->out, view_str(name), false);
	(void)snprintf(w->request, sizeof(w->request), "test-%u", ++w->calls);
	json_member_int(&call, "deadline_ms", deadline_ms);
	json_member_str(&call, "request", view_str(w->request));
	return call;
}

/* How the server ended: late, by the cage, or by itself. The supervisor says so a moment later. */
static enum worker_said
say_gone(struct trial_worker *w)
{
	struct view line;
	char *log, death[40];

	w->deaths++;
	(void)log_wait(w, "will be replaced", STOP_MS);
	log = log_text(w, w->log_from);
	line = log == NULL ? VIEW("") : last_complaint(log);
	if (line.len > 0)
		(void)snprintf(w->reason, sizeof(w->reason), "its process ended: %.*s", (int)(line.len < 300 ? line.len : 300), line.data);
	else
		(void)snprintf(w->reason, sizeof(w->reason), "its process ended (%s)", first_death(log == NULL ? "" : log, death, sizeof(death)));
	free(log);
	return SAID_GONE;
}

static enum worker_said
say_error(struct trial_worker *w, struct view error)
{
	struct view reason = w->reply == 0 || json_get(&w->doc, w->reply, VIEW("reason")) == 0 ? VIEW("")
	    : json_text(&w->doc, json_get(&w->doc, w->reply, VIEW("reason")));

	(void)snprintf(w->reason, sizeof(w->reason), "%.*s", (int)(reason.len < 64 ? reason.len : 64), reason.data);
	if (view_equal(error, VIEW("org.countersign.Worker.Refused")))
		return SAID_REFUSED;
	if (!view_equal(error, VIEW("org.countersign.Worker.Failed")))
		return SAID_UNKNOWN;
	if (!view_equal(reason, VIEW("garbage")))
		return SAID_FAILED;
	w->deaths++;
	wire_close(w->wire);
	(void)log_wait(w, "will be replaced", STOP_MS);
	return SAID_GARBAGE;
}

enum worker_said
trial_run(struct trial_worker *w, struct json_writer *call)
{
	int64_t until = wire_now_ms() + RESTART_MS;
	struct varlink_reply reply;
	enum wire_result rc;
	struct stat st;

	varlink_end(call);
	w->log_from = fstat(w->log_fd, &st) == 0 ? st.st_size : 0;
	w->reply = 0;
	w->reason[0] = '\0';
	if (w->ctl->out.full || w->ctl->out.len > VARLINK_MESSAGE_MAX + 1)
		return SAID_UNKNOWN;
	rc = wire_connect(w->wire, until);
	if (rc == WIRE_OK)
		rc = wire_send(w->wire, buf_view(&w->ctl->out), until);
	if (rc == WIRE_OK)
		rc = wire_receive(w->wire, until, &w->doc, &reply);
	if (rc == WIRE_OK) {
		w->reply = reply.parameters;
		return reply.error.len == 0 ? SAID_REPLY : say_error(w, reply.error);
	}
	if (rc == WIRE_LOST)
		return say_gone(w);
	(void)snprintf(w->reason, sizeof(w->reason), "it did not answer within %d s, and was not replaced", RESTART_MS / 1000);
	w->deaths++;
	return SAID_DOWN;
}

/* ---- how big it is ------------------------------------------------------------------------------ */

static size_t
read_proc(const char *path, char *to, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, cap - 1);

	if (fd >= 0)
		(void)close(fd);
	to[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

/* The pids below this one; the first, or 0. */
static long
children_of(long pid, unsigned *count)
{
	char path[64], text[4096];
	long first = 0;
	char *at = text, *end;

	*count = 0;
	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", pid, pid);
	(void)read_proc(path, text, sizeof(text));
	for (long child = strtol(at, &end, 10); end != at; at = end, child = strtol(at, &end, 10)) {
		first = first == 0 ? child : first;
		(*count)++;
	}
	return first;
}

bool
trial_worker_size(const struct trial_worker *w, int64_t *resident_bytes, unsigned *children)
{
	char path[64], text[8192];
	const char *line;
	unsigned servers;
	long server = children_of(w->pid, &servers);

	if (server == 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%ld/status", server);
	(void)read_proc(path, text, sizeof(text));
	line = strstr(text, "\nVmRSS:");
	if (line == NULL)
		return false;
	*resident_bytes = strtoll(line + strlen("\nVmRSS:"), NULL, 10) * 1024;
	(void)children_of(server, children);
	return true;
}
