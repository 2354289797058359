/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin install and remove: a file comes into the plugin directory whole and checked, or not at all. What runs goes on with
 * what it has loaded until the broker reloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/ctl/plugin.h"
#include "broker/ctl/print.h"

/* One installation: the new files have names that begin with a dot until all of it was checked. */
struct install {
	struct ctl *ctl;
	struct config *config;     /* NULL: none yet */
	const char *file;          /* as it was given */
	char name[PLUGIN_NAME_MAX + 1];
	char new_so[PLUGIN_NAME_MAX + 16], new_sig[PLUGIN_NAME_MAX + 16];
	char so[PLUGIN_NAME_MAX + 16], sig[PLUGIN_NAME_MAX + 16];
	int directory;
	uint8_t sha256[TRUST_DIGEST_LEN];
	char hex[TRUST_HEX_LEN + 1];
	char version[64];
	char signature[TRUST_SIGNATURE_FILE_MAX];
	size_t signature_len;      /* 0: it has none */
	char signer[TRUST_NAME_MAX + 1];
	bool left_unchecked;       /* it has a signature, and no key is trusted */
};

static int
open_plugins(struct ctl *ctl, int *directory)
{
	const char *wrong;

	*directory = open(ctl->plugins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0)
		return ctl_fail(ctl, CTL_BAD_CONFIG, "cannot open the plugin directory %s: %s; make it, of root and mode 0755, or give"
		    " another with --plugins", ctl->plugins, strerror(errno));
	wrong = trust_owner_problem(*directory, 1);
	if (wrong == NULL && faccessat(*directory, ".", W_OK, AT_EACCESS) != 0)
		wrong = "you may not write to it; do this as root";
	if (wrong == NULL)
		return CTL_OK;
	(void)close(*directory);
	return ctl_fail(ctl, CTL_REFUSED, "%s: %s", ctl->plugins, wrong);
}

/* ---- the file ------------------------------------------------------------------------------------ */

static bool
copy_all(int from, int to)
{
	char chunk[64 * 1024];
	off_t total = 0;
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t done = 0; done < n;) {
			ssize_t put = write(to, chunk + done, (size_t)(n - done));

			if (put < 0 && errno != EINTR)
				return false;
			done += put > 0 ? put : 0;
		}
		total += n > 0 ? n : 0;
		if (total > PLUGIN_FILE_MAX) {
			errno = EFBIG;
			return false;
		}
	}
	return n == 0;
}

/* A program that speaks for itself is executed, a shared object is not. */
static mode_t
mode_of(const char *file)
{
	size_t len = strlen(file);

	return len > 3 && strcmp(file + len - 3, ".so") == 0 ? 0644 : 0755;
}

