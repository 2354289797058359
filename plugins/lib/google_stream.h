/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Google's stream of Cross-Account Protection: managed at risc.googleapis.com by a service account, which signs its own
 * bearer token. Messages are pushed; there is one stream a project.
 */
#ifndef CS_PLUGIN_LIB_GOOGLE_STREAM_H
#define CS_PLUGIN_LIB_GOOGLE_STREAM_H

#include "plugins/lib/signals.h"

/* Reads the service account's key file, if there is one. NULL, or what is wrong. */
const char *google_stream_open(struct signals *s);
void google_stream_close(struct signals *s);
int google_stream_authorization(struct signals *s, int64_t now_ms, struct countersign_buffer *to);
/* The operation stream, but for `request`. */
int google_stream(struct signals *s, const struct countersign_stream *in, struct countersign_stream_answer *out);

#endif
