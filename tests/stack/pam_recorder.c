/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module for libpam that says which line ran: "id=N result=CODE" tells its id to the application, by its conversation,
 * and returns the code.
 */
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static int
answer(pam_handle_t *pamh, int argc, const char **argv)
{
	const void *item = NULL;
	const struct pam_conv *conv;
	struct pam_message said = {PAM_TEXT_INFO, ""};
	const struct pam_message *message = &said;
	struct pam_response *response = NULL;
	int code = PAM_ABORT;

	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "id=", 3) == 0)
			said.msg = argv[i] + 3;
		else if (strncmp(argv[i], "result=", 7) == 0)
			code = (int)strtol(argv[i] + 7, NULL, 10);
	}
	if (pam_get_item(pamh, PAM_CONV, &item) != PAM_SUCCESS || item == NULL)
		return PAM_ABORT;
	conv = item;
	if (conv->conv(1, &message, &response, conv->appdata_ptr) != PAM_SUCCESS)
		return PAM_ABORT;
	free(response);
	return code;
}

EXPORT int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	return answer(pamh, argc, argv);
}

EXPORT int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	return answer(pamh, argc, argv);
}

EXPORT int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}
