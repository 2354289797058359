/* SPDX-License-Identifier: Apache-2.0 */
/* Filters by libseccomp. */
#include "broker/base/sandbox_seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/sandbox.h"

#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1U
#endif

static int
rule_add(scmp_filter_ctx filter, const struct seccomp_rule *r)
{
	uint32_t action = r->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint32_t)r->error);
	struct scmp_arg_cmp arguments[SECCOMP_ARGUMENTS_MAX];
	int number = seccomp_syscall_resolve_name(r->name);

	/* Another architecture's. */
	if (number == __NR_SCMP_ERROR || number < 0)
		return 0;
	for (unsigned i = 0; i < r->argument_count; i++)
		arguments[i] = (struct scmp_arg_cmp){r->arguments[i].index, SCMP_CMP_MASKED_EQ, r->arguments[i].mask,
		    r->arguments[i].value};
	return seccomp_rule_add_array(filter, action, number, r->argument_count, arguments);
}

/* Gives 0, or what libseccomp gives: a negative errno. */
static int
load(uint32_t otherwise, const struct seccomp_rule *rules, size_t n, unsigned when, int *notices)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	/* Calls of another architecture, such as a 32-bit one's by int 0x80, would pass by the rules. */
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	/* A binary tree instead of a long list. */
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if ((rules[i].when & when) != 0)
			rc = rule_add(filter, &rules[i]);
	}
	if (rc == 0)
		rc = seccomp_load(filter);
	if (rc == 0 && notices != NULL)
		*notices = otherwise == SCMP_ACT_NOTIFY ? seccomp_notify_fd(filter) : -1;
	seccomp_release(filter);
	return rc;
}

static enum cs_err
result_of(int rc)
{
	errno = -rc;
	return rc == 0 ? CS_OK : CS_ERR_SYSTEM;
}

enum cs_err
seccomp_only(const struct seccomp_rule *rules, size_t n, unsigned when, int *notices)
{
	struct sandbox_kernel kernel;

	sandbox_probe(&kernel);
	return result_of(
	    load(kernel.seccomp_names ? SCMP_ACT_NOTIFY : SCMP_ACT_KILL_PROCESS, rules, n, when, notices));
}

enum cs_err
seccomp_less(const struct seccomp_rule *rules, size_t n, unsigned when)
{
	return result_of(load(SCMP_ACT_ALLOW, rules, n, when, NULL));
}

enum cs_err
seccomp_notice_read(int notices, struct seccomp_notice *out)
{
	struct seccomp_notif *got;
	char *name;
	int rc;

	if (seccomp_notify_alloc(&got, NULL) != 0)
		return CS_ERR_SYSTEM;
	rc = seccomp_notify_receive(notices, got);
	if (rc == 0) {
		*out = (struct seccomp_notice){.id = got->id, .pid = (pid_t)got->pid, .number = got->data.nr};
		memcpy(out->arguments, got->data.args, sizeof(out->arguments));
		name = seccomp_syscall_resolve_num_arch(got->data.arch, got->data.nr);
		snprintf(out->name, sizeof(out->name), "%s", name == NULL ? "" : name);
		free(name);
	}
	seccomp_notify_free(got, NULL);
	if (rc == 0)
		return CS_OK;
	return errno == ENOENT ? CS_ERR_NOT_FOUND : CS_ERR_SYSTEM;
}

void
seccomp_notice_answer(int notices, const struct seccomp_notice *n, int error)
{
	struct seccomp_notif_resp *answer;

	if (seccomp_notify_alloc(NULL, &answer) != 0)
		return;
	answer->id = n->id;
	answer->error = error == 0 ? 0 : -error;
	answer->flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
	(void)seccomp_notify_respond(notices, answer);
	seccomp_notify_free(NULL, answer);
}
