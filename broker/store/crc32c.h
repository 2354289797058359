/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), which guards every record that a store writes. It finds damage, not malice.
 */
#ifndef CS_STORE_CRC32C_H
#define CS_STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc is 0, or the result over the bytes before. */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);
/*
 * Without the processor's instruction; for processors that lack it, and for the test that compares
 * both.
 */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif
