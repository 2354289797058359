/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: its verbs; what is installed and who uses it; and one file, looked at by a worker, since nobody else loads plugins. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/ctl/check.h"
#include "broker/ctl/plugin.h"
#include "broker/ctl/print.h"
#include "broker/parent/config.h"

enum {
	PLUGIN_WRITTEN_MAX = 255,
	PLUGINS_MAX = 256,   /* files looked at in the directory, and used ones */
};

struct plugin {
	char name[PLUGIN_WRITTEN_MAX + 1]; /* as the configuration writes it */
	bool installed;
};

struct plugins {
	struct plugin list[PLUGINS_MAX];
	size_t count;
};

static struct plugin *
plugins_get(struct plugins *p, struct view name)
{
	for (size_t i = 0; i < p->count; i++)
		if (view_equal(view_str(p->list[i].name), name))
			return &p->list[i];
	if (p->count == PLUGINS_MAX || name.len > PLUGIN_WRITTEN_MAX)
		return NULL;
	memset(&p->list[p->count], 0, sizeof(p->list[0]));
	memcpy(p->list[p->count].name, name.data, name.len);
	return &p->list[p->count++];
}

static void
plugins_used(struct plugins *p, const char *name)
{
	struct plugin *plugin = plugins_get(p, view_str(name));

	/* By path: not of the directory, and looked at by itself. */
	if (plugin != NULL && name[0] == '/')
		plugin->installed = access(name, F_OK) == 0;
}

static int
plugins_read(struct ctl *ctl, struct plugins *p)
{
	DIR *dir = opendir(ctl->plugins);
	struct dirent *entry;

	if (dir == NULL)
		return ctl_fail(ctl, CTL_BAD_CONFIG, "cannot read the plugin directory %s: %s; give it with --plugins",
		    ctl->plugins, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		struct view name = view_str(entry->d_name);
		struct plugin *plugin;

		if (name.len <= 3 || entry->d_name[0] == '.' || strcmp(entry->d_name + name.len - 3, ".so") != 0)
			continue;
		name.len -= 3;
		plugin = plugins_get(p, name);
		if (plugin != NULL)
			plugin->installed = true;
	}
	(void)closedir(dir);
	return CTL_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct plugin *)a)->name, ((const struct plugin *)b)->name);
}

static void
put_user(struct json_writer *w, const char *kind, const char *name)
{
	char text[sizeof("provider ") + CONFIG_NAME_MAX];

	(void)snprintf(text, sizeof(text), "%s %s", kind, name);
	json_put_str(w, view_str(text));
}

/* As a JSON document of our own, that the printers print like one of the daemon's. */
static void
put_plugin(struct json_writer *w, const struct plugin *plugin, const struct config *config)
{
	struct config_instance user;

	json_object_begin(w);
	json_member_str(w, "plugin", view_str(plugin->name));
	json_member_str(w, "state", plugin->installed ? VIEW("found") : VIEW("missing"));
	json_key(w, VIEW("used_by"));
	json_array_begin(w);
	for (size_t i = 0; config_instance_at(config, i, &user); i++)
		if (strcmp(user.plugin, plugin->name) == 0)
			put_user(w, config_kind_name(user.kind), user.name);
	json_array_end(w);
	json_object_end(w);
}

static int
print_plugins(struct ctl *ctl, const struct plugins *p, const struct config *config)
{
	struct json_writer w;
	bool missing = false;

	ctl->out = buf_over(ctl->message, sizeof(ctl->message));
	w = json_to(&ctl->out);
	json_array_begin(&w);
	for (size_t i = 0; i < p->count; i++) {
		put_plugin(&w, &p->list[i], config);
		missing = missing || !p->list[i].installed;
	}
	json_array_end(&w);
	if (ctl->out.full || json_read(ctl->message, ctl->out.len, ctl->wire->tokens, WIRE_TOKENS_MAX, &ctl->doc, NULL) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "there are more plugins than can be listed");
	if (ctl->json)
		print_json(ctl, 0, false);
	else if (p->count == 0)
		(void)printf("no plugins in %s\n", ctl->plugins);
	else
		print_table(ctl, 0, NULL, 0);
	if (missing)
		return ctl_fail(ctl, CTL_BAD_CONFIG,
		    "a plugin that the configuration uses is missing in %s: install it, or give the directory with --plugins",
		    ctl->plugins);
	return CTL_OK;
}

static int
plugin_list(struct ctl *ctl, char **args, int count)
{
	struct plugins *p = calloc(1, sizeof(*p));
	struct config_instance user;
	struct config *config = NULL;
	int rc = p == NULL ? ctl_fail(ctl, CTL_FAILED, "out of memory") : check_load(ctl, &config);

	(void)args, (void)count;
	if (rc == CTL_OK)
		rc = plugins_read(ctl, p);
	if (rc == CTL_OK) {
		for (size_t i = 0; config_instance_at(config, i, &user); i++)
			plugins_used(p, user.plugin);
		qsort(p->list, p->count, sizeof(p->list[0]), by_name);
		rc = print_plugins(ctl, p, config);
	}
	if (config != NULL)
		config_free(config);
	free(p);
	return rc;
}

static int
plugin_check(struct ctl *ctl, char **args, int count)
{
	int rc = plugin_look(ctl, args[0]);

	(void)count;
	if (rc == CTL_OK)
		print_reply(ctl, 0);
	return rc;
}

const struct command plugin_commands[] = {
	{"plugin", "list", "", 0, 0, OPTION_PLUGINS, "installed plugins and who uses them", plugin_list},
	{"plugin", "check", "FILE", 1, 1, OPTION_LIBEXEC, "load one in a worker, self-test it and describe it",
	    plugin_check},
	{"plugin", "new", "NAME", 1, 1, OPTION_KIND | OPTION_NEW, "write a new one that builds, for its author to go on from",
	    plugin_new},
	{"plugin", "test", "FILE", 1, 1, OPTION_KIND | OPTION_WITH | OPTION_LIBEXEC, "try everything against one in its cage",
	    plugin_test},
	{"plugin", "install", "FILE", 1, 1, OPTION_INSTALL | OPTION_WITH | OPTION_PLUGINS | OPTION_LIBEXEC,
	    "check, test and put one into the plugin directory", plugin_install},
	{"plugin", "verify", "[NAME...]", 0, PLUGIN_VERIFY_MAX, OPTION_PLUGINS,
	    "check files, pins and signatures as a start would", plugin_verify},
	{"plugin", "remove", "NAME", 1, 1, OPTION_PLUGINS, "take one that nobody uses out of the plugin directory", plugin_remove},
	{"plugin", "sign", "FILE", 1, 1, OPTION_KEY, "write its signature, FILE.sig", plugin_sign},
	{.noun = NULL},
};
