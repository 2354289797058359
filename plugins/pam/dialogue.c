/* SPDX-License-Identifier: Apache-2.0 */
/* PAM's side of a conversation. Modules run in this process alone; it may hang, crash or be killed at any time. */
#include "plugins/pam/dialogue.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/pam/wire.h"

struct dialogue {
	int fd;
	uint8_t round;
	bool asked, refused;
};

static struct dialogue dialogue;  /* one a process; the conversation's callback gets it too */

/* What modules say may hold anything: printable ASCII and valid-looking UTF-8 stay, the rest becomes '?'. */
static char
printable(const unsigned char *s, size_t i)
{
	return s[i] < 0x20 || s[i] == 0x7f ? '?' : (char)s[i];
}

/* How many bytes the character of UTF-8 at s has; 0: it is none, or one that is not for people. */
static size_t
character(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong, surrogates, above U+10FFFF, C1 controls; U+2028 to U+202E and U+2066 to U+2069 turn lines and writing. */
	if ((n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))) ||
	    (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))) || (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) ||
	    (n == 3 && s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
	    (n == 3 && s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9))
		return 0;
	return n;
}

/* Copies at most cap bytes of whole characters; lines: a line feed stays. The length. */
static size_t
clean(const char *text, char *to, size_t cap, bool lines)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = 0;

	while (*s != '\0') {
		size_t len = character(s);

		if (n + (len == 0 ? 1 : len) > cap)
			break;
		if (len > 1)
			memcpy(to + n, s, len);
		else
			to[n] = len == 0 ? '?' : *s == '\n' && lines ? '\n' : *s == '\t' || *s == '\n' ? ' ' : printable(s, 0);
		n += len == 0 ? 1 : len;
		s += len == 0 ? 1 : len;
	}
	while (n > 0 && (to[n - 1] == ' ' || to[n - 1] == '\n'))
		n--;
	return n;
}

static int
tell(const char *text)
{
	struct wire w = {.type = WIRE_INFO};

	w.text_len = (uint16_t)clean(text, w.text, WIRE_INFO_MAX, true);
	return w.text_len == 0 || wire_send(dialogue.fd, &w) ? PAM_SUCCESS : PAM_CONV_ERR;
}

/* A response of PAM's is freed by the module: it must be malloc's. */
static int
take_line(const char *line, size_t len, struct pam_response *to)
{
	to->resp = calloc(1, len + 1);
	if (to->resp == NULL)
		return PAM_BUF_ERR;
	memcpy(to->resp, line, len);
	return PAM_SUCCESS;
}

/* Lines to responses. Another number of lines, a NUL or a line that is too long: these are no answers. */
static int
take_answers(const struct wire *answers, const size_t *where, size_t n, struct pam_response *responses)
{
	const char *at = answers->text, *end = at + answers->text_len;
	int rc = PAM_SUCCESS;

	dialogue.refused = memchr(at, '\0', answers->text_len) != NULL;
	for (size_t i = 0; i < n && rc == PAM_SUCCESS && !dialogue.refused; i++) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		const char *stop = feed == NULL ? end : feed;

		dialogue.refused = (feed == NULL) != (i + 1 == n) || stop - at > WIRE_ANSWER_MAX;
		if (!dialogue.refused)
			rc = take_line(at, (size_t)(stop - at), &responses[where[i]]);
		at = feed == NULL ? end : feed + 1;
	}
	return dialogue.refused ? PAM_CONV_ERR : rc;
}

static int
ask(struct wire *w, const size_t *where, struct pam_response *responses)
{
	struct wire answers;
	int rc = PAM_CONV_ERR;

	w->type = WIRE_PROMPTS;
	w->round = ++dialogue.round;
	dialogue.asked = true;
	if (wire_send(dialogue.fd, w) && wire_receive(dialogue.fd, &answers) && answers.type == WIRE_ANSWERS)
		rc = take_answers(&answers, where, w->prompts_count, responses);
	explicit_bzero(&answers, sizeof(answers));
	return rc;
}

