/* SPDX-License-Identifier: Apache-2.0 */
/* Writing random stacks. */
#include "tests/stack/write_stacks.h"

#include <security/pam_appl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/core/stack.h"

const char *const pam_names[RESULT__COUNT] = {
    [RESULT_SUCCESS] = "success",
    [RESULT_IGNORE] = "ignore",
    [RESULT_DENIED] = "perm_denied",
    [RESULT_EXCEEDED] = "maxtries",
    [RESULT_UNVERIFIED] = "auth_err",
    [RESULT_UNAVAILABLE] = "authinfo_unavail",
    [RESULT_ERROR] = "service_err",
};

const int pam_codes[RESULT__COUNT] = {
    [RESULT_SUCCESS] = PAM_SUCCESS,
    [RESULT_IGNORE] = PAM_IGNORE,
    [RESULT_DENIED] = PAM_PERM_DENIED,
    [RESULT_EXCEEDED] = PAM_MAXTRIES,
    [RESULT_UNVERIFIED] = PAM_AUTH_ERR,
    [RESULT_UNAVAILABLE] = PAM_AUTHINFO_UNAVAIL,
    [RESULT_ERROR] = PAM_SERVICE_ERR,
};

static unsigned
below(struct written *w, unsigned n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned)((w->random >> 33) % n);
}

/* True in `percent` of the cases. */
static bool
often(struct written *w, unsigned percent)
{
	return below(w, 100) < percent;
}

static struct token *
put(struct written *w, unsigned file, const char *pam, const char *ours)
{
	struct token *t;

	CHECK(w->tokens_n[file] < WRITTEN_TOKENS);
	t = &w->tokens[file][w->tokens_n[file]++];
	t->id = 0;
	(void)snprintf(t->pam, sizeof(t->pam), "%s", pam);
	(void)snprintf(t->ours, sizeof(t->ours), "%s", ours);
	return t;
}

static void
blank(struct written *w, unsigned file)
{
	static const char *const blanks[] = {" ", " ", " ", " ", "\t", "   ", "\\\n", " \\\n\t", "\t \t"};
	const char *chosen = blanks[below(w, sizeof(blanks) / sizeof(blanks[0]))];

	put(w, file, chosen, chosen);
}

static void
operation(struct written *w, unsigned file)
{
	static const char *const pam[] = {"auth", "auth", "auth", "auth", "AUTH", "-auth", "account", "Account", "-account"};
	static const char *const ours[] = {"spend", "spend", "spend", "spend", "SPEND", "-spend", "link", "Link", "-link"};
	unsigned i = below(w, 100) < 75 ? below(w, 6) : 6 + below(w, 3);

	put(w, file, pam[i], ours[i]);
	blank(w, file);
}

static void
pair(struct written *w, unsigned file, int result)
{
	static const char *const actions[] = {"ignore", "ok", "done", "bad", "die", "reset", "1", "1", "2", "2", "3", "ok",
	    "ignore"};
	const char *action = actions[below(w, sizeof(actions) / sizeof(actions[0]))];
	const char *is = often(w, 90) ? "=" : " = ";

	put(w, file, result < 0 ? "default" : pam_names[result], result < 0 ? "default" :
	    result_name((enum result)result));
	put(w, file, is, is);
	put(w, file, action, action);
}

static void
brackets(struct written *w, unsigned file)
{
	bool written[RESULT__COUNT] = {false};
	unsigned pairs = below(w, 4);
	bool rest = pairs == 0 || often(w, 70);

	put(w, file, "[", "[");
	for (unsigned i = 0; i < pairs; i++) {
		int result = (int)below(w, RESULT__COUNT);

		result = often(w, 40) ? RESULT_SUCCESS : result;
		if (written[result])
			continue;
		if (i > 0)
			blank(w, file);
		written[result] = true;
		pair(w, file, result);
	}
	if (rest) {
		if (pairs > 0)
			blank(w, file);
		pair(w, file, -1);
	}
	put(w, file, "]", "]");
}

static void
rule_line(struct written *w, unsigned file)
{
	static const char *const keywords[] = {"required", "requisite", "sufficient", "optional", "Required", "SUFFICIENT"};
	int result = often(w, 45) ? RESULT_SUCCESS : (int)below(w, RESULT__COUNT);
	struct token *t;

	operation(w, file);
	if (often(w, 55)) {
		const char *keyword = keywords[below(w, sizeof(keywords) / sizeof(keywords[0]))];

		put(w, file, keyword, keyword);
	} else {
		brackets(w, file);
	}
	blank(w, file);
	t = put(w, file, "", "");
	t->id = ++w->ids;
	(void)snprintf(t->pam, sizeof(t->pam), "%s id=%d result=%d", w->module, t->id, pam_codes[result]);
	(void)snprintf(t->ours, sizeof(t->ours), "debug result=%s", result_name((enum result)result));
}

