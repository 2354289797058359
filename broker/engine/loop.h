/* SPDX-License-Identifier: Apache-2.0 */
/* The operating system's side of the engine: sockets, signals, time. The only file that knows libevent. */
#ifndef CS_ENGINE_LOOP_H
#define CS_ENGINE_LOOP_H

#include "broker/base/poller.h"
#include "broker/engine/engine.h"
#include "broker/parent/role.h"

struct loop;

/* What the engine needs of the loop before it exists itself. */
struct loop *loop_new(struct role *role);
/* After loop_end(). */
void loop_free(struct loop *l);
struct stream_ops loop_stream_ops(struct loop *l);
/* For the store's descriptors; valid until loop_free(), which comes after the store was closed. */
const struct poller *loop_poller(struct loop *l);
/* Serves until SIGTERM or until the parent is gone. */
void loop_run(struct loop *l, struct engine *e);
/* Closes all connections; the store's descriptors stay until it is closed. */
void loop_end(struct loop *l);

#endif
