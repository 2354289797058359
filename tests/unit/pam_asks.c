/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module for libpam that behaves as its argument do=... says: as modules do, and as they should not. account=CODE is what
 * account management returns, file=PATH a file that it writes or waits for.
 */
#include <fcntl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const char *
argument(int argc, const char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], name, len) == 0)
			return argv[i] + len;
	return "";
}

static int
ask(pam_handle_t *pamh, int style, const char *prompt, const char *wanted)
{
	char *answer = NULL;
	int rc = pam_prompt(pamh, style, &answer, "%s", prompt);

	if (rc == PAM_SUCCESS && (answer == NULL || strcmp(answer, wanted) != 0))
		rc = PAM_AUTH_ERR;
	free(answer);
	return rc;
}

/* All prompts in one call of the conversation. */
static int
ask_at_once(pam_handle_t *pamh, const char *const *prompts, const int *styles, const char *const *wanted, int n)
{
	const void *item = NULL;
	const struct pam_conv *conv;
	struct pam_message said[8];
	const struct pam_message *messages[8];
	struct pam_response *responses = NULL;
	int rc;

	for (int i = 0; i < n; i++) {
		said[i] = (struct pam_message){styles[i], prompts[i]};
		messages[i] = &said[i];
	}
	if (pam_get_item(pamh, PAM_CONV, &item) != PAM_SUCCESS || item == NULL)
		return PAM_ABORT;
	conv = item;
	rc = conv->conv(n, messages, &responses, conv->appdata_ptr);
	for (int i = 0; rc == PAM_SUCCESS && i < n; i++)
		if (wanted[i] != NULL && (responses[i].resp == NULL || strcmp(responses[i].resp, wanted[i]) != 0))
			rc = PAM_AUTH_ERR;
	for (int i = 0; responses != NULL && i < n; i++)
		free(responses[i].resp);
	free(responses);
	return rc;
}

static int
many(pam_handle_t *pamh)
{
	static const char *const prompts[] = {"one", "two", "a word between", "three", "four", "five"};
	static const int styles[] = {PAM_PROMPT_ECHO_ON, PAM_PROMPT_ECHO_OFF, PAM_TEXT_INFO, PAM_PROMPT_ECHO_ON, PAM_PROMPT_ECHO_ON,
	    PAM_PROMPT_ECHO_ON};
	static const char *const wanted[] = {"1", "2", NULL, "3", "4", "5"};

	return ask_at_once(pamh, prompts, styles, wanted, 6);
}

static int
two(pam_handle_t *pamh)
{
	static const char *const prompts[] = {"Name of your first pet", "Password: "};
	static const int styles[] = {PAM_PROMPT_ECHO_ON, PAM_PROMPT_ECHO_OFF};
	static const char *const wanted[] = {"rex", "secret"};

	return ask_at_once(pamh, prompts, styles, wanted, 2);
}

static void
write_pid(const char *path, pid_t pid)
{
	FILE *f = fopen(path, "we");

	if (f != NULL) {
		fprintf(f, "%d\n", (int)pid);
		fclose(f);
	}
}

/* A daemon of the module's own, in a session of its own. */
static int
leave_a_daemon(pam_handle_t *pamh, const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid != 0)
			_exit(0);
		write_pid(path, getpid());
		for (;;)
			pause();
	}
	return ask(pamh, PAM_PROMPT_ECHO_OFF, "Password: ", "secret");
}

/* As a module does whose user confirms on a phone: the phone is a pipe, which somebody opens. */
static int
push(pam_handle_t *pamh, const char *path)
{
	if (pam_info(pamh, "Confirm number 47\non your phone") != PAM_SUCCESS)
		return PAM_CONV_ERR;
	int phone = open(path, O_RDONLY | O_CLOEXEC);

	if (phone >= 0)
		close(phone);
	return phone >= 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
}

EXPORT int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const char *what = argument(argc, argv, "do="), *path = argument(argc, argv, "file=");
	const char *code = argument(argc, argv, "code=");
	int rc;

	(void)flags;
	if (strcmp(what, "two") == 0)
		return two(pamh);
	if (strcmp(what, "many") == 0)
		return many(pamh);
	if (strcmp(what, "silent") == 0)
		return PAM_SUCCESS;
	if (strcmp(what, "push") == 0)
		return push(pamh, path);
	if (strcmp(what, "daemon") == 0)
		return leave_a_daemon(pamh, path);
	if (strcmp(what, "block-first") == 0)
		for (;;)
			pause();
	if (strcmp(what, "nasty") == 0)
		return ask(pamh, PAM_PROMPT_ECHO_OFF, "\x1b[31mPass\nword\xff \xe2\x80\xae \xe5\xaf\x86: ", "secret");
	rc = ask(pamh, PAM_PROMPT_ECHO_OFF, "Password: ", "secret");
	if (strcmp(what, "serial") == 0)
		return rc != PAM_SUCCESS ? rc : ask(pamh, PAM_PROMPT_ECHO_ON, "Which colour?", "blue");
	if (strcmp(what, "block") == 0)
		for (;;)
			pause();
	if (strcmp(what, "crash") == 0)
		abort();
	if (strcmp(what, "other-user") == 0)
		(void)pam_set_item(pamh, PAM_USER, "root");
	return *code != '\0' ? (int)strtol(code, NULL, 10) : rc;
}

EXPORT int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	return (int)strtol(argument(argc, argv, "account="), NULL, 10);
}

EXPORT int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}
