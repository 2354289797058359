/* SPDX-License-Identifier: Apache-2.0 */
/* QR codes by libqrencode; the only file that knows it. */
#include "broker/gateway/qr.h"

#include <qrencode.h>
#include <stdio.h>

#include "broker/base/secret.h"
#include "broker/gateway/html.h"

enum { QUIET = 4 /* modules of margin that readers need (ISO/IEC 18004 section 5.3.8) */ };

/* Dark modules of a row, run by run. */
static void
row_put(struct buf *out, const unsigned char *row, int width, int y)
{
	char run[64];

	for (int x = 0, from; x < width; x++) {
		if ((row[x] & 1) == 0)
			continue;
		for (from = x; x + 1 < width && (row[x + 1] & 1) != 0;)
			x++;
		(void)snprintf(run, sizeof(run), "M%d %dh%dv1H%dz", from + QUIET, y + QUIET, x + 1 - from, from + QUIET);
		html_put(out, run);
	}
}

bool
qr_svg(struct buf *out, struct view text, struct view label)
{
	char plain[QR_TEXT_MAX + 1];
	QRcode *code;
	int size;

	if (text.len == 0 || text.len > QR_TEXT_MAX || memchr(text.data, '\0', text.len) != NULL)
		return false;
	memcpy(plain, text.data, text.len);
	plain[text.len] = '\0';
	code = QRcode_encodeString8bit(plain, 0, QR_ECLEVEL_M);
	secret_wipe(plain, sizeof(plain));
	if (code == NULL)
		return false;
	size = code->width + 2 * QUIET;
	html_put(out, "<svg class=\"qr\" role=\"img\" shape-rendering=\"crispEdges\" viewBox=\"0 0 ");
	html_int(out, size);
	html_put(out, " ");
	html_int(out, size);
	html_put(out, "\" aria-label=\"");
	html_text(out, label);
	html_put(out, "\"><path d=\"");
	for (int y = 0; y < code->width; y++)
		row_put(out, code->data + (size_t)y * (size_t)code->width, code->width, y);
	html_put(out, "\"/></svg>\n");
	secret_wipe(code->data, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
	return true;
}
