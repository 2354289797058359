/* SPDX-License-Identifier: Apache-2.0 */
/* The checks look at descriptors, never at names a second time. */
#include "broker/parent/plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static enum cs_err refuse(char *why, enum cs_err e, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static enum cs_err
refuse(char *why, enum cs_err e, const char *path, const char *format, ...)
{
	int n = snprintf(why, PLUGIN_WHY_MAX, "plugin %.300s: ", path);
	va_list ap;

	va_start(ap, format);
	vsnprintf(why + n, PLUGIN_WHY_MAX - (size_t)n, format, ap);
	va_end(ap);
	return e;
}

/* ---- the file -------------------------------------------------------------------------------------- */

static enum cs_err
check_owner(int fd, bool directory, const char *path, char *why)
{
	const char *wrong = trust_owner_problem(fd, directory);

	return wrong == NULL ? CS_OK : refuse(why, CS_ERR_DENIED, path, "%s", wrong);
}

static enum cs_err
open_in(int directory, const char *path, struct plugin_file *out, char *why)
{
	const char *name = strrchr(path, '/') + 1;
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum cs_err e;

	if (fd < 0 && errno == ELOOP)
		return refuse(why, CS_ERR_DENIED, path, "it is a symbolic link; name the file itself");
	if (fd < 0)
		return refuse(why, errno == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_SYSTEM, path, "%s",
		    errno == ENOENT ? "there is no such file; install it or correct the name" : strerror(errno));
	e = fstat(fd, &out->st) != 0 ? refuse(why, CS_ERR_SYSTEM, path, "%s", strerror(errno)) : check_owner(fd, false, path, why);
	if (e != CS_OK) {
		close(fd);
		return e;
	}
	out->fd = fd;
	return CS_OK;
}

static enum cs_err
open_directory(const char *path, int *out, char *why)
{
	char parent[PLUGIN_PATH_MAX];
	enum cs_err e;
	int at;

	memcpy(parent, path, sizeof(parent));
	strrchr(parent, '/')[1] = '\0';
	at = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return refuse(why, errno == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_SYSTEM, path, "%s",
		    errno == ENOENT ? "there is no such directory; install the plugin or correct --plugins" : strerror(errno));
	e = check_owner(at, true, path, why);
	if (e != CS_OK) {
		close(at);
		return e;
	}
	*out = at;
	return CS_OK;
}

enum cs_err
plugin_path(const char *directory, const char *plugin, char path[PLUGIN_PATH_MAX])
{
	char text[PLUGIN_PATH_MAX];
	int n = plugin[0] == '/' ? snprintf(text, sizeof(text), "%s", plugin)
	                         : snprintf(text, sizeof(text), "%s/%s.so", directory, plugin);

	if (n < 0 || (size_t)n >= sizeof(text))
		return CS_ERR_FULL;
	memcpy(path, text, sizeof(text));
	return CS_OK;
}

/* ---- what it holds --------------------------------------------------------------------------------- */

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  /* Linux 6.3 */
#endif

/* False with errno; EFBIG where there is more than a plugin may have. */
static bool
copy_all(int from, int to)
{
	static char chunk[64 * 1024];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, chunk, sizeof(chunk), at)) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t done = 0; done < n;) {
			ssize_t put = write(to, chunk + done, (size_t)(n - done));

			if (put < 0 && errno != EINTR)
				return false;
			done += put > 0 ? put : 0;
		}
		at += n > 0 ? n : 0;
		if (at > PLUGIN_FILE_MAX) {
			errno = EFBIG;
			return false;
		}
	}
	return n == 0;
}

