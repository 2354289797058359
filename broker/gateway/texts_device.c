/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the page of a device that approves. */
#include "broker/gateway/texts_device.h"

#define T(id, en, zh) [id - TEXTS_DEVICE] = {{en, zh}}

/* clang-format off */
static const struct text words[TEXT_DEVICE_END - TEXTS_DEVICE] = {
	T(TEXT_DEVICE_TITLE, "Requests for approval",
	    "待批准的请求"),
	T(TEXT_DEVICE_PROBE, "If this device is registered, it shows here what waits for your approval.",
	    "如果此设备已登记，这里会显示等待您批准的请求。"),
	T(TEXT_DEVICE_SHOW, "Show requests",
	    "显示请求"),
	T(TEXT_DEVICE_OF, "Account",
	    "账户"),
	T(TEXT_DEVICE_NONE, "Nothing waits for your approval.",
	    "没有等待您批准的请求。"),
	T(TEXT_DEVICE_LOOKS, "Leave this page open while you pay elsewhere: it looks again every few seconds.",
	    "在其他地方付款时请保持此页面打开，页面每隔几秒会自动检查。"),
	T(TEXT_DEVICE_LOOK, "Look again now",
	    "立即检查"),
	T(TEXT_DEVICE_NUMBER, "To approve, press the number that is shown where you are paying:",
	    "如要批准，请按下付款页面上显示的数字："),
	T(TEXT_DEVICE_NO_NUMBER, "You see no number, or somebody tells you one? Then refuse. A wrong number ends the request.",
	    "没有看到数字，或者数字是别人告诉您的？请拒绝。选错数字将终止请求。"),
	T(TEXT_DEVICE_NEEDS, "Approving needs JavaScript and this device's passkey, which this browser does not offer here. You can still refuse.",
	    "批准需要 JavaScript 和此设备的通行密钥，当前浏览器无法使用。您仍可以拒绝。"),
	T(TEXT_DEVICE_FAILED, "The passkey was not used, and nothing was approved. You can try again, or refuse.",
	    "未使用通行密钥，未批准任何操作。您可以重试或拒绝。"),
	T(TEXT_DEVICE_STRANGER_TITLE, "This browser is not registered",
	    "此浏览器未登记"),
	T(TEXT_DEVICE_STRANGER, "It has not been registered for approvals, or the registration was removed. Register it from your payment "
		"service; if you registered this device in another browser, open this page there.",
	    "此浏览器尚未登记用于批准，或登记已被移除。请从您的支付服务发起登记；如果您是用此设备的其他浏览器登记的，请在那个浏览器中打开此页面。"),
	T(TEXT_DEVICE_COOLING, "This device was registered a short while ago. It may approve from",
	    "此设备刚刚登记。可以开始批准的时间："),
	T(TEXT_DEVICE_LOCKED, "After too many wrong answers this device may not approve until",
	    "错误次数过多，此设备在以下时间之前不能批准："),
	T(TEXT_DEVICE_APPROVED, "Approved. Go on where you are paying.",
	    "已批准。请回到付款的地方继续。"),
	T(TEXT_DEVICE_COUNTED, "Your approval counts. Go on where you are paying: more is asked there.",
	    "您的批准已计入。请回到付款的地方继续，那里还需要其他确认。"),
	T(TEXT_DEVICE_WRONG_NUMBER, "That was not the number, so the request was ended and nothing was paid. If you asked for it yourself, "
		"start it again there.",
	    "数字不对，请求已终止，没有付款。如果是您本人发起的，请在付款的地方重新开始。"),
	T(TEXT_DEVICE_REJECTED, "The passkey was not accepted. Nothing was approved.",
	    "通行密钥未被接受，未批准任何操作。"),
	T(TEXT_DEVICE_NOT_NOW, "This device may not approve that now. Nothing was approved.",
	    "此设备目前不能批准该请求，未批准任何操作。"),
	T(TEXT_DEVICE_UNSIGNED, "Nothing was approved: the number alone is not enough.",
	    "未批准任何操作：仅选择数字还不够。"),
	T(TEXT_DEVICE_REFUSED, "Refused. Nothing happens.",
	    "已拒绝，不会产生任何操作。"),
	T(TEXT_DEVICE_REPORTED, "Refused, and frozen: nobody can spend that way until you lift it.",
	    "已拒绝并冻结：在您解除之前，任何人都无法以此方式付款。"),
	T(TEXT_DEVICE_GONE, "That request is over.",
	    "该请求已结束。"),
	T(TEXT_DEVICE_ENROLLED, "Requests wait on a page of their own. Keep its address, for instance as a bookmark.",
	    "请求会显示在专门的页面上，请保存其地址（例如加为书签）。"),
	T(TEXT_DEVICE_OPEN, "Open the page of requests",
	    "打开请求页面"),
};
/* clang-format on */

const struct text_table device_texts = {"device", TEXTS_DEVICE, TEXT_DEVICE_END, words};
