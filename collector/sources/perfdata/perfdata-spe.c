#include "collector/sources/perfdata/perfdata-spe.h"

#include <stddef.h>

/* First bytes of packets: what they are under a mask. Bits 4 and 5 hold the logarithm of the
 * payload's bytes. */
#define HEADER_PADDING   0x00u
#define HEADER_END       0x01u
#define HEADER_TIMESTAMP 0x71u
#define MASK_EVENTS      0xcfu
#define HEADER_EVENTS    0x42u
#define MASK_CONTEXT     0xfcu
#define HEADER_CONTEXT   0x64u
#define HEADER_OPERATION 0x48u
#define HEADER_EXTENDED  0x20u
#define MASK_ADDRESS     0xf8u
#define HEADER_ADDRESS   0xb0u
#define HEADER_COUNTER   0x98u

/* Which address, which counter */
#define ADDRESS_IP       0u
#define ADDRESS_VIRTUAL  2u
#define ADDRESS_PHYSICAL 3u
#define COUNTER_TOTAL    0u

#define OPERATION_MEMORY 1u /* a load, a store or an atomic */
#define OPERATION_STORE  1u /* bit of its payload */

#define ADDRESS_BITS    ((UINT64_C(1) << 56) - 1)
#define TOP_BYTE        (UINT64_C(0xff) << 56)
#define NOT_SECURE      (UINT64_C(1) << 63) /* of an instruction's address */
#define LEVEL_OF(value) ((value) >> 61 & 3) /* its exception level: 1 and 2 are kernels */

#define EVENT_L1_ACCESS  (UINT64_C(1) << 2)
#define EVENT_L1_REFILL  (UINT64_C(1) << 3)
#define EVENT_TLB_ACCESS (UINT64_C(1) << 4)
#define EVENT_TLB_WALK   (UINT64_C(1) << 5)
#define EVENT_LLC_ACCESS (UINT64_C(1) << 8)
#define EVENT_LLC_MISS   (UINT64_C(1) << 9)
#define EVENT_REMOTE     (UINT64_C(1) << 10)

/* Fields of perf_mem_data_src */
#define SOURCE_LOAD     UINT64_C(0x02)
#define SOURCE_STORE    UINT64_C(0x04)
#define SOURCE_HIT      (UINT64_C(0x02) << 5)
#define SOURCE_MISS     (UINT64_C(0x04) << 5)
#define SOURCE_L1       (UINT64_C(0x08) << 5)
#define SOURCE_L3       (UINT64_C(0x40) << 5)
#define SOURCE_REMOTE   (UINT64_C(0x400) << 5) /* a cache one hop away */
#define SOURCE_TLB_HIT  (UINT64_C(0x02) << 26)
#define SOURCE_TLB_MISS (UINT64_C(0x04) << 26)
#define SOURCE_TLB_L1   (UINT64_C(0x08) << 26)
#define SOURCE_TLB_WALK (UINT64_C(0x20) << 26)

/* A packet: its header, which of its kind it is, and its payload. */
struct packet {
    unsigned header, index;
    uint64_t payload;
};

/* The bytes of an alignment packet at `from`: up to a multiple of 2^(n + 1) of the buffer. The
 * kernel's buffers are aligned to pages, and so are the areas in a file to their start. */
static size_t alignment(unsigned header, size_t at)
{
    size_t unit = (size_t)2 << (header & 0xf);
    return unit - (at & (unit - 1));
}

