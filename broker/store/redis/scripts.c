/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the scripts, as the build made them of the files. */
#include "broker/store/redis/scripts.h"

#include "broker/store/redis/scripts_text.h"

const char *const script_texts[SCRIPT__COUNT] = {
    [SCRIPT_COMMIT] = script_text_commit,
    [SCRIPT_IMPORT] = script_text_import,
    [SCRIPT_IMPORT_MARK] = script_text_import_mark,
    [SCRIPT_MEND_CLAIM] = script_text_mend_claim,
    [SCRIPT_CHECK] = script_text_check,
    [SCRIPT_READ] = script_text_read,
    [SCRIPT_CLAIM_CAS] = script_text_claim_cas,
    [SCRIPT_CLAIM_VERIFY] = script_text_claim_verify,
    [SCRIPT_CLAIM_REPAIR] = script_text_claim_repair,
    [SCRIPT_SCAN_PAGE] = script_text_scan_page,
    [SCRIPT_SCAN_WALK] = script_text_scan_walk,
    [SCRIPT_SCAN_ROWS] = script_text_scan_rows,
    [SCRIPT_PROVE] = script_text_prove,
    [SCRIPT_PUTBACK] = script_text_putback,
    [SCRIPT_SETTLE] = script_text_settle,
    [SCRIPT_PUTOUT] = script_text_putout,
    [SCRIPT_RELEASE] = script_text_release,
    [SCRIPT_BEAT] = script_text_beat,
};
