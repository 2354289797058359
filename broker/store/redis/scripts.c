/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the scripts, as the build made them of the files. */
#include "broker/store/redis/scripts.h"

#include "broker/store/redis/scripts_text.h"

const char *const script_texts[SCRIPT__COUNT] = {
    [SCRIPT_COMMIT] = script_text_commit,
    [SCRIPT_CHECK] = script_text_check,
    [SCRIPT_READ] = script_text_read,
};
