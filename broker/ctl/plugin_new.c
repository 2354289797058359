/* SPDX-License-Identifier: Apache-2.0 */
/* plugin new: a plugin that builds, loads and says no to everybody, for its author to go on from. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/ctl/plugin.h"

enum { TEMPLATE_MAX = 64 * 1024 };

static const char *const kinds[] = {"provider", "factor", "risk", "notify", "token"};

/* Which template becomes which file; in: a template of the kind's own name. */
static const struct {
	const char *template, *file;
	bool with_make, with_autotools;
} files[] = {
	{NULL, "plugin.c", true, true},
	{"README.md", "README.md", true, true},
	{"Makefile.make", "Makefile", true, false},
	{"configure.ac", "configure.ac", false, true},
	{"Makefile.am", "Makefile.am", false, true},
};

static bool
is_kind(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i], kind) == 0)
			return true;
	return false;
}

/* Lower case, digits and hyphens, as plugin.h has names. */
static bool
is_plugin_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[0] != '-' &&
	    (name[0] < '0' || name[0] > '9');
}

/* @NAME@ by the name, @IDENT@ by the name as an identifier, @KIND@ by the kind. */
static void
fill_in(struct buf *out, const char *text, const char *name, const char *kind)
{
	char ident[64];

	(void)snprintf(ident, sizeof(ident), "%s", name);
	for (char *at = ident; *at != '\0'; at++)
		*at = *at == '-' ? '_' : *at;
	while (*text != '\0') {
		const char *mark = strchr(text, '@');

		if (mark == NULL)
			mark = text + strlen(text);
		buf_put(out, text, (size_t)(mark - text));
		text = mark;
		if (strncmp(text, "@NAME@", 6) == 0) {
			buf_put_view(out, view_str(name));
			text += 6;
		} else if (strncmp(text, "@IDENT@", 7) == 0) {
			buf_put_view(out, view_str(ident));
			text += 7;
		} else if (strncmp(text, "@KIND@", 6) == 0) {
			buf_put_view(out, view_str(kind));
			text += 6;
		} else if (*text == '@') {
			buf_put_u8(out, '@');
			text++;
		}
	}
}

static int
read_template(struct ctl *ctl, const char *name, char *text)
{
	char path[4096];
	size_t have = 0;
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", ctl->skeleton, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && have < TEMPLATE_MAX && (n = read(fd, text + have, TEMPLATE_MAX - have)) > 0)
		have += (size_t)n;
	if (fd >= 0)
		(void)close(fd);
	if (fd < 0 || n < 0 || have == TEMPLATE_MAX)
		return ctl_fail(ctl, CTL_FAILED, "cannot read the skeleton %s: %s; give its directory with --skeleton", path,
		    strerror(errno));
	text[have] = '\0';
	return CTL_OK;
}

static int
write_file(struct ctl *ctl, int directory, const char *template, const char *file, const char *name, const char *kind)
{
	char *text = malloc(TEMPLATE_MAX + 1);
	struct bytes filled;
	int rc = text == NULL ? ctl_fail(ctl, CTL_FAILED, "out of memory") : read_template(ctl, template, text);

	bytes_init(&filled, 2 * TEMPLATE_MAX);
	if (rc == CTL_OK) {
		fill_in(&filled.buf, text, name, kind);
		rc = plugin_write(ctl, directory, file, 0644, (const char *)filled.buf.data, filled.buf.len);
	}
	bytes_clear(&filled);
	free(text);
	return rc;
}

static void
print_next(const struct ctl *ctl, const char *name, const char *kind)
{
	if (ctl->json) {
		(void)printf("{\"plugin\": \"%s\", \"kind\": \"%s\", \"directory\": \"%s\", \"build\": \"%s\"}\n", name, kind, name,
		    ctl->autotools ? "autotools" : "make");
		return;
	}
	(void)printf("%s/plugin.c is a %s that builds and says no to everybody. Go on with:\n\n"
	             "    cd %s\n    %s\n    make check        # countersignctl plugin test\n\n"
	             "%s/README.md says what comes then.\n",
	    name, kind, name, ctl->autotools ? "autoreconf -i && ./configure && make" : "make", name);
}

int
plugin_new(struct ctl *ctl, char **args, int count)
{
	const char *name = args[0], *kind = ctl->kind == NULL ? "provider" : ctl->kind;
	char template[32];
	int directory, rc = CTL_OK;

	(void)count;
	if (!is_plugin_name(name))
		return ctl_fail(ctl, CTL_USAGE, "%s is no name for a plugin: write 1 to 32 of a-z, 0-9 and '-', beginning with a letter",
		    name);
	if (!is_kind(kind))
		return ctl_fail(ctl, CTL_USAGE, "--kind %s: one of provider, factor, risk, notify, token", kind);
	if (ctl->make && ctl->autotools)
		return ctl_fail(ctl, CTL_USAGE, "--make and --autotools: choose one");
	if (mkdir(name, 0777) != 0)
		return ctl_fail(ctl, CTL_FAILED, "cannot make the directory %s: %s%s", name, strerror(errno),
		    errno == EEXIST ? "; choose another name, or another place to do this in" : "");
	directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", name, strerror(errno));
	(void)snprintf(template, sizeof(template), "%s.c", kind);
	for (size_t i = 0; rc == CTL_OK && i < sizeof(files) / sizeof(files[0]); i++) {
		if (ctl->autotools ? files[i].with_autotools : files[i].with_make)
			rc = write_file(ctl, directory, files[i].template == NULL ? template : files[i].template, files[i].file, name, kind);
	}
	(void)close(directory);
	if (rc == CTL_OK)
		print_next(ctl, name, kind);
	return rc;
}
