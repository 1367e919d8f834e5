/* The decoder and the disassembler against capstone, over words that cover every opcode and
 * function with random other fields.
 *
 * Capstone shows aliases, which are told apart here; it refuses words with fields that should be
 * zero, which hardware does not look at; and it knows what a 24Kf has not. */
#include "tests/property/mips_words.h"
#include "vmm-core/machine/mips/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <capstone/capstone.h>

#define ADDRESS 0x80101000u

/* Other names of what the word is. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    {"move", "or"},    {"move", "addu"},    {"nop", "sll"},   {"ssnop", "sll"},  {"ehb", "sll"},
    {"b", "beq"},      {"b", "bgez"},       {"beqz", "beq"},  {"beqzl", "beql"}, {"bnez", "bne"},
    {"bnezl", "bnel"}, {"bal", "bgezal"},   {"negu", "subu"}, {"neg", "sub"},    {"not", "nor"},
    {"jr.hb", "jr"},   {"jalr.hb", "jalr"}, {"pause", "sll"},
};

/* Words that capstone names and a 24Kf, as modelled, has not. */
static const char *const absent[] = {
    "jalx", "bc2fl", "bc2tl", "dmfc1", "dmtc1",    "deret", "sdbbp", "mfc2",
    "mtc2", "mfhc2", "mthc2", "cop2",  "bposge32", "ssnop", "bc2f",  "bc2t",
    "lwc2", "ldc2",  "swc2",  "sdc2",  "mfhc0",    "mthc0",
};

/* Words that belong to what capstone always knows as well: MSA, DSP, coprocessor 3 and branches on
 * coprocessor 0; and words without meaning, which it shows (fields that are no field, CLZ with two
 * destinations). */
static bool is_foreign(uint32_t word)
{
    const unsigned major = word >> 26, function = word & 63, rs = word >> 21 & 31,
                   low = word >> 6 & 31, high = word >> 11 & 31;
    switch (major) {
    case 0x00:
        return function == 0x05 || function == 0x15 ||                        /* LSA, DLSA */
               ((function >= 0x10 && function <= 0x19) && word & 0x00601840); /* accumulators */
    case 0x10:
        return rs == 0x08;
    case 0x11:
        return rs >= 0x16 || rs == 0x0b || rs == 0x0f;
    case 0x13:
        return rs == 0x08;
    case 0x1c:
        return ((function == 0x20 || function == 0x21) && (word >> 16 & 31) != high) ||
               (function < 6 && function != 2 && high);
    case 0x1e:
        return true;
    case 0x1f:
        return (function != 0x00 && function != 0x04 && function != 0x20 && function != 0x3b) ||
               (function == 0x00 && low + high > 31) || (function == 0x04 && low > high);
    default:
        return false;
    }
}

/* Numbers by value, blanks and letter case away; "$zero" as capstone has it. */
static void normal(const char *from, char to[static 160])
{
    size_t used = 0;
    while (*from && used < 140) {
        if (*from == ' ' || *from == '\t') {
            from++;
        } else if (strchr("0123456789-", *from) && (used == 0 || strchr(",(", to[used - 1]))) {
            char *end;
            const long long value = strtoll(from, &end, 0);
            if (end == from)
                break;
            if (value || *end != '(') /* capstone shows no offset of 0 */
                used += (size_t)snprintf(to + used, 20, "%x",
                                         (unsigned)(value < 0 ? value & 0xffff : value));
            from = end;
        } else {
            to[used++] = *from++;
        }
    }
    to[used] = 0;
}

static bool same_name(const char *theirs, const char *ours)
{
    if (!strcmp(theirs, ours))
        return true;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (!strcmp(aliases[i].alias, theirs) && !strcmp(aliases[i].name, ours))
            return true;
    return false;
}

static bool is_absent(const char *name)
{
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (!strcmp(absent[i], name))
            return true;
    return false;
}

/* Operands that capstone leaves out or writes its own way are not compared. */
static bool comparable(const char *name)
{
    static const char *const own[] = {"break", "syscall", "wait", "jalr", "sync", "cache", "pref",
                                      "mfc0",  "mtc0",    "lui",  "di",   "ei",   "prefx", "teq",
                                      "tne",   "tge",     "tgeu", "tlt",  "tltu", "rdhwr", "cfc1",
                                      "ctc1",  "synci",   "div",  "divu"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(own[i], name))
            return false;
    return !strchr(name, '.') || strncmp(name, "c.", 2) != 0;
}

static char complaint[300];

/* True, or a complaint. */
static bool agree(csh capstone, uint32_t word, unsigned *compared)
{
    if (is_foreign(word))
        return true;
    char text[MIPS_TEXT_BYTES], ours[160], theirs[160], whole[200];
    cs_insn *insn;
    if (cs_disasm(capstone, (const uint8_t *)&word, 4, ADDRESS, 1, &insn) != 1)
        return true;
    mips_disassemble(word, ADDRESS, text);
    snprintf(whole, sizeof whole, "%s %s", insn->mnemonic, insn->op_str);
    char *const operands = strchr(text, ' ');
    if (operands)
        *operands = 0;
    bool well;
    if (!strcmp(text, ".word") || !strcmp(text, "cop2")) {
        well = is_absent(insn->mnemonic);
    } else {
        well = same_name(insn->mnemonic, text);
        if (well && !strcmp(insn->mnemonic, text) && comparable(text)) {
            char *shown = operands ? operands + 1 : text + strlen(text);
            if (!strncmp(shown, "$fcc0,", 6)) /* which capstone leaves out of branches */
                shown += 6;
            normal(shown, ours);
            normal(insn->op_str, theirs);
            (*compared)++;
            well = !strcmp(ours, theirs);
        }
    }
    if (!well) {
        if (operands)
            *operands = ' ';
        snprintf(complaint, sizeof complaint, "%08x: ours \"%s\", capstone's \"%s\"", word, text,
                 whole);
    }
    cs_free(insn, 1);
    return well;
}

static void decodes_what_capstone_decodes(void **state)
{
    (void)state;
    const uint64_t seed = from_environment("DISCO_SEED", 1);
    const unsigned words = (unsigned)RUNS * 50;
    struct random random = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    csh capstone;
    assert_int_equal(cs_open(CS_ARCH_MIPS, CS_MODE_MIPS32 | CS_MODE_LITTLE_ENDIAN, &capstone),
                     CS_ERR_OK);
    unsigned failures = 0, compared = 0;
    for (uint32_t major = 0; major < 64; major++)
        for (uint32_t function = 0; function < 64; function++)
            for (unsigned i = 0; i < 64; i++) {
                uint32_t word =
                    major << 26 | ((uint32_t)random_next(&random) & 0x03ffffc0) | function;
                if (i % 2) /* what is zero in most instructions */
                    word &= ~(31u << 6);
                if (i % 4 == 3)
                    word &= ~(31u << 21);
                if (!agree(capstone, word, &compared) && failures++ < 40)
                    printf("# DISCO_SEED=%llu: %s\n", (unsigned long long)seed, complaint);
            }
    for (unsigned i = 0; i < words; i++)
        if (!agree(capstone, random_word(&random, i & 1), &compared) && failures++ < 40)
            printf("# DISCO_SEED=%llu: %s\n", (unsigned long long)seed, complaint);
    cs_close(&capstone);
    assert_int_equal(failures, 0);
    assert_true(compared > words / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decodes_what_capstone_decodes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
