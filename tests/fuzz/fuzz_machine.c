/* Any bytes as a machine file: JSON, hwloc XML or numactl text, told by their first character. What
 * is read must be printed and read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine *machine = NULL, *again = NULL;
    char *error = machine_parse("fuzz", (const char *)data, size, &machine);
    if ((error == NULL) == (machine == NULL) || (error != NULL && strchr(error, '\n') != NULL))
        abort();
    if (error == NULL) {
        char *text = machine_to_json(machine);
        if (text == NULL)
            abort();
        error = machine_parse("printed", text, strlen(text), &again);
        if (error != NULL || again->cpus != machine->cpus || again->nodes != machine->nodes)
            abort();
        free(text);
    }
    free(error);
    machine_free(machine);
    machine_free(again);
    return 0;
}
