/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `plugin` share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/ctl/check.h"
#include "broker/ctl/plugin.h"

int
plugin_config(struct ctl *ctl, struct config **config)
{
	*config = NULL;
	if (!ctl->files && access(ctl->config, F_OK) != 0 && errno == ENOENT)
		return CTL_OK;
	return check_load(ctl, config);
}

const char *
plugin_keys(const struct config *config)
{
	return config == NULL ? CTL_KEYS_DEFAULT : config->plugins.keys;
}

const char *
plugin_users(const struct config *config, const char *plugin, char text[PLUGIN_USERS_TEXT_MAX])
{
	struct config_instance one;
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; config != NULL && config_instance_at(config, i, &one); i++)
		if (strcmp(one.plugin, plugin) == 0 && len < PLUGIN_USERS_TEXT_MAX)
			len += (size_t)snprintf(text + len, PLUGIN_USERS_TEXT_MAX - len, "%s%s %s", len > 0 ? ", " : "",
			    config_kind_name(one.kind), one.name);
	return text;
}

bool
plugin_file_name(struct ctl *ctl, const char *path, char name[PLUGIN_NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
	size_t len = strlen(base);

	if (len > 3 && strcmp(base + len - 3, ".so") == 0)
		len -= 3;
	if (len == 0 || len > PLUGIN_NAME_MAX || base[0] == '.' || base[0] == '-' ||
	    strspn(base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") < len) {
		(void)ctl_fail(ctl, CTL_USAGE, "%s: a plugin is called by 1 to %d letters, digits, '-', '_' and '.', and its file"
		    " NAME.so; rename it", path, PLUGIN_NAME_MAX);
		return false;
	}
	memcpy(name, base, len);
	name[len] = '\0';
	return true;
}

/* Runs the worker and reads what it prints. -1 where it cannot be run or was killed; 127 where there is none. */
static int
worker_check(struct ctl *ctl, const char *file, size_t *len)
{
	char worker[4096];
	int fds[2], status = -1;
	ssize_t n;
	pid_t pid;

	(void)snprintf(worker, sizeof(worker), "%s/countersign-worker", ctl->libexec);
	if (pipe(fds) != 0)
		return -1;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)execl(worker, worker, "--check", file, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	*len = 0;
	while (*len < sizeof(ctl->message) &&
	    ((n = read(fds[0], ctl->message + *len, sizeof(ctl->message) - *len)) > 0 || (n < 0 && errno == EINTR)))
		*len += n > 0 ? (size_t)n : 0;
	(void)close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid < 0 || !WIFEXITED(status) ? -1 : WEXITSTATUS(status);
}

int
plugin_look(struct ctl *ctl, const char *file)
{
	size_t len = 0;
	int rc = worker_check(ctl, file, &len);
	bool described = len > 0 &&
	    json_read(ctl->message, len, ctl->wire->tokens, WIRE_TOKENS_MAX, &ctl->doc, NULL) == CS_OK;

	if (rc == 127)
		return ctl_fail(ctl, CTL_FAILED, "cannot run %s/countersign-worker: give its directory with --libexec",
		    ctl->libexec);
	if (rc != 0)
		return ctl_fail(ctl, CTL_BAD_CONFIG, "%s is not a plugin that a worker would load%s", file,
		    rc < 0 ? ": it crashed while it was looked at" : "");
	return described ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "the worker did not describe %s", file);
}

struct json_writer
plugin_say(struct ctl *ctl)
{
	ctl->out = buf_over(ctl->message, sizeof(ctl->message));
	return json_to(&ctl->out);
}

int
plugin_said(struct ctl *ctl)
{
	if (ctl->out.full || json_read(ctl->message, ctl->out.len, ctl->wire->tokens, WIRE_TOKENS_MAX, &ctl->doc, NULL) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "there is more to say than can be printed");
	return CTL_OK;
}

int
plugin_write(struct ctl *ctl, int directory, const char *name, mode_t mode, const char *text, size_t len)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), saved;
	bool good = fd >= 0;

	for (size_t done = 0; good && done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		good = n >= 0 || errno == EINTR;
		done += n > 0 ? (size_t)n : 0;
	}
	good = good && fchmod(fd, mode) == 0 && fsync(fd) == 0;
	saved = errno;
	if (fd >= 0)
		(void)close(fd);
	return good ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "cannot write %s: %s", name, strerror(saved));
}
