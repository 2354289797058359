/* SPDX-License-Identifier: Apache-2.0 */
/* Reads blocks of options by the table; config_print.c prints them back. */
#include "broker/parent/config_option.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"

/* What a reader offers to the types. */

static const char *
text_keep(struct config *c, const char *text, size_t len)
{
	char *to = c->text + c->text_len;

	if (len + 1 > sizeof(c->text) - c->text_len)
		return NULL;
	memcpy(to, text, len);
	to[len] = '\0';
	c->text_len += len + 1;
	return to;
}

const char *
config_keep(struct config *c, const char *text)
{
	return text_keep(c, text, strlen(text));
}

const char *
reader_keep(struct reader *r, const char *text, size_t len)
{
	const char *kept = text_keep(r->c, text, len);

	if (kept == NULL)
		reader_fail(r, "shorten it", "the configuration's words have more than %d bytes together", CONFIG_TEXT_MAX);
	return kept;
}

const char *
reader_keep_path(struct reader *r, const char *path)
{
	char whole[PATH_MAX];
	int n;

	if (path[0] == '/')
		return reader_keep(r, path, strlen(path));
	if (r->directory == NULL) {
		reader_fail(r, "write the path from the root", "the path \"%.128s\" is relative", path);
		return NULL;
	}
	n = snprintf(whole, sizeof(whole), "%s/%s", r->directory, path);
	if (n < 0 || (size_t)n >= sizeof(whole)) {
		reader_fail(r, "shorten it", "the path is too long");
		return NULL;
	}
	return reader_keep(r, whole, (size_t)n);
}

bool
reader_next(struct reader *r)
{
	return words_next(&r->words, r->err);
}

bool
reader_take_text(struct reader *r, const char **to)
{
	const char *kept = reader_keep(r, r->words.text, r->words.len);

	if (kept == NULL)
		return false;
	*to = kept;
	return reader_next(r);
}

void
reader_mark(struct reader *r, const void *at, struct config_place place)
{
	if (r->place_count == r->place_cap) {
		r->place_cap = r->place_cap == 0 ? 256 : r->place_cap * 2;
		r->places = realloc(r->places, r->place_cap * sizeof(r->places[0]));
		CHECK(r->places != NULL);
	}
	r->places[r->place_count++] = (struct value_place){at, place};
}

struct config_place
reader_place(const struct reader *r, const void *at)
{
	for (size_t i = r->place_count; i > 0; i--) {
		if (r->places[i - 1].at == at)
			return r->places[i - 1].place;
	}
	return (struct config_place){"", 0, 0};
}

/* Blocks */

static bool
option_allowed(const struct reader *r, const struct option *o)
{
	return (o->flags & (r->canonical ? OPTION_ADMIN : OPTION_CANONICAL)) == 0;
}

static const struct option *
option_find(const struct reader *r, const struct block *block)
{
	for (const struct option *o = block->options; o->name != NULL; o++) {
		if (strcmp(o->name, r->words.text) == 0 && option_allowed(r, o))
			return o;
	}
	return NULL;
}

bool
reader_at_item(const struct reader *r)
{
	return r->words.type == WORD_QUOTED || (r->words.type == WORD_BARE && option_find(r, r->block) == NULL);
}

static bool
fail_unknown_option(struct reader *r, const struct block *block)
{
	const char *names[64 + 1];
	size_t n = 0;

	for (const struct option *o = block->options; o->name != NULL; o++) {
		if (option_allowed(r, o))
			names[n++] = o->name;
	}
	names[n] = NULL;
	return reader_fail_unknown(r, "option", names);
}

static bool
list_read(struct reader *r, const struct option *o, void *base)
{
	uint16_t *count = (uint16_t *)((char *)base + o->count_offset);

	do {
		void *item = (char *)base + o->offset + *count * o->item_size;

		if (*count == o->items_max)
			return reader_fail(r, "remove some", "there are more than %zu of \"%s\"", o->items_max, o->name);
		reader_mark(r, item, r->words.place);
		if (!o->type->read(r, o, base, item))
			return false;
		(*count)++;
	} while (o->block == NULL && reader_at_item(r));
	return true;
}

