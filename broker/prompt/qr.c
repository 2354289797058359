/* SPDX-License-Identifier: Apache-2.0 */
/* QR codes in half-block characters: two rows of modules a line. The only file that knows libqrencode. */
#include <qrencode.h>

#include "broker/prompt/prompt.h"

/* Modules of light around the code; scanners want four, and terminals have a margin of their own. */
enum { QUIET = 2 };

static bool
is_dark(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return false;
	return (code->data[y * code->width + x] & 1) != 0;
}

void
qr_put(struct prompt *p, const char *text)
{
	/* By upper half and lower half: light modules are drawn, since most terminals are dark. */
	static const char *const halves[2][2] = {{"█", "▀"}, {"▄", " "}};
	QRcode *code = p->utf8 ? QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1) : NULL;

	if (code == NULL)
		return;
	for (int y = -QUIET; y < code->width + QUIET; y += 2) {
		raw_put(p, "  ");
		style_put(p, "97;40"); /* white on black, whatever the terminal's own colours are */
		for (int x = -QUIET; x < code->width + QUIET; x++)
			raw_put(p, halves[is_dark(code, x, y)][is_dark(code, x, y + 1)]);
		style_put(p, NULL);
		raw_put(p, "\n");
	}
	QRcode_free(code);
}
