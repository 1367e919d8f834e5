/* Any bytes as a guest kernel: its vectors, its code and its data from guest-physical 0 on, on
 * two vCPUs of two VMs over three CPUs. Whatever it does is its own error: the host must not
 * crash, a guest that has to be stopped is stopped with words, and what is heard must be the same
 * whether the chaos policy moves its pages or nobody does. */
#include "policies/policy.h"
#include "vmm-core/monitor/monitor.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define PAGES        12u
#define DIRECT       0xc0000000u
#define ENTRY        0x400u /* behind the vectors */
#define CODE_MOST    (8u * 4096u)
#define INSTRUCTIONS 20000u
#define VMS          2u

static const char machine_text[] =
    "{\"name\": \"fuzz\", \"page_size\": 4096,"
    " \"nodes\": [{\"cpus\": [0, 1], \"memory\": \"160K\"}, {\"cpus\": [2], \"memory\": \"160K\"}],"
    " \"latency_ns\": [[100, 300], [300, 100]],"
    " \"tlb\": {\"entries\": 8, \"pages_per_entry\": 2}, \"l2tlb\": {\"entries\": 16, \"ways\": "
    "2}}";

extern const struct policy *const __start_disco_policies[];
extern const struct policy *const __stop_disco_policies[];

static const struct policy *chaos(void)
{
    for (const struct policy *const *at = __start_disco_policies; at < __stop_disco_policies; at++)
        if (strcmp((*at)->name, "chaos") == 0)
            return *at;
    abort();
}

static void hear(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * UINT64_C(0x100000001b3) + 1;
}

static char *hear_references(void *context, uint32_t stream, const uint64_t *addr,
                             const uint8_t *what, size_t references)
{
    hear(context, stream);
    for (size_t i = 0; i < references; i++)
        hear(context, addr[i] << 3 | what[i]);
    return NULL;
}

static char *hear_event(void *context, const struct monitor_event *event)
{
    hear(context, (uint64_t)event->kind << 32 | event->stream);
    for (unsigned i = 0; i < MONITOR_EVENT_ARGS; i++)
        hear(context, event->args[i]);
    return NULL;
}

struct image {
    Elf32_Ehdr header;
    Elf32_Phdr part;
    uint8_t bytes[CODE_MOST];
};

static void make_image(struct image *image, const uint8_t *data, size_t bytes)
{
    *image = (struct image){
        .header = {.e_type = ET_EXEC,
                   .e_machine = EM_MIPS,
                   .e_version = EV_CURRENT,
                   .e_entry = DIRECT + ENTRY,
                   .e_phoff = sizeof image->header,
                   .e_ehsize = sizeof image->header,
                   .e_phentsize = sizeof image->part,
                   .e_phnum = 1},
        .part = {.p_type = PT_LOAD,
                 .p_offset = offsetof(struct image, bytes),
                 .p_vaddr = DIRECT,
                 .p_filesz = CODE_MOST,
                 .p_memsz = CODE_MOST,
                 .p_flags = PF_R | PF_W | PF_X,
                 .p_align = 4096},
    };
    memcpy(image->header.e_ident, ELFMAG, SELFMAG);
    image->header.e_ident[EI_CLASS] = ELFCLASS32;
    image->header.e_ident[EI_DATA] = ELFDATA2LSB;
    image->header.e_ident[EI_VERSION] = EV_CURRENT;
    memcpy(image->bytes, data, bytes < CODE_MOST ? bytes : CODE_MOST);
}

/* What was heard, what guests wrote and how it ended, as one number. */
static uint64_t run(const struct machine *machine, const struct image *image, bool moved, bool hal)
{
    static const char *const words[] = {"guest"};
    struct monitor_vm vm[VMS];
    for (unsigned v = 0; v < VMS; v++)
        vm[v] = (struct monitor_vm){.path = "guest",
                                    .elf = image,
                                    .elf_bytes = sizeof *image,
                                    .argv = words,
                                    .argc = 1,
                                    .pages = PAGES,
                                    .vcpus = 2};
    uint64_t hash = 0;
    const int64_t period = 20;
    const struct memory_options memory = {.policy = chaos(), .param = &period, .seed = 1};
    const struct monitor_listener listener = {.context = &hash,
                                              .references = hear_references,
                                              .event = hear_event};
    const struct monitor_options options = {
        .machine = machine,
        .vm = vm,
        .vms = VMS,
        .quantum = 700,
        .slice_ns = 10000,
        .instructions = INSTRUCTIONS,
        .hal = hal,
        .patch = hal,
        .memory = moved ? &memory : NULL,
        .listener = &listener,
        .check_every = moved ? 4 : 0,
    };
    struct monitor *monitor = NULL;
    char *error = monitor_new(&options, &monitor);
    if (error) {
        (void)fprintf(stderr, "%s\n", error);
        abort(); /* there is nothing to refuse */
    }
    error = monitor_run(monitor);
    for (const char *at = error ? error : ""; *at; at++)
        hear(&hash, (uint8_t)*at);
    if (error && (!monitor_registers(monitor) || strchr(error, '\n'))) {
        (void)fprintf(stderr, "%s\n", error);
        abort(); /* not the guest's error */
    }
    for (unsigned v = 0; v < VMS; v++) {
        const struct monitor_vm_state state = monitor_vm_state(monitor, v);
        hear(&hash, state.instructions << 1 | state.exited);
        for (size_t i = 0; i < state.console_bytes; i++)
            hear(&hash, (uint8_t)state.console[i]);
    }
    if (moved) {
        char *const wrong = memory_check(monitor_memory(monitor));
        if (wrong) {
            (void)fprintf(stderr, "%s\n", wrong);
            abort();
        }
    }
    free(error);
    monitor_free(monitor);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct machine *machine; /* read once */
    static struct image image;
    if (!machine && machine_parse("fuzz", machine_text, sizeof machine_text - 1, &machine))
        abort();
    make_image(&image, data, bytes);
    const bool hal = bytes % 2;
    if (run(machine, &image, false, hal) != run(machine, &image, true, hal))
        abort();
    return 0;
}