static bool
option_read(struct reader *r, const struct option *o, void *base)
{
	char mend[160];

	if (!words_at_value(&r->words) && o->type != &type_block && o->type != &type_tls) {
		snprintf(mend, sizeof(mend), "write: %s %s", o->name, o->argument == NULL ? o->type->argument : o->argument);
		return reader_fail(r, mend, "%s needs a value", o->name);
	}
	if (o->items_max > 0)
		return list_read(r, o, base);
	reader_mark(r, (char *)base + o->offset, r->words.place);
	return o->type->read(r, o, base, (char *)base + o->offset);
}

/* The words look at the name of an option. */
static bool
block_read_option(struct reader *r, const struct block *block, void *base, uint64_t *seen)
{
	const struct option *o;
	uint64_t bit;

	if (r->words.type != WORD_BARE)
		return reader_fail(r, "begin with an option's name; the option before it is complete",
		    "a value or brace stands where an option belongs");
	o = option_find(r, block);
	if (o == NULL)
		return fail_unknown_option(r, block);
	bit = UINT64_C(1) << (o - block->options);
	if ((*seen & bit) != 0 && o->items_max == 0 && (o->flags & OPTION_REPEATS) == 0)
		return reader_fail(r, "remove one of them", "%s is written twice", o->name);
	*seen |= bit;
	r->option_place = r->words.place;
	return reader_next(r) && option_read(r, o, base);
}

bool
block_read(struct reader *r, const struct block *block, void *base, uint64_t *seen)
{
	const struct block *outer = r->block;
	struct config_place outer_place = r->option_place;
	bool ok = true;

	r->block = block;
	while (ok && r->words.type != WORD_CLOSE && r->words.type != WORD_END) {
		if (r->words.type == WORD_LINE)
			ok = reader_next(r);
		else
			ok = block_read_option(r, block, base, seen);
	}
	r->block = outer;
	r->option_place = outer_place;
	return ok;
}

static bool
preset_read(struct reader *r, const struct option *o, void *base)
{
	struct words before = r->words;
	bool ok;

	words_init(&r->words, "", view_str(o->preset));
	ok = reader_next(r) && option_read(r, o, base);
	r->words = before;
	return ok;
}

bool
block_finish(struct reader *r, const struct block *block, void *base, uint64_t seen, struct config_place place)
{
	for (const struct option *o = block->options; o->name != NULL; o++) {
		char mend[160];

		if ((seen & UINT64_C(1) << (o - block->options)) != 0 || !option_allowed(r, o))
			continue;
		if ((o->flags & OPTION_REQUIRED) != 0) {
			snprintf(mend, sizeof(mend), "add: %s %s", o->name, o->argument == NULL ? o->type->argument : o->argument);
			return config_fail(r->err, place, o->name, mend, "%s has no \"%s\"", block->what, o->name);
		}
		if (o->preset != NULL && !preset_read(r, o, base))
			return false;
		if (o->preset == NULL && o->items_max == 0 && o->type->absent != NULL)
			o->type->absent((char *)base + o->offset);
	}
	return true;
}

bool
block_read_braces(struct reader *r, const struct block *block, void *base)
{
	struct config_place place = r->option_place;
	uint64_t seen = 0;

	while (r->words.type == WORD_LINE) {
		if (!reader_next(r))
			return false;
	}
	if (r->words.type != WORD_OPEN)
		return reader_fail(r, "write {", "%s needs a block in braces", block->what);
	if (!reader_next(r) || !block_read(r, block, base, &seen))
		return false;
	if (r->words.type != WORD_CLOSE)
		return config_fail(r->err, place, "", "write }", "the block of %s is not closed", block->what);
	return reader_next(r) && block_finish(r, block, base, seen, place);
}

/* Files */

