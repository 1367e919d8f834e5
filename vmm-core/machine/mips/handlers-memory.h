/* Part of the run loop: loads and stores. A cached translation answers where its tag is that of the
 * address, low bits that are not aligned included; else address.c does. */

#define TAG(where, bytes)    (((where) & (CACHED_PAGE | ((bytes)-1u))) | cpu->asid_tag)
#define CACHED(table, where) (&cpu->table[(where) / MIPS_PAGE_BYTES % CACHED_PAGES])

/* Loads `type` into `value`; a fault reports `at`. */
#define READ(type, where, at)                                                                      \
    type value;                                                                                    \
    do {                                                                                           \
        const struct mips_cached *const cached = CACHED(load, where);                              \
        if (LIKELY(cached->tag == TAG(where, sizeof value))) {                                     \
            memcpy(&value, (const void *)(cached->addend + (where)), sizeof value);                \
        } else {                                                                                   \
            uint64_t bits;                                                                         \
            if (UNLIKELY(!mips_load(cpu, op, where, sizeof value, &bits))) {                       \
                cpu->fault.address = (at);                                                         \
                goto fault;                                                                        \
            }                                                                                      \
            value = (type)bits;                                                                    \
        }                                                                                          \
    } while (0)

#define WRITE(type, where, source, at)                                                             \
    do {                                                                                           \
        const type stored = (type)(source);                                                        \
        const struct mips_cached *const cached = CACHED(store, where);                             \
        if (LIKELY(cached->tag == TAG(where, sizeof stored))) {                                    \
            memcpy((void *)(cached->addend + (where)), &stored, sizeof stored);                    \
        } else if (UNLIKELY(!mips_store(cpu, op, where, sizeof stored, stored))) {                 \
            cpu->fault.address = (at);                                                             \
            goto fault;                                                                            \
        }                                                                                          \
    } while (0)

/* An instruction that loads `type` from `where` and does `effect` with `value`. */
#define LOAD(NAME, type, where, effect)                                                            \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        const uint32_t address = (where);                                                          \
        READ(type, address, address);                                                              \
        REFERENCE(MIPS_LOAD, address, sizeof value);                                               \
        effect;                                                                                    \
        NEXT;                                                                                      \
    }
#define STORE(NAME, type, where, source)                                                           \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        const uint32_t address = (where);                                                          \
        WRITE(type, address, source, address);                                                     \
        REFERENCE(MIPS_STORE, address, sizeof(type));                                              \
        NEXT;                                                                                      \
    }
#define OFFSET  (r[op->a] + op->imm)
#define INDEXED (r[op->a] + r[op->b])

LOAD(LB, int8_t, OFFSET, r[op->c] = (uint32_t)value)
LOAD(LBU, uint8_t, OFFSET, r[op->c] = value)
LOAD(LH, int16_t, OFFSET, r[op->c] = (uint32_t)value)
LOAD(LHU, uint16_t, OFFSET, r[op->c] = value)
LOAD(LW, uint32_t, OFFSET, r[op->c] = value)
STORE(SB, uint8_t, OFFSET, r[op->b])
STORE(SH, uint16_t, OFFSET, r[op->b])
STORE(SW, uint32_t, OFFSET, r[op->b])

LOAD(LWC1, uint32_t, OFFSET, cpu->s.fpr[op->c] = value)
LOAD(LWXC1, uint32_t, INDEXED, cpu->s.fpr[op->c] = value)
LOAD(LDC1, uint64_t, OFFSET, fpu_put_double(cpu, op->c, value))
LOAD(LDXC1, uint64_t, INDEXED, fpu_put_double(cpu, op->c, value))
LOAD(LUXC1, uint64_t, INDEXED & ~7u, fpu_put_double(cpu, op->c, value))
STORE(SWC1, uint32_t, OFFSET, cpu->s.fpr[op->b])
STORE(SWXC1, uint32_t, INDEXED, cpu->s.fpr[op->c])
STORE(SDC1, uint64_t, OFFSET, fpu_get_double(cpu, op->b))
STORE(SDXC1, uint64_t, INDEXED, fpu_get_double(cpu, op->c))
STORE(SUXC1, uint64_t, INDEXED & ~7u, fpu_get_double(cpu, op->c))

/* Parts of a word, little endian: LWL and SWL are the bytes from the word's start to the address,
 * LWR and SWR those from the address to the word's end. */
HANDLER(LWL)
{
    const uint32_t address = OFFSET, shift = 24 - 8 * (address & 3);
    READ(uint32_t, address & ~3u, address);
    REFERENCE(MIPS_LOAD, address & ~3u, (address & 3) + 1);
    r[op->c] = (r[op->b] & ~(UINT32_MAX << shift)) | value << shift;
    NEXT;
}

