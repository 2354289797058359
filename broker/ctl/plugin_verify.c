/* SPDX-License-Identifier: Apache-2.0 */
/* plugin verify and sign: the parent's own checks of plugins' files, without starting anything; and making a signature. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/ctl/plugin.h"
#include "broker/ctl/print.h"

/* ---- verify -------------------------------------------------------------------------------------- */

struct verify {
	struct ctl *ctl;
	const struct config *config; /* NULL: none yet */
	char **names;                /* asked for; count 0: all */
	int count;
	bool asked[PLUGIN_VERIFY_MAX];           /* of names: found */
	struct json_writer w;
	struct bytes problems;       /* a line each, for people */
	unsigned rows, bad;
};

static bool
is_asked(struct verify *v, const char *plugin)
{
	bool found = v->count == 0;

	for (int i = 0; i < v->count; i++) {
		if (strcmp(v->names[i], plugin) == 0)
			found = v->asked[i] = true;
	}
	return found;
}

static void
put_row(struct verify *v, const char *plugin, const char *user, const struct plugin_file *file, const char *pinned,
    const char *why)
{
	char hex[TRUST_HEX_LEN + 1] = "";

	if (why == NULL)
		trust_hex(file->sha256, hex);
	json_object_begin(&v->w);
	json_member_str(&v->w, "plugin", view_str(plugin));
	json_member_str(&v->w, "used_by", view_str(user));
	json_member_str(&v->w, "state", why == NULL ? VIEW("ok") : VIEW("failed"));
	if (why == NULL) {
		json_member_str(&v->w, "pinned", view_str(pinned));
		json_member_str(&v->w, "signer", file->signer[0] == '\0' ? VIEW("-") : view_str(file->signer));
		json_member_str(&v->w, "sha256", view_str(hex));
	} else if (v->ctl->json) {
		json_member_str(&v->w, "problem", view_str(why));
	} else {
		buf_put_view(&v->problems.buf, view_str(why));
		buf_put_u8(&v->problems.buf, '\0');
	}
	json_object_end(&v->w);
	v->rows++;
	v->bad += why != NULL;
}

/* As the parent would, with the block's pins; and digested where nothing asked for it. */
static void
verify_block(struct verify *v, const struct config_instance *one)
{
	struct plugin_file file;
	char why[PLUGIN_WHY_MAX], user[CONFIG_NAME_MAX + 16];
	enum cs_err e = plugin_open(v->ctl->plugins, v->config, one, &file, why);

	(void)snprintf(user, sizeof(user), "%s %s", config_kind_name(one->kind), one->name);
	if (e == CS_OK && !file.digested && trust_digest(file.fd, file.sha256) != CS_OK) {
		(void)snprintf(why, sizeof(why), "plugin %s: it cannot be read", file.path);
		e = CS_ERR_SYSTEM;
	}
	put_row(v, one->plugin, user, &file, one->pin_count > 0 ? "yes" : "no", e == CS_OK ? NULL : why);
	if (e == CS_OK)
		(void)close(file.fd);
}

static void
verify_file(struct verify *v, const char *name)
{
	bool required = v->config != NULL && (v->config->plugins.require & CONFIG_REQUIRE_SIGNATURE) != 0;
	char path[PLUGIN_PATH_MAX], why[PLUGIN_WHY_MAX];
	struct plugin_file file;
	enum cs_err e = plugin_path(v->ctl->plugins, name, path);

	if (e == CS_OK)
		e = plugin_open_path(path, required ? plugin_keys(v->config) : NULL, &file, why);
	else
		(void)snprintf(why, sizeof(why), "plugin %s: its path is too long", name);
	put_row(v, name, "", &file, "no", e == CS_OK ? NULL : why);
	if (e == CS_OK)
		(void)close(file.fd);
}

static int
verify_unused(struct verify *v)
{
	DIR *dir = opendir(v->ctl->plugins);
	char users[PLUGIN_USERS_TEXT_MAX];
	struct dirent *entry;

	if (dir == NULL)
		return ctl_fail(v->ctl, CTL_BAD_CONFIG, "cannot read the plugin directory %s: %s; give it with --plugins",
		    v->ctl->plugins, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len <= 3 || entry->d_name[0] == '.' || strcmp(entry->d_name + len - 3, ".so") != 0)
			continue;
		entry->d_name[len - 3] = '\0';
		if (plugin_users(v->config, entry->d_name, users)[0] == '\0' && is_asked(v, entry->d_name))
			verify_file(v, entry->d_name);
	}
	(void)closedir(dir);
	return CTL_OK;
}

/* A table, and a sentence for each that is not good. */
static void
print_rows(struct verify *v)
{
	static const char *const first[] = {"plugin", "used_by", "state", "pinned", "signer", "sha256", NULL};
	struct ctl *ctl = v->ctl;

	if (ctl->json || v->rows == 0) {
		print_json(ctl, 0, false);
		return;
	}
	print_table(ctl, 0, first, 0);
	for (size_t at = 0; at < v->problems.buf.len; at += strlen((const char *)v->problems.buf.data + at) + 1)
		(void)ctl_fail(ctl, CTL_BAD_CONFIG, "%s", (const char *)v->problems.buf.data + at);
}

