/* SPDX-License-Identifier: Apache-2.0 */
/* QR codes as inline SVG: markup, not a picture that would have to be fetched. */
#ifndef CS_GATEWAY_QR_H
#define CS_GATEWAY_QR_H

#include "broker/base/buf.h"

enum { QR_TEXT_MAX = 512 /* more makes a code that phones read badly, and a page that is too large */ };

/* <svg class="qr" role="img" aria-label="label">. False, and nothing is written: the text is too long for a code. */
bool qr_svg(struct buf *out, struct view text, struct view label);

#endif