HANDLER(LWR)
{
    const uint32_t address = OFFSET, shift = 8 * (address & 3);
    READ(uint32_t, address & ~3u, address);
    REFERENCE(MIPS_LOAD, address, 4 - (address & 3));
    r[op->c] = (r[op->b] & ~(UINT32_MAX >> shift)) | value >> shift;
    NEXT;
}

/* A device sees only the bytes that are stored. */
#define WRITE_BYTES(from, count, bits, at)                                                         \
    for (uint32_t i = 0; i < (count); i++)                                                         \
    WRITE(uint8_t, (from) + i, (bits) >> 8 * i, at)

HANDLER(SWL)
{
    const uint32_t address = OFFSET, count = (address & 3) + 1;
    WRITE_BYTES(address & ~3u, count, r[op->b] >> (32 - 8 * count), address);
    REFERENCE(MIPS_STORE, address & ~3u, count);
    NEXT;
}

HANDLER(SWR)
{
    const uint32_t address = OFFSET, count = 4 - (address & 3);
    WRITE_BYTES(address, count, r[op->b], address);
    REFERENCE(MIPS_STORE, address, count);
    NEXT;
}

HANDLER(LL)
{
    pc = OFFSET; /* rt may be the base */
    if (!mips_do_ll(cpu, op))
        goto fault;
    REFERENCE(MIPS_LOAD, pc, 4);
    NEXT;
}

HANDLER(SC)
{
    pc = OFFSET;
    if (!mips_do_sc(cpu, op))
        goto fault;
    if (r[op->c])
        REFERENCE(MIPS_STORE, pc, 4);
    NEXT;
}

/* ------------------------------------------------------------------------------- pairs */

#define FIRST_OF_PAIR(FIRST)                                                                       \
    const uint32_t first = VALUE_##FIRST(r[op->a], r[op->b], op->imm);                             \
    r[op->c] = first;                                                                              \
    op++;
#define ARITHMETIC_PAIR(FIRST, SECOND)                                                             \
    HANDLER(PAIR_##FIRST##_##SECOND)                                                               \
    {                                                                                              \
        FIRST_OF_PAIR(FIRST)                                                                       \
        r[op->c] = VALUE_##SECOND(first, r[op->b], op->imm);                                       \
        NEXT;                                                                                      \
    }
#define LOAD_PAIR(FIRST, SECOND, type)                                                             \
    HANDLER(PAIR_##FIRST##_##SECOND)                                                               \
    {                                                                                              \
        FIRST_OF_PAIR(FIRST)                                                                       \
        const uint32_t address = first + op->imm;                                                  \
        READ(type, address, address);                                                              \
        REFERENCE(MIPS_LOAD, address, sizeof value);                                               \
        r[op->c] = value;                                                                          \
        NEXT;                                                                                      \
    }
#define PAIR_SLL(FIRST, SECOND)   ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_SRL(FIRST, SECOND)   ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_ADDU(FIRST, SECOND)  ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_ADDIU(FIRST, SECOND) ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_SUBU(FIRST, SECOND)  ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_XOR(FIRST, SECOND)   ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_ANDI(FIRST, SECOND)  ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_OR(FIRST, SECOND)    ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_AND(FIRST, SECOND)   ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_SLTU(FIRST, SECOND)  ARITHMETIC_PAIR(FIRST, SECOND)
#define PAIR_LW(FIRST, SECOND)    LOAD_PAIR(FIRST, SECOND, uint32_t)
#define PAIR_LBU(FIRST, SECOND)   LOAD_PAIR(FIRST, SECOND, uint8_t)
#define PAIR(FIRST, SECOND)       PAIR_##SECOND(FIRST, SECOND)
MIPS_PAIRS(PAIR)

#undef FIRST_OF_PAIR
#undef ARITHMETIC_PAIR
#undef LOAD_PAIR
#undef PAIR
#undef PAIR_SLL
#undef PAIR_SRL
#undef PAIR_ADDU
#undef PAIR_ADDIU
#undef PAIR_SUBU
#undef PAIR_XOR
#undef PAIR_ANDI
#undef PAIR_OR
#undef PAIR_AND
#undef PAIR_SLTU
#undef PAIR_LW
#undef PAIR_LBU
#undef VALUE_ADDU
#undef VALUE_SUBU
#undef VALUE_AND
#undef VALUE_OR
#undef VALUE_XOR
#undef VALUE_SLTU
#undef VALUE_SLL
#undef VALUE_SRL
#undef VALUE_ADDIU
#undef VALUE_ANDI
#undef TAG
#undef CACHED
#undef READ
#undef WRITE
#undef LOAD
#undef STORE
#undef OFFSET
#undef INDEXED
#undef WRITE_BYTES