bool
file_read(struct config_error *err, struct config_place from, const char *path, char **text, size_t *len)
{
	static const char mend[] = "make it a readable regular file";
	char *mem = malloc(CONFIG_FILE_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	size_t have = 0;
	ssize_t n = -1;

	CHECK(mem != NULL);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			errno = EINVAL;
		else
			while ((n = read(fd, mem + have, CONFIG_FILE_MAX + 1 - have)) > 0)
				have += (size_t)n;
	}
	if (n < 0)
		config_fail(err, from, path, mend, "cannot read \"%.160s\": %s", path, strerror(errno));
	else if (have > CONFIG_FILE_MAX)
		config_fail(err, from, path, "split it with include", "\"%.160s\" has more than %d bytes", path, CONFIG_FILE_MAX);
	if (fd >= 0)
		close(fd);
	if (n < 0 || have > CONFIG_FILE_MAX) {
		free(mem);
		return false;
	}
	mem[have] = '\0';
	*text = mem;
	*len = have;
	return true;
}

static bool
top_read(struct reader *r, const char *file, struct view text)
{
	words_init(&r->words, file, text);
	if (!reader_next(r) || !block_read(r, &block_top, r->c, &r->top_seen))
		return false;
	if (r->words.type == WORD_CLOSE)
		return reader_fail(r, "remove it, or look for the block that it should close", "a } closes nothing");
	return true;
}

bool
reader_include(struct reader *r, const char *path, struct config_place from)
{
	struct words before = r->words;
	const char *file;
	char *text;
	size_t len;
	bool ok;

	if (r->depth == CONFIG_INCLUDE_DEPTH_MAX)
		return config_fail(r->err, from, path, "look for a file that includes itself",
		    "includes are nested more than %d deep", CONFIG_INCLUDE_DEPTH_MAX);
	file = reader_keep(r, path, strlen(path));
	if (file == NULL || !file_read(r->err, from, path, &text, &len))
		return false;
	r->depth++;
	ok = top_read(r, file, view_of(text, len));
	r->depth--;
	free(text);
	r->words = before;
	return ok;
}

/* The directory of the file, absolute. */
static bool
directory_of(const char *path, char *to, struct config_error *err)
{
	char *slash;

	if (realpath(path, to) == NULL)
		return config_fail(err, (struct config_place){path, 0, 0}, path, "name the file with -f FILE",
		    "cannot open it: %s", strerror(errno));
	slash = strrchr(to, '/');
	CHECK(slash != NULL);
	*slash = '\0';
	return true;
}

static struct config *
config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	CHECK(c != NULL);
	return c;
}

static enum cs_err load(const char *path, bool candidate, struct config **out, struct config_error *err);

/* The candidate's own mistakes are told with its own places. What it names as its own candidate is not read. */
static bool
shadow_load(struct reader *r)
{
	struct config *c = r->c;

	if (c->shadow_config == NULL)
		return true;
	switch (load(c->shadow_config, true, &c->shadow, r->err)) {
	case CS_OK:
		break;
	case CS_ERR_SYSTEM:
		return config_fail(r->err, reader_place(r, &c->shadow_config), c->shadow_config,
		    "correct the path, or remove the line", "cannot open the candidate: %s", strerror(errno));
	default:
		return false;
	}
	if (strcmp(c->shadow->realm, c->realm) == 0)
		return true;
	return config_fail(r->err, reader_place(r, &c->shadow_config), c->shadow_config,
	    "give it the same realm: a candidate is a change of this configuration",
	    "the candidate %.128s is of another realm, \"%.32s\"", c->shadow_config, c->shadow->realm);
}

static enum cs_err
load(const char *path, bool candidate, struct config **out, struct config_error *err)
{
	struct config_place start = {path, 0, 0};
	char directory[PATH_MAX];
	struct reader r = {.err = err, .directory = directory};
	bool ok;

	memset(err, 0, sizeof(*err));
	if (!directory_of(path, directory, err))
		return CS_ERR_SYSTEM;
	r.c = config_new();
	r.words.place = start;
	start.line = start.column = 1;
	ok = reader_include(&r, path, (struct config_place){path, 0, 0}) &&
	    block_finish(&r, &block_top, r.c, r.top_seen, start) && config_resolve(&r) && stacks_load(&r) &&
	    config_check(&r) && config_check_files(&r) && (candidate || shadow_load(&r));
	free(r.places);
	if (!ok) {
		config_free(r.c);
		return CS_ERR_SYNTAX;
	}
	*out = r.c;
	return CS_OK;
}

enum cs_err
config_load(const char *path, struct config **out, struct config_error *err)
{
	return load(path, false, out, err);
}