static void
add_prompt(struct wire *w, const struct pam_message *m)
{
	struct wire_prompt *p = &w->prompts[w->prompts_count++];
	size_t n = clean(m->msg == NULL ? "" : m->msg, p->label, WIRE_LABEL_MAX, false);

	p->hidden = m->msg_style == PAM_PROMPT_ECHO_OFF;
	p->label[n] = '\0';
	if (n == 0)
		snprintf(p->label, sizeof(p->label), "%s", p->hidden ? "Password" : "Answer");
}

static int
converse(int n, const struct pam_message **messages, struct pam_response *responses)
{
	struct wire w = {.type = WIRE_PROMPTS};
	size_t where[WIRE_PROMPTS_MAX];
	int rc = PAM_SUCCESS;

	for (int i = 0; i < n && rc == PAM_SUCCESS; i++) {
		const struct pam_message *m = messages[i];

		if (m->msg_style == PAM_ERROR_MSG || m->msg_style == PAM_TEXT_INFO) {
			rc = tell(m->msg == NULL ? "" : m->msg);
		} else if (m->msg_style == PAM_PROMPT_ECHO_ON || m->msg_style == PAM_PROMPT_ECHO_OFF) {
			where[w.prompts_count] = (size_t)i;
			add_prompt(&w, m);
		} else {
			rc = PAM_CONV_ERR;  /* binary prompts need a program at the other end */
		}
		if (rc == PAM_SUCCESS && w.prompts_count > 0 && (w.prompts_count == WIRE_PROMPTS_MAX || i == n - 1)) {
			rc = ask(&w, where, responses);
			w = (struct wire){.type = WIRE_PROMPTS};
		}
	}
	if (rc == PAM_SUCCESS && w.prompts_count > 0)
		rc = ask(&w, where, responses);
	return rc;
}

static int
on_conversation(int n, const struct pam_message **messages, struct pam_response **responses, void *context)
{
	struct pam_response *made;
	int rc;

	(void)context;
	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	made = calloc((size_t)n, sizeof(*made));
	if (made == NULL)
		return PAM_BUF_ERR;
	rc = converse(n, messages, made);
	if (rc == PAM_SUCCESS) {
		*responses = made;
		return rc;
	}
	for (int i = 0; i < n; i++) {
		if (made[i].resp != NULL)
			explicit_bzero(made[i].resp, strlen(made[i].resp));
		free(made[i].resp);
	}
	free(made);
	return rc;
}

/* libpam would wait seconds after a wrong answer; the broker counts them instead, and locks. */
static void
no_delay(int status, unsigned microseconds, void *context)
{
	(void)status;
	(void)microseconds;
	(void)context;
}

/* A module may have made the user another one: then it is not the factor's owner who answered. */
static bool
is_same_user(pam_handle_t *pam, const char *user)
{
	const void *now = NULL;

	return pam_get_item(pam, PAM_USER, &now) == PAM_SUCCESS && now != NULL && strcmp(now, user) == 0;
}

_Noreturn void
dialogue_run(int fd, const char *service, const char *directory, const char *user)
{
	static const struct pam_conv conv = {on_conversation, NULL};
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = {no_delay};
	struct wire end = {.type = WIRE_END};
	pam_handle_t *pam = NULL;
	int rc;

	dialogue = (struct dialogue){.fd = fd};
	rc = directory != NULL ? pam_start_confdir(service, user, &conv, directory, &pam) : pam_start(service, user, &conv, &pam);
	if (rc == PAM_SUCCESS)
		rc = pam_set_item(pam, PAM_FAIL_DELAY, delay.item);
	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(pam, 0);
	if (rc == PAM_SUCCESS && !is_same_user(pam, user))
		rc = PAM_USER_UNKNOWN;
	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(pam, 0);
	end.code = dialogue.refused ? WIRE_REFUSED : rc;
	end.asked = dialogue.asked;
	(void)wire_send(fd, &end);
	/* Modules clean up after themselves; nobody waits for it. */
	if (pam != NULL)
		(void)pam_end(pam, rc);
	_exit(0);
}
