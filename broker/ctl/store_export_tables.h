/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a SQLite store out of Redis. */
#ifndef CS_CTL_STORE_EXPORT_TABLES_H
#define CS_CTL_STORE_EXPORT_TABLES_H

#include "broker/ctl/store_import.h"

/* Link keys and old payments into the file, which nobody has open; m counts them. On failure m->why says what is wrong. */
enum cs_err store_export_tables(struct moving *m, const char *file);

#endif