/* What is checked from here on nobody can change, root with an editor neither. */
static enum cs_err
seal(struct plugin_file *file, char *why)
{
	int fd = memfd_create("countersign-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("countersign-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || !copy_all(file->fd, fd) || fchmod(fd, S_IRUSR | S_IXUSR | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
		enum cs_err e = refuse(why, CS_ERR_SYSTEM, file->path, "it cannot be copied into memory to be checked: %s",
		    strerror(errno));

		if (fd >= 0)
			close(fd);
		return e;
	}
	close(file->fd);
	file->fd = fd;
	return CS_OK;
}

static enum cs_err
digest(struct plugin_file *file, char *why)
{
	if (trust_digest(file->fd, file->sha256) != CS_OK)
		return refuse(why, CS_ERR_SYSTEM, file->path, "it cannot be read: %s", strerror(errno));
	file->digested = true;
	return CS_OK;
}

static enum cs_err
check_pins(const struct plugin_file *file, const struct config *c, const struct config_instance *w, char *why)
{
	char hex[TRUST_HEX_LEN + 1];

	trust_hex(file->sha256, hex);
	for (size_t i = 0; i < w->pin_count; i++) {
		if (memcmp(w->pins[i], file->sha256, TRUST_DIGEST_LEN) == 0)
			return CS_OK;
	}
	if (w->pin_count > 0)
		return refuse(why, CS_ERR_DENIED, file->path, "it is not the file that %s %s is pinned to: its pin would be sha256:%s;"
		    " install the pinned one, or write this pin if the new one is meant", config_kind_name(w->kind), w->name, hex);
	if ((c->plugins.require & CONFIG_REQUIRE_PIN) != 0)
		return refuse(why, CS_ERR_DENIED, file->path, "%s %s has no pin, and \"plugins\" requires one; compare its digest with"
		    " what its author published, and write: pin sha256:%s", config_kind_name(w->kind), w->name, hex);
	return CS_OK;
}

/* "totp" of ".../totp.so": what it was signed as. */
static void
signed_name(const char *path, char name[PLUGIN_PATH_MAX])
{
	const char *base = strrchr(path, '/') + 1;
	size_t len = strlen(base);

	if (len > 3 && strcmp(base + len - 3, ".so") == 0)
		len -= 3;
	memcpy(name, base, len);
	name[len] = '\0';
}

static enum cs_err
check_signature(struct plugin_file *file, int directory, const char *keys, char *why)
{
	char name[PLUGIN_PATH_MAX + 4], text[TRUST_SIGNATURE_FILE_MAX], problem[TRUST_PROBLEM_MAX];
	const char *wrong = NULL;
	ssize_t n = -1;
	int fd;

	snprintf(name, sizeof(name), "%s.sig", strrchr(file->path, '/') + 1);
	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return refuse(why, errno == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_DENIED, file->path, "%s", errno == ENOENT
		    ? "it has no signature, and \"plugins\" requires one; install it with its file NAME.so.sig beside it"
		    : errno == ELOOP ? "its signature is a symbolic link; put the file itself there" : strerror(errno));
	wrong = trust_owner_problem(fd, 0);
	if (wrong == NULL && (n = pread(fd, text, sizeof(text), 0)) < 0)
		wrong = strerror(errno);
	close(fd);
	if (wrong != NULL)
		return refuse(why, CS_ERR_DENIED, file->path, "its signature: %s", wrong);
	signed_name(file->path, name);
	if (trust_verify(keys, name, file->sha256, text, (size_t)n, file->signer, problem) != CS_OK)
		return refuse(why, CS_ERR_DENIED, file->path, "%s", problem);
	return CS_OK;
}

/* ---- both ------------------------------------------------------------------------------------------ */

static enum cs_err
check_content(struct plugin_file *file, int directory, const struct config *c, const struct config_instance *w, char *why)
{
	enum cs_err e;

	if (w->pin_count == 0 && (c->plugins.require & (CONFIG_REQUIRE_PIN | CONFIG_REQUIRE_SIGNATURE)) == 0)
		return CS_OK;
	e = seal(file, why);
	if (e == CS_OK)
		e = digest(file, why);
	if (e == CS_OK)
		e = check_pins(file, c, w, why);
	if (e == CS_OK && (c->plugins.require & CONFIG_REQUIRE_SIGNATURE) != 0)
		e = check_signature(file, directory, c->plugins.keys, why);
	return e;
}

enum cs_err
plugin_open(const char *directory, const struct config *c, const struct config_instance *instance, struct plugin_file *out,
    char *why)
{
	struct plugin_file file = {.fd = -1};
	enum cs_err e;
	int at;

	if (plugin_path(directory, instance->plugin, file.path) != CS_OK)
		return refuse(why, CS_ERR_DENIED, instance->plugin, "its path is too long");
	e = open_directory(file.path, &at, why);
	if (e != CS_OK)
		return e;
	e = open_in(at, file.path, &file, why);
	if (e == CS_OK)
		e = check_content(&file, at, c, instance, why);
	close(at);
	if (e == CS_OK)
		*out = file;
	else if (file.fd >= 0)
		close(file.fd);
	return e;
}

enum cs_err
plugin_open_path(const char *path, const char *keys, struct plugin_file *out, char *why)
{
	struct plugin_file file = {.fd = -1};
	enum cs_err e;
	int at;

	if (snprintf(file.path, sizeof(file.path), "%s%s", strchr(path, '/') == NULL ? "./" : "", path) >= (int)sizeof(file.path))
		return refuse(why, CS_ERR_DENIED, path, "its path is too long");
	e = open_directory(file.path, &at, why);
	if (e != CS_OK)
		return e;
	e = open_in(at, file.path, &file, why);
	if (e == CS_OK)
		e = digest(&file, why);
	if (e == CS_OK && keys != NULL)
		e = check_signature(&file, at, keys, why);
	close(at);
	if (e == CS_OK)
		*out = file;
	else if (file.fd >= 0)
		close(file.fd);
	return e;
}
