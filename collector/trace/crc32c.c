/* CRC-32C: polynomial 0x1EDC6F41, reflected 0x82F63B78 (RFC 3720, section 12.1).
 *
 * By the processor's own instruction where it has one (SSE4.2 crc32), eight bytes a step, else by
 * a table of sixteen remainders, four bits a step: blocks are small, and a bigger table would push
 * them out of the first cache.
 */
#include "collector/trace/codec.h"

#include <string.h>

#define POLYNOMIAL 0x82F63B78u

/* Four steps of the division, one a bit. */
#define STEP(crc)      (((crc) >> 1) ^ (((crc)&1u) ? POLYNOMIAL : 0u))
#define REMAINDER(crc) STEP(STEP(STEP(STEP(crc))))

static const uint32_t nibble_remainder[16] = {
    REMAINDER(0u),  REMAINDER(1u),  REMAINDER(2u),  REMAINDER(3u),  REMAINDER(4u),  REMAINDER(5u),
    REMAINDER(6u),  REMAINDER(7u),  REMAINDER(8u),  REMAINDER(9u),  REMAINDER(10u), REMAINDER(11u),
    REMAINDER(12u), REMAINDER(13u), REMAINDER(14u), REMAINDER(15u),
};

static uint32_t crc_portable(uint32_t crc, const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ nibble_remainder[crc & 15u];
        crc = (crc >> 4) ^ nibble_remainder[crc & 15u];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *bytes,
                                                            size_t size_bytes)
{
    uint64_t wide = crc;
    for (; size_bytes >= sizeof wide; bytes += sizeof wide, size_bytes -= sizeof wide) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; size_bytes > 0; bytes++, size_bytes--)
        crc = __builtin_ia32_crc32qi(crc, *bytes);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_sse42(~crc, bytes, size_bytes);
#endif
    return ~crc_portable(~crc, bytes, size_bytes);
}
