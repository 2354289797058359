/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What WeChat's servers say: JSON as text/plain, with status 200 whatever it means. An error is a member
 * `errcode` that is not 0; nothing is signed.
 */
#ifndef CS_PLUGIN_WECHAT_ANSWER_H
#define CS_PLUGIN_WECHAT_ANSWER_H

#include <jansson.h>

#include "countersign/plugin.h"

enum {
	WECHAT_ID_MAX = 128,     /* an openid or a unionid has 28 characters, and no promise that it stays so */
	WECHAT_TOKEN_MAX = 1024, /* an access token: about 120 seen, 512 promised elsewhere */
};

/* Views point into the document. */
struct wechat_answer {
	json_t *document;
	int64_t errcode;                     /* with PROVIDER_ERROR, BAD_CODE, UNREACHABLE: theirs, or 0 */
	struct countersign_view openid;      /* 1 to WECHAT_ID_MAX of letters, digits, "-" and "_" */
	struct countersign_view unionid;     /* the same, or absent */
	struct countersign_view access_token; /* of /sns/oauth2/access_token; else absent */
	struct countersign_view nickname;    /* of /sns/userinfo; else absent */
};

/*
 * Reads an answer of /sns/oauth2/access_token or /sns/userinfo. COUNTERSIGN_OK with an openid; BAD_CODE: the
 * code is wrong, used or old; UNREACHABLE: they are too busy; PROVIDER_ERROR: all else, with errcode where it is
 * their word. answer_clear() afterwards in any case.
 */
int answer_read(struct countersign_view text, struct wechat_answer *to);
void answer_clear(struct wechat_answer *a);

#endif