int
plugin_verify(struct ctl *ctl, char **args, int count)
{
	struct verify v = {.ctl = ctl, .names = args, .count = count};
	struct config *config = NULL;
	struct config_instance one;
	int rc = plugin_config(ctl, &config);

	if (rc != CTL_OK)
		return rc;
	v.config = config;
	bytes_init(&v.problems, (size_t)CONFIG_INSTANCES_MAX * 4 * PLUGIN_WHY_MAX);
	v.w = plugin_say(ctl);
	json_array_begin(&v.w);
	for (size_t i = 0; config != NULL && config_instance_at(config, i, &one); i++) {
		if (is_asked(&v, one.plugin))
			verify_block(&v, &one);
	}
	rc = verify_unused(&v);
	json_array_end(&v.w);
	if (rc == CTL_OK)
		rc = plugin_said(ctl);
	for (int i = 0; rc == CTL_OK && i < count; i++) {
		if (!v.asked[i])
			rc = ctl_fail(ctl, CTL_NOT_FOUND, "there is no plugin %s in %s, and no block uses one; `countersignctl plugin list`"
			    " shows what there is", args[i], ctl->plugins);
	}
	if (rc == CTL_OK)
		print_rows(&v);
	bytes_clear(&v.problems);
	if (config != NULL)
		config_free(config);
	if (rc == CTL_OK && v.bad > 0)
		rc = ctl_fail(ctl, CTL_BAD_CONFIG, "%u of %u would not be loaded", v.bad, v.rows);
	return rc;
}

/* ---- sign ---------------------------------------------------------------------------------------- */

/* Beside the file, whole or not at all. */
static int
write_beside(struct ctl *ctl, const char *file, const char *text)
{
	char path[PLUGIN_PATH_MAX], fresh[PLUGIN_PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s.sig", file) >= (int)sizeof(path) ||
	    snprintf(fresh, sizeof(fresh), "%s.sig.new", file) >= (int)sizeof(fresh))
		return ctl_fail(ctl, CTL_USAGE, "%s: its path is too long", file);
	(void)unlink(fresh);
	rc = plugin_write(ctl, AT_FDCWD, fresh, 0644, text, strlen(text));
	if (rc == CTL_OK && rename(fresh, path) != 0)
		rc = ctl_fail(ctl, CTL_FAILED, "cannot write %s: %s", path, strerror(errno));
	if (rc != CTL_OK)
		(void)unlink(fresh);
	return rc;
}

static int
print_signed(struct ctl *ctl, const char *file, const char *name, const char *hex)
{
	char path[PLUGIN_PATH_MAX];
	struct json_writer w = plugin_say(ctl);
	int rc;

	(void)snprintf(path, sizeof(path), "%s.sig", file);
	json_object_begin(&w);
	json_member_str(&w, "plugin", view_str(name));
	json_member_str(&w, "sha256", view_str(hex));
	json_member_str(&w, "signature", view_str(path));
	json_object_end(&w);
	rc = plugin_said(ctl);
	if (rc == CTL_OK)
		print_reply(ctl, 0);
	return rc;
}

int
plugin_sign(struct ctl *ctl, char **args, int count)
{
	char name[PLUGIN_NAME_MAX + 1], text[TRUST_SIGNATURE_FILE_MAX], problem[TRUST_PROBLEM_MAX], hex[TRUST_HEX_LEN + 1];
	uint8_t sha256[TRUST_DIGEST_LEN];
	bool read_it;
	int fd, rc;

	(void)count;
	if (!plugin_file_name(ctl, args[0], name))
		return CTL_USAGE;
	if (ctl->key == NULL)
		return ctl_fail(ctl, CTL_USAGE, "give the key to sign with: --key KEY.pem; one is made with: openssl genpkey -algorithm"
		    " ed25519 -out KEY.pem");
	fd = open(args[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ctl_fail(ctl, errno == ENOENT ? CTL_NOT_FOUND : CTL_FAILED, "%s: %s", args[0], strerror(errno));
	read_it = trust_digest(fd, sha256) == CS_OK;
	rc = read_it ? CTL_OK : ctl_fail(ctl, CTL_FAILED, "%s: %s", args[0], strerror(errno));
	(void)close(fd);
	if (rc == CTL_OK && trust_sign(ctl->key, name, sha256, text, problem) != CS_OK)
		rc = ctl_fail(ctl, CTL_REFUSED, "%s", problem);
	if (rc == CTL_OK)
		rc = write_beside(ctl, args[0], text);
	trust_hex(sha256, hex);
	return rc == CTL_OK ? print_signed(ctl, args[0], name, hex) : rc;
}
