/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts that Redis runs. Each is a file NAME.lua in this folder, which says what it takes and
 * gives; the build makes texts of them (scripts_text.h). A new one needs a row here, in scripts.c
 * and in local.mk.
 */
#ifndef CS_STORE_REDIS_SCRIPTS_H
#define CS_STORE_REDIS_SCRIPTS_H

enum script {
	SCRIPT_COMMIT,
	SCRIPT_IMPORT,
	SCRIPT_IMPORT_MARK,
	SCRIPT_MEND_CLAIM,
	SCRIPT_CHECK,
	SCRIPT_READ,
	SCRIPT_CLAIM_CAS,
	SCRIPT_CLAIM_VERIFY,
	SCRIPT_CLAIM_REPAIR,
	SCRIPT_SCAN_PAGE,
	SCRIPT_SCAN_WALK,
	SCRIPT_SCAN_ROWS,
	SCRIPT_PROVE,
	SCRIPT_PUTBACK,
	SCRIPT_SETTLE,
	SCRIPT_PUTOUT,
	SCRIPT_RELEASE,
	SCRIPT_BEAT,
	SCRIPT__COUNT
};

/* The first element of a script's reply. */
enum script_answer {
	ANSWER_DONE = 1,
	ANSWER_CONFLICT, /* the record has another revision */
	ANSWER_SUSPECT,	 /* the bucket was opened under another tenure */
	ANSWER_SEGMENT,	 /* the log goes on in another segment, which is told */
	ANSWER_STRANGER, /* the member is not of this store */
	ANSWER_CLAIM,	 /* the record does not hold what it would release */
	ANSWER_POISONED, /* somebody declared that this commit must not happen any more */
	ANSWER_CORRUPT,	 /* the record in Redis is no record */
	ANSWER_HELD,	 /* nobody can say what the record is: its repair is not done */
	ANSWER_GONE,	 /* no event has this number */
};

extern const char *const script_texts[SCRIPT__COUNT];

#endif
