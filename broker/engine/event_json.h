/* SPDX-License-Identifier: Apache-2.0 */
/* An event as people and programs read it: names for tags, ids as they are given out, amounts, and its texts. */
#ifndef CS_ENGINE_EVENT_JSON_H
#define CS_ENGINE_EVENT_JSON_H

#include "broker/base/json.h"
#include "broker/core/event.h"
#include "broker/engine/engine.h"
#include "broker/engine/ids.h"
#include "broker/engine/texts.h"

/* What is known around one event. */
struct event_row {
	uint64_t seq, revision;
	struct id key;
	struct event event;
	struct view extra;             /* bytes as stored */
	const struct account *account; /* as it is now, or NULL: of the broker, or not to be had at once */
	struct view name;              /* the realm's own id of the account; empty where it is not known */
};

/* evt_..., of key and revision. */
struct id_text event_row_id(const struct event_row *row);
/* Its own texts; false where it has none, or their key was destroyed. */
bool event_row_texts(const struct engine *e, const struct event_row *row, struct texts *t);
/* For admins: one Event of org.countersign.Admin, an object. */
void event_row_admin(struct json_writer *w, const struct engine *e, const struct event_row *row);
/* For services: one Event of org.countersign.Events. */
void event_row_service(struct json_writer *w, const struct engine *e, const struct event_row *row);

/* event_fields.c: one field as a member of the object that is open; bytes as hex; and what `id` is the id of. */
void event_put_field(struct json_writer *w, const struct engine *e, const struct event_row *row, const struct event_field *f);
void event_put_hex(struct json_writer *w, const char *name, const uint8_t *bytes, size_t n);
void event_put_id(struct json_writer *w, const char *name, enum id_kind kind, const struct event_row *row, const struct id *id);
/* ID__COUNT: of nothing that is given out. */
enum id_kind event_id_kind(enum event_type type);
extern const char *const event_id_names[ID__COUNT];

#endif