/* In the canonical text the candidate stands whole, in braces. */
bool
config_read_shadow(struct reader *r)
{
	struct config *outer = r->c, *inner = config_new();
	struct config_place place = r->option_place;
	uint64_t seen = 0;
	bool ok;

	outer->shadow = inner;
	if (r->words.type != WORD_OPEN)
		return reader_fail(r, "write {", "the candidate needs a block in braces");
	r->c = inner;
	ok = reader_next(r) && block_read(r, &block_top, inner, &seen);
	if (ok && r->words.type != WORD_CLOSE)
		ok = reader_fail(r, "write }", "the candidate's block is not closed");
	ok = ok && reader_next(r) && block_finish(r, &block_top, inner, seen, place) && config_resolve(r) && config_check(r);
	r->c = outer;
	return ok;
}

enum cs_err
config_parse(const char *text, size_t len, struct config **out, struct config_error *err)
{
	struct config_place start = {"", 1, 1};
	struct reader r = {.c = config_new(), .err = err, .canonical = true};
	bool ok;

	memset(err, 0, sizeof(*err));
	ok = top_read(&r, "", view_of(text, len)) && block_finish(&r, &block_top, r.c, r.top_seen, start) &&
	    config_resolve(&r) && config_check(&r);
	free(r.places);
	if (!ok) {
		config_free(r.c);
		return CS_ERR_SYNTAX;
	}
	*out = r.c;
	return CS_OK;
}

void
config_free(struct config *c)
{
	if (c != NULL)
		config_free(c->shadow);
	free(c);
}

size_t
config_error_text(const struct config_error *err, char *to, size_t size)
{
	char place[320] = "";
	int n;

	if (err->file[0] != '\0' && err->line > 0)
		snprintf(place, sizeof(place), "%s:%u:%u: ", err->file, err->line, err->column);
	else if (err->file[0] != '\0')
		snprintf(place, sizeof(place), "%s: ", err->file);
	n = snprintf(to, size, "%s%s%s%s", place, err->message, err->mend[0] == '\0' ? "" : "; to mend it: ", err->mend);
	return n < 0 ? 0 : (size_t)n;
}

/* Names */

static int
find(const void *first, size_t count, size_t size, struct view name)
{
	for (size_t i = 0; i < count; i++) {
		const char *const *at = (const void *)((const char *)first + i * size);

		if (view_equal(view_str(*at), name))
			return (int)i;
	}
	return -1;
}

int
config_find_service(const struct config *c, struct view name)
{
	return find(c->services, c->service_count, sizeof(c->services[0]), name);
}

int
config_find_profile(const struct config *c, struct view name)
{
	return find(c->profiles, c->profile_count, sizeof(c->profiles[0]), name);
}

const struct config_profile *
config_provider_profile(const struct config *c, const struct config_provider *p)
{
	int at = p->profile == NULL ? -1 : config_find_profile(c, view_str(p->profile));

	return at < 0 ? NULL : &c->profiles[at];
}

const char *
config_provider_title(const struct config *c, const struct config_provider *p)
{
	const struct config_profile *profile = config_provider_profile(c, p);

	if (p->title != NULL)
		return p->title;
	return profile != NULL && profile->title != NULL ? profile->title : p->name;
}

int
config_find_provider(const struct config *c, struct view name)
{
	return find(c->providers, c->provider_count, sizeof(c->providers[0]), name);
}

uint32_t
config_signal_effects(const struct config_provider *p, enum signal_kind kind)
{
	unsigned written = p->signals.effects[kind];

	return written == 0 ? signal_effects_usual(kind) : written & SIGNAL_EFFECTS_ALL;
}

int
config_find_factor(const struct config *c, struct view name)
{
	return find(c->factors, c->factor_count, sizeof(c->factors[0]), name);
}

int
config_find_risk(const struct config *c, struct view name)
{
	return find(c->risks, c->risk_count, sizeof(c->risks[0]), name);
}

int
config_find_notify(const struct config *c, struct view name)
{
	return find(c->notifies, c->notify_count, sizeof(c->notifies[0]), name);
}

int
config_find_token(const struct config *c, struct view name)
{
	return find(c->tokens, c->token_count, sizeof(c->tokens[0]), name);
}
