/* What all actions have in common: who may be acted on, refusals, the log. */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>

bool action_page_exists(const struct memory *memory, uint32_t page)
{
    return pmap_placed(memory, page) && huge_head(memory, page) == page;
}

bool action_failed(struct memory *memory, char *error)
{
    if (error && memory->failure)
        free(error); /* the first is told */
    else if (error)
        memory->failure = error;
    return error != NULL;
}

struct cpu *action_begin(struct memory *memory, struct memory_action *action)
{
    const bool exists = action_page_exists(memory, action->page);
    const bool has_memory = action->to < memory->nodes && memory->node[action->to].frames;
    action->from = exists ? memory->page[action->page].home : MEMORY_NO_NODE;
    action->answer = exists && has_memory ? POLICY_DONE : POLICY_NONSENSE;
    return cpu_for_action(memory, action->from);
}

void action_log(struct memory *memory, const struct cpu *cpu, struct memory_action action)
{
    if (!memory->options.on_action)
        return;
    action.cpu = cpu->index;
    action.reference = memory->now;
    action.time_ns = memory->epoch.start_ns;
    memory->options.on_action(memory->options.context, &action);
}

enum policy_answer action_refuse(struct memory *memory, struct cpu *cpu,
                                 struct memory_action action)
{
    if (cpu) { /* else the policy asks before anything has run */
        cpu->counters.refused++;
        action_log(memory, cpu, action);
    }
    return action.answer;
}