static void
file_line(struct written *w, unsigned file, unsigned target)
{
	static const char *const how[] = {"substack", "substack", "include", "Include", "SUBSTACK"};
	char pam[RULE_TOKEN_MAX], ours[8];
	const char *word = how[below(w, sizeof(how) / sizeof(how[0]))];

	if (often(w, 30)) {
		put(w, file, "@include", "@include");
		put(w, file, " ", " ");
	} else {
		operation(w, file);
		put(w, file, word, word);
		blank(w, file);
	}
	(void)snprintf(pam, sizeof(pam), "%ss%u", w->directory, target);
	(void)snprintf(ours, sizeof(ours), "s%u", target);
	put(w, file, pam, ours);
}

static void
line_end(struct written *w, unsigned file)
{
	static const char *const ends[] = {"\n", "\n", "\n", "\n", "\n", " # why\n", "\t#\\\n", "\n\n", " \n", "\n# alone \\\n",
	    "\n \t\\\n  "};
	const char *end = ends[below(w, sizeof(ends) / sizeof(ends[0]))];

	put(w, file, end, end);
}

static void
file_write(struct written *w, unsigned file)
{
	unsigned lines = 1 + below(w, file == 0 ? 8 : 5);
	const char *end;

	w->tokens_n[file] = 0;
	for (unsigned i = 0; i < lines && w->tokens_n[file] + 40 < WRITTEN_TOKENS; i++) {
		unsigned later = WRITTEN_FILES - 1 - file;

		if (later > 0 && often(w, 25))
			file_line(w, file, file + 1 + below(w, later));
		else
			rule_line(w, file);
		line_end(w, file);
	}
	rule_line(w, file);
	end = often(w, 80) ? "\n" : "";
	put(w, file, end, end);
}

/* --- breaking it --- */

static void
token_spoil(struct written *w, struct token *t)
{
	static const char *const junk[] = {"", "", " ", "#", "#x", " #", "\\", "[", "]", "=", "default=bad", "[]", "0", "65",
	    "bogus", "\\]", "@include", "-", "include", "substack", "\r", "\\ \n", "\\\n\n", "\\\n# c\n", "\n", "\n\n", "[success=ok]",
	    "required", "[required]", "success=ok", "ignore", "1", "-1", "+1", "01", "OK", "Success=ok", "\\\r\n", "\v", "\f",
	    "default", "=ok", "bad]", "\\\\\n", "\\"};
	const char *chosen = junk[below(w, sizeof(junk) / sizeof(junk[0]))];

	t->id = 0;
	(void)snprintf(t->pam, sizeof(t->pam), "%s", chosen);
	(void)snprintf(t->ours, sizeof(t->ours), "%s", chosen);
}

static void
spoil(struct written *w)
{
	unsigned file = below(w, WRITTEN_FILES);
	size_t n = w->tokens_n[file], at = below(w, (unsigned)n), other = below(w, (unsigned)n);
	struct token *tokens = w->tokens[file], kept = tokens[at];

	switch (below(w, 4)) {
	case 0:
		token_spoil(w, &tokens[at]);
		break;
	case 1:
		memmove(&tokens[at], &tokens[at + 1], (n - at - 1) * sizeof(kept));
		w->tokens_n[file]--;
		break;
	case 2:
		tokens[at] = tokens[other];
		tokens[other] = kept;
		break;
	default:
		if (n == WRITTEN_TOKENS)
			break;
		memmove(&tokens[at + 1], &tokens[at], (n - at) * sizeof(kept));
		w->tokens_n[file]++;
		if (kept.id != 0 || below(w, 2) == 0)
			token_spoil(w, &tokens[at]);
		break;
	}
}

/* --- putting it down --- */

static void
file_render(struct written *w, unsigned file)
{
	char *pam = w->pam[file], *ours = w->ours[file];
	size_t pam_len = 0, len = 0;
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < w->tokens_n[file]; i++) {
		const struct token *t = &w->tokens[file][i];

		if (t->id != 0) {
			CHECK(w->rules_n < WRITTEN_RULES);
			w->rules[w->rules_n++] = (struct written_rule){file, line, column, t->id};
		}
		for (const char *c = t->ours; *c != '\0'; c++) {
			column = *c == '\n' ? 1 : column + 1;
			line += *c == '\n';
		}
		pam_len += (size_t)snprintf(pam + pam_len, WRITTEN_BYTES - pam_len, "%s", t->pam);
		len += (size_t)snprintf(ours + len, WRITTEN_BYTES - len, "%s", t->ours);
		CHECK(pam_len < WRITTEN_BYTES && len < WRITTEN_BYTES);
	}
}

void
write_stack(struct written *w, unsigned broken)
{
	w->ids = 0;
	w->rules_n = 0;
	for (unsigned file = 0; file < WRITTEN_FILES; file++)
		file_write(w, file);
	for (; broken > 0; broken--)
		spoil(w);
	for (unsigned file = 0; file < WRITTEN_FILES; file++)
		file_render(w, file);
}