/* Takes the packet at *from. False: it is not whole. */
static bool take_packet(const unsigned char *area, const unsigned char *end,
                        const unsigned char **from, struct packet *packet)
{
    size_t left = (size_t)(end - *from);
    if (left == 0) {
        return false;
    }
    unsigned first = (*from)[0];
    size_t header_bytes = 1;
    *packet = (struct packet){.header = first, .index = first & 7};
    if (first == HEADER_PADDING || first == HEADER_END) {
        ++*from;
        return true;
    }
    if ((first & MASK_CONTEXT) == HEADER_EXTENDED) {
        if (left < 2) {
            return false;
        }
        header_bytes = 2;
        packet->header = (*from)[1];
        packet->index = (first & 3) << 3 | (packet->header & 7);
        if (packet->header == HEADER_PADDING) {
            size_t bytes = alignment(first, (size_t)(*from - area));
            *from += bytes < left ? bytes : left;
            return true;
        }
    }
    size_t payload = (size_t)1 << (packet->header >> 4 & 3);
    if (left < header_bytes + payload) {
        return false;
    }
    for (size_t i = payload; i-- > 0;) {
        packet->payload = packet->payload << 8 | (*from)[header_bytes + i];
    }
    *from += header_bytes + payload;
    return true;
}

static void set_address(struct perfdata_spe *record, const struct packet *packet)
{
    uint64_t addr = packet->payload & ADDRESS_BITS;
    switch (packet->index) {
    case ADDRESS_IP: /* the top byte tells the exception level */
        record->kernel = LEVEL_OF(packet->payload) != 0;
        record->ip =
            record->kernel && LEVEL_OF(packet->payload) != 3 && (packet->payload & NOT_SECURE) != 0
                ? addr | TOP_BYTE
                : addr;
        break;
    case ADDRESS_VIRTUAL: /* ... or is a tag; the bits below are as the address's half has them */
        record->addr = (addr >> 52 & 0xf) == 0xf ? addr | TOP_BYTE : addr;
        break;
    case ADDRESS_PHYSICAL:
        record->phys = addr;
        break;
    default:
        break;
    }
}

static void set_field(struct perfdata_spe *record, const struct packet *packet)
{
    unsigned header = packet->header;
    if ((header & MASK_ADDRESS) == HEADER_ADDRESS) {
        set_address(record, packet);
    } else if ((header & MASK_ADDRESS) == HEADER_COUNTER && packet->index == COUNTER_TOTAL) {
        record->latency = packet->payload;
    } else if ((header & MASK_EVENTS) == HEADER_EVENTS) {
        record->events = packet->payload;
    } else if ((header & MASK_CONTEXT) == HEADER_CONTEXT) {
        record->context = (uint32_t)packet->payload;
    } else if ((header & MASK_CONTEXT) == HEADER_OPERATION && (header & 3) == OPERATION_MEMORY) {
        record->store = (packet->payload & OPERATION_STORE) != 0;
        record->load = !record->store;
    }
}

bool perfdata_spe_read(const unsigned char *area, const unsigned char *end,
                       const unsigned char **from, struct perfdata_spe *record)
{
    struct packet packet;
    *record = (struct perfdata_spe){0};
    while (take_packet(area, end, from, &packet)) {
        if (packet.header == HEADER_END) {
            return true;
        }
        if (packet.header == HEADER_TIMESTAMP) {
            record->timestamp = packet.payload;
            return true;
        }
        set_field(record, &packet);
    }
    return false;
}

uint64_t perfdata_spe_source(const struct perfdata_spe *record)
{
    uint64_t events = record->events;
    uint64_t source = record->store ? SOURCE_STORE : SOURCE_LOAD;
    if ((events & (EVENT_LLC_ACCESS | EVENT_LLC_MISS)) != 0) {
        source |= SOURCE_L3 | ((events & EVENT_LLC_MISS) != 0 ? SOURCE_MISS : SOURCE_HIT);
    } else if ((events & (EVENT_L1_ACCESS | EVENT_L1_REFILL)) != 0) {
        source |= SOURCE_L1 | ((events & EVENT_L1_REFILL) != 0 ? SOURCE_MISS : SOURCE_HIT);
    }
    source |= (events & EVENT_REMOTE) != 0 ? SOURCE_REMOTE : 0;
    if ((events & EVENT_TLB_WALK) != 0) {
        source |= SOURCE_TLB_WALK | SOURCE_TLB_MISS;
    } else if ((events & EVENT_TLB_ACCESS) != 0) {
        source |= SOURCE_TLB_L1 | SOURCE_TLB_HIT;
    }
    return source;
}
