/* A plugin of QEMU's that writes every instruction and every load and store into a file, in order:
 * two 32-bit words each, the address and bytes * 4 + kind (0 instruction, 1 load, 2 store). Loaded by
 * `-plugin plugin.so,out=FILE[,fetches=off]`; with fetches=off instructions are not asked for. The few functions of version 1 of QEMU's plugin interface that it
 * needs are declared here: Debian packs no header. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*call)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*call)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*call)(unsigned, uint32_t, uint64_t, void *), int flags,
                                      int what, void *data);
unsigned qemu_plugin_mem_size_shift(uint32_t info);
bool qemu_plugin_mem_is_store(uint32_t info);

#define EXPORT           __attribute__((visibility("default")))
#define LOADS_AND_STORES 3

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

#define BUFFER 65536u

static FILE *out;
static bool fetches = true;
static uint32_t buffer[BUFFER][2];
static size_t filled;

static void flush(void)
{
    (void)fwrite(buffer, sizeof *buffer, filled, out);
    filled = 0;
}

static void put(uint32_t address, uint32_t what)
{
    buffer[filled][0] = address;
    buffer[filled++][1] = what;
    if (filled == BUFFER)
        flush();
}

static void executes(unsigned cpu, void *address)
{
    (void)cpu;
    put((uint32_t)(uintptr_t)address, 4 * 4);
}

static void refers(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
    (void)cpu, (void)data;
    put((uint32_t)address,
        4u << qemu_plugin_mem_size_shift(info) | (qemu_plugin_mem_is_store(info) ? 2 : 1));
}

static void translates(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *const insn = qemu_plugin_tb_get_insn(tb, i);
        const uintptr_t address = (uint32_t)qemu_plugin_insn_vaddr(insn);
        if (fetches)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, executes, 0, (void *)address);
        qemu_plugin_register_vcpu_mem_cb(insn, refers, 0, LOADS_AND_STORES, NULL);
    }
}

static void ends(uint64_t id, void *data)
{
    (void)id, (void)data;
    flush();
    (void)fclose(out);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc < 1 || strncmp(argv[0], "out=", 4) != 0)
        return 1;
    fetches = argc < 2 || strcmp(argv[1], "fetches=off") != 0;
    out = fopen(argv[0] + 4, "wb");
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translates);
    qemu_plugin_register_atexit_cb(id, ends, NULL);
    return 0;
}