static int
bring(struct install *in, int from)
{
	int to = openat(in->directory, in->new_so, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good = to >= 0 && copy_all(from, to) && fchmod(to, mode_of(in->file)) == 0 && fsync(to) == 0 &&
	    trust_digest(to, in->sha256) == CS_OK;
	int saved = errno;

	if (to >= 0)
		(void)close(to);
	if (good) {
		trust_hex(in->sha256, in->hex);
		return CTL_OK;
	}
	return ctl_fail(in->ctl, CTL_FAILED, "cannot write %s/%s: %s", in->ctl->plugins, in->new_so, strerror(saved));
}

static int
copy_file(struct install *in)
{
	int from = open(in->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
	struct stat st;

	if (from < 0)
		return ctl_fail(in->ctl, errno == ENOENT ? CTL_NOT_FOUND : CTL_FAILED, "%s: %s", in->file, strerror(errno));
	(void)unlinkat(in->directory, in->new_so, 0);
	(void)unlinkat(in->directory, in->new_sig, 0);
	if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
		rc = ctl_fail(in->ctl, CTL_BAD_CONFIG, "%s: it is no regular file", in->file);
	else
		rc = bring(in, from);
	(void)close(from);
	return rc;
}

static int
check_pin(struct install *in)
{
	const char *pin = in->ctl->pin;

	if (pin == NULL)
		return CTL_OK;
	if (strncmp(pin, "sha256:", 7) == 0)
		pin += 7;
	if (strlen(pin) != TRUST_HEX_LEN || strspn(pin, "0123456789abcdefABCDEF") != TRUST_HEX_LEN)
		return ctl_fail(in->ctl, CTL_USAGE, "--pin %s: write sha256: and 64 hexadecimal digits", in->ctl->pin);
	if (strcasecmp(pin, in->hex) == 0)
		return CTL_OK;
	return ctl_fail(in->ctl, CTL_REFUSED, "%s is not the file of this pin: it has sha256:%s; fetch it again, and ask its author"
	    " which digest is right", in->file, in->hex);
}

/* ---- the signature ------------------------------------------------------------------------------- */

static int
read_signature(struct install *in)
{
	char path[PLUGIN_PATH_MAX];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s.sig", in->file);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return CTL_OK;
	n = fd < 0 ? -1 : read(fd, in->signature, sizeof(in->signature));
	if (fd >= 0)
		(void)close(fd);
	if (n <= 0 || (size_t)n == sizeof(in->signature))
		return ctl_fail(in->ctl, CTL_BAD_CONFIG, "%s: %s", path, n < 0 ? strerror(errno) : "it is no signature of a plugin");
	in->signature_len = (size_t)n;
	return CTL_OK;
}

static int
check_signature(struct install *in)
{
	bool required = in->config != NULL && (in->config->plugins.require & CONFIG_REQUIRE_SIGNATURE) != 0;
	const char *keys = plugin_keys(in->config);
	char problem[TRUST_PROBLEM_MAX];
	int rc = read_signature(in);

	if (rc != CTL_OK)
		return rc;
	if (in->signature_len == 0 && !required)
		return CTL_OK;
	if (in->signature_len == 0)
		return ctl_fail(in->ctl, CTL_REFUSED, "%s has no signature, and the configuration requires one: put %s.sig beside it",
		    in->file, in->file);
	if (!required && access(keys, F_OK) != 0) {
		in->left_unchecked = true;
		return CTL_OK;
	}
	if (trust_verify(keys, in->name, in->sha256, in->signature, in->signature_len, in->signer, problem) != CS_OK)
		return ctl_fail(in->ctl, CTL_REFUSED, "%s: %s", in->file, problem);
	return CTL_OK;
}

/* ---- what a worker says of it ---------------------------------------------------------------------- */

static int
check_plugin(struct install *in)
{
	char path[PLUGIN_PATH_MAX];
	struct view version, name;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", in->ctl->plugins, in->new_so);
	rc = plugin_look(in->ctl, path);
	if (rc != CTL_OK)
		return rc;
	name = json_type(&in->ctl->doc, 0) != JSON_OBJECT || json_get(&in->ctl->doc, 0, VIEW("name")) == 0 ? VIEW("")
	    : json_text(&in->ctl->doc, json_get(&in->ctl->doc, 0, VIEW("name")));
	if (name.len == 0)
		return ctl_fail(in->ctl, CTL_FAILED, "the worker did not describe %s", in->file);
	version = json_get(&in->ctl->doc, 0, VIEW("version")) == 0 ? VIEW("")
	    : json_text(&in->ctl->doc, json_get(&in->ctl->doc, 0, VIEW("version")));
	(void)snprintf(in->version, sizeof(in->version), "%.*s", (int)(version.len < 63 ? version.len : 63), version.data);
	return in->ctl->untested ? CTL_OK : plugin_try(in->ctl, path, true);
}

/* ---- the change ---------------------------------------------------------------------------------- */

/* The signature first: whoever looks in between refuses, as it is not of the file that is still there. */
static int
put_in_place(struct install *in)
{
	int rc = CTL_OK;

	if (in->signature_len > 0)
		rc = plugin_write(in->ctl, in->directory, in->new_sig, 0644, in->signature, in->signature_len);
	if (rc == CTL_OK && in->signature_len > 0 && renameat(in->directory, in->new_sig, in->directory, in->sig) != 0)
		rc = ctl_fail(in->ctl, CTL_FAILED, "cannot install %s/%s: %s", in->ctl->plugins, in->sig, strerror(errno));
	if (rc == CTL_OK && renameat(in->directory, in->new_so, in->directory, in->so) != 0)
		rc = ctl_fail(in->ctl, CTL_FAILED, "cannot install %s/%s: %s", in->ctl->plugins, in->so, strerror(errno));
	if (rc == CTL_OK && in->signature_len == 0)
		(void)unlinkat(in->directory, in->sig, 0);
	if (rc == CTL_OK && fsync(in->directory) != 0)
		rc = ctl_fail(in->ctl, CTL_FAILED, "cannot make %s durable: %s; do it again", in->ctl->plugins, strerror(errno));
	return rc;
}

/* Blocks that would refuse the new file. */
static unsigned
other_pins(const struct install *in, struct json_writer *w)
{
	struct config_instance one;
	unsigned count = 0;

	for (size_t i = 0; in->config != NULL && config_instance_at(in->config, i, &one); i++) {
		char text[CONFIG_NAME_MAX + 16];
		bool pinned = one.pin_count == 0;

		for (size_t k = 0; k < one.pin_count; k++)
			pinned = pinned || memcmp(one.pins[k], in->sha256, TRUST_DIGEST_LEN) == 0;
		if (strcmp(one.plugin, in->name) != 0 || pinned)
			continue;
		(void)snprintf(text, sizeof(text), "%s %s", config_kind_name(one.kind), one.name);
		if (w != NULL)
			json_put_str(w, view_str(text));
		count++;
	}
	return count;
}

static int
report(struct install *in)
{
	struct ctl *ctl = in->ctl;
	char users[PLUGIN_USERS_TEXT_MAX], path[PLUGIN_PATH_MAX], pin[sizeof("sha256:") + TRUST_HEX_LEN];
	struct json_writer w = plugin_say(ctl);
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", ctl->plugins, in->so);
	(void)snprintf(pin, sizeof(pin), "sha256:%s", in->hex);
	json_object_begin(&w);
	json_member_str(&w, "plugin", view_str(in->name));
	json_member_str(&w, "version", view_str(in->version));
	json_member_str(&w, "file", view_str(path));
	json_member_str(&w, "pin", view_str(pin));
	json_member_str(&w, "signature", view_str(in->signature_len == 0 ? "none" : in->left_unchecked ? "not checked" : "good"));
	if (in->signer[0] != '\0')
		json_member_str(&w, "signer", view_str(in->signer));
	json_member_str(&w, "tested", view_str(ctl->untested ? "no" : "yes"));
	json_member_str(&w, "used_by", view_str(plugin_users(in->config, in->name, users)));
	json_key(&w, VIEW("pinned_to_another"));
	json_array_begin(&w);
	(void)other_pins(in, &w);
	json_array_end(&w);
	json_object_end(&w);
	rc = plugin_said(ctl);
	if (rc != CTL_OK)
		return rc;
	print_reply(ctl, 0);
	if (ctl->json)
		return CTL_OK;
	if (in->left_unchecked)
		(void)printf("\nIts signature was not checked, as no key is trusted: there is no %s.\n", plugin_keys(in->config));
	if (other_pins(in, NULL) > 0)
		(void)printf("\nWrite  pin %s  into the blocks that are pinned to another file, or the next reload is refused.\n", pin);
	if (users[0] != '\0')
		(void)printf("\nThe broker goes on with the file that it has loaded. `countersignctl reload` starts workers with the new one"
		             " beside the old ones, which finish what they have begun.\n");
	else
		(void)printf("\nNothing uses it yet: name it in a block of the configuration, `plugin \"%s\"`, and reload.\n", in->name);
	return CTL_OK;
}

int
plugin_install(struct ctl *ctl, char **args, int count)
{
	struct install in = {.ctl = ctl, .file = args[0], .directory = -1};
	int rc;

	(void)count;
	if (!plugin_file_name(ctl, in.file, in.name))
		return CTL_USAGE;
	(void)snprintf(in.so, sizeof(in.so), "%s.so", in.name);
	(void)snprintf(in.sig, sizeof(in.sig), "%s.so.sig", in.name);
	(void)snprintf(in.new_so, sizeof(in.new_so), ".%s.new.so", in.name);
	(void)snprintf(in.new_sig, sizeof(in.new_sig), ".%s.new.sig", in.name);
	rc = plugin_config(ctl, &in.config);
	if (rc == CTL_OK)
		rc = open_plugins(ctl, &in.directory);
	if (rc == CTL_OK) {
		rc = copy_file(&in);
		rc = rc != CTL_OK ? rc : check_pin(&in);
		rc = rc != CTL_OK ? rc : check_signature(&in);
		rc = rc != CTL_OK ? rc : check_plugin(&in);
		rc = rc != CTL_OK ? rc : put_in_place(&in);
		if (rc != CTL_OK) {
			(void)unlinkat(in.directory, in.new_so, 0);
			(void)unlinkat(in.directory, in.new_sig, 0);
		}
		(void)close(in.directory);
	}
	if (rc == CTL_OK)
		rc = report(&in);
	if (in.config != NULL)
		config_free(in.config);
	return rc;
}

/* ---- remove -------------------------------------------------------------------------------------- */

static int
unlink_plugin(struct ctl *ctl, int directory, const char *name)
{
	char so[PLUGIN_NAME_MAX + 16], sig[PLUGIN_NAME_MAX + 16];

	(void)snprintf(so, sizeof(so), "%s.so", name);
	(void)snprintf(sig, sizeof(sig), "%s.so.sig", name);
	if (unlinkat(directory, so, 0) != 0)
		return ctl_fail(ctl, errno == ENOENT ? CTL_NOT_FOUND : CTL_FAILED, "cannot remove %s/%s: %s; `countersignctl plugin"
		    " list` shows what is there", ctl->plugins, so, strerror(errno));
	if (unlinkat(directory, sig, 0) != 0 && errno != ENOENT)
		return ctl_fail(ctl, CTL_FAILED, "cannot remove %s/%s: %s", ctl->plugins, sig, strerror(errno));
	if (fsync(directory) != 0)
		return ctl_fail(ctl, CTL_FAILED, "cannot make %s durable: %s", ctl->plugins, strerror(errno));
	if (!ctl->json)
		(void)printf("%s/%s is removed\n", ctl->plugins, so);
	else
		(void)printf("{\"removed\": \"%s\"}\n", name);
	return CTL_OK;
}

int
plugin_remove(struct ctl *ctl, char **args, int count)
{
	char users[PLUGIN_USERS_TEXT_MAX], name[PLUGIN_NAME_MAX + 1];
	struct config *config = NULL;
	int directory, rc;

	(void)count;
	if (strchr(args[0], '/') != NULL)
		return ctl_fail(ctl, CTL_USAGE, "%s: name the plugin alone; it is removed from %s", args[0], ctl->plugins);
	if (!plugin_file_name(ctl, args[0], name))
		return CTL_USAGE;
	rc = plugin_config(ctl, &config);
	if (rc != CTL_OK)
		return rc;
	if (plugin_users(config, name, users)[0] != '\0')
		rc = ctl_fail(ctl, CTL_REFUSED, "%s is used by %s: remove that from the configuration, run `countersignctl reload`, and"
		    " try again", name, users);
	if (rc == CTL_OK)
		rc = open_plugins(ctl, &directory);
	if (rc == CTL_OK) {
		rc = unlink_plugin(ctl, directory, name);
		(void)close(directory);
	}
	if (config != NULL)
		config_free(config);
	return rc;
}
