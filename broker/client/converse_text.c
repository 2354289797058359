/* SPDX-License-Identifier: Apache-2.0 */
/* What a conversation says, in English and Chinese. */
#include "broker/client/converse.h"

#include <stdio.h>

/* clang-format off */
static const struct {
	const char *en, *zh;
} words[SAY__COUNT] = {
	[SAY_CHOOSE] = {"How do you want to confirm?", "您想用哪种方式确认？"},
	[SAY_CHOOSE_MORE] = {"This needs more than one way. What else?", "此操作需要多种方式确认，还选择哪一种？"},
	[SAY_NO_WAY] = {"None of your ways to confirm works here. Nothing was done; the request stays open.",
	    "您的确认方式都不能在这里使用。未进行任何操作，请求仍然有效。"},
	[SAY_PASSKEY_ONLY] = {"This needs a passkey, and a passkey needs a browser. Open the page of this request to confirm or refuse it.",
	    "此操作需要通行密钥，而通行密钥只能在浏览器中使用。请打开此请求的网页进行确认或拒绝。"},
	[SAY_SENT] = {"A code was sent to you.", "验证码已发送。"},
	[SAY_SENT_TO] = {"A code was sent to %s.", "验证码已发送至 %s。"},
	[SAY_CODE] = {"Code", "验证码"},
	[SAY_CODE_OF] = {"Code from “%s”", "“%s”的验证码"},
	[SAY_ANSWER] = {"Answer", "回答"},
	[SAY_PASSKEY] = {"Use the passkey “%s”", "请使用通行密钥“%s”"},
	[SAY_NUMBER] = {"Choose this number on your device “%s”:", "请在设备“%s”上选择此数字："},
	[SAY_APPROVE] = {"Confirm on your device “%s”.", "请在设备“%s”上确认。"},
	[SAY_WAIT] = {"Waiting for your device.", "正在等待您的设备。"},
	[SAY_WRONG] = {"That was not right.", "不正确。"},
	[SAY_WRONG_LEFT] = {"That was not right. Attempts left: %s", "不正确。剩余次数：%s"},
	[SAY_TOO_SOON] = {"Please wait %s seconds, then try again.", "请等待 %s 秒后再试。"},
	[SAY_BUDGET] = {"No more codes are sent for now.", "暂时不再发送验证码。"},
	[SAY_NOT_SENT] = {"That does not work at the moment.", "暂时无法使用。"},
	[SAY_MORE] = {"One more step is needed.", "还需要一个步骤。"},
	[SAY_NO_CHOICE] = {"Please give one of the numbers.", "请输入列出的序号之一。"},
	[SAY_DONE] = {"Confirmed.", "已确认。"},
	[SAY_USED] = {"This confirmation has been used already.", "此确认已被使用。"},
	[SAY_LOCKED] = {"Locked: there were too many wrong answers. Nothing was done.", "已锁定：错误次数过多，未进行任何操作。"},
	[SAY_REFUSED] = {"Refused. Nothing was done.", "已拒绝，未进行任何操作。"},
	[SAY_REPORTED] = {"Refused, and the ID is frozen: nobody can spend through it now.",
	    "已拒绝，该第三方账号已冻结，任何人都无法再通过它付款。"},
	[SAY_EXPIRED] = {"This request has expired. Nothing was done.", "此请求已过期，未进行任何操作。"},
};
/* clang-format on */

const char *
talk_sentence(struct talk *t, enum say say, const char *arg)
{
	const char *text = t->zh ? words[say].zh : words[say].en;
	const char *gap = strstr(text, "%s");

	if (gap == NULL)
		return text;
	(void)snprintf(t->text, sizeof(t->text), "%.*s%s%s", (int)(gap - text), text, arg == NULL ? "" : arg,
	    gap + strlen("%s"));
	return t->text;
}

enum say
talk_end_of(const struct talk *t)
{
	static const enum say ends[] = {
		[CS_CHALLENGE_DONE] = SAY_DONE,
		[CS_CHALLENGE_USED] = SAY_USED,
		[CS_CHALLENGE_LOCKED] = SAY_LOCKED,
		[CS_CHALLENGE_REFUSED] = SAY_REFUSED,
		[CS_CHALLENGE_EXPIRED] = SAY_EXPIRED,
	};

	return t->reported && t->prompt.state == CS_CHALLENGE_REFUSED ? SAY_REPORTED : ends[t->prompt.state];
}
