/* The model of what a monitor does with pages (memory_model.h): zero, DMA, free, services. */
#ifndef DISCO_TESTS_MEMORY_MODEL_PHYSICAL_H
#define DISCO_TESTS_MEMORY_MODEL_PHYSICAL_H

#include "tests/property/memory_model_run.h"

/* The page, written or read from elsewhere than a CPU. true: it was placed just now. */
static inline bool model_hold(struct model *model, uint32_t cpu, uint32_t space, uint32_t index,
                              bool written)
{
    const struct machine *const machine = model->machine;
    struct memory_cpu_counters *const count = &model->cpu[cpu].count;
    const uint64_t faults = count->page_faults;
    model->cpu[cpu].used = true;
    model->acting = (int)cpu;
    const int64_t page = model_page_for(model, cpu, space, model_vpn(index));
    const bool placed = count->page_faults != faults;
    if (page >= 0 && !placed && written && model_replicas(model, (uint32_t)page)) {
        const uint64_t fault = machine->costs.replica_fault_ns;
        const struct policy_event event = {.page = (uint32_t)page,
                                           .node = machine->cpu_node[cpu],
                                           .cpu = cpu,
                                           .store = true,
                                           .time_ns = model->epoch_start};
        count->account_ps[ACCOUNT_move] += fault;
        model_collapse(model, (int)cpu, (uint32_t)page, model->page[page].home, fault,
                       "written by the monitor");
        model->options->policy->collapsed(model->state, &model->host, &event);
    }
    model->acting = -1;
    return placed;
}

static inline void model_zero(struct model *model, uint32_t cpu, uint32_t space, uint32_t index)
{
    struct memory_cpu_counters *const count = &model->cpu[cpu].count;
    const bool placed = model_hold(model, cpu, space, index, true);
    count->zeroed_pages++;
    count->account_ps[ACCOUNT_monitor] += placed ? 0 : model->machine->costs.page_fault_ns;
}

static inline void model_dma(struct model *model, uint32_t cpu, uint32_t space, uint32_t index,
                             uint32_t pages, bool out)
{
    for (uint32_t at = 0; at < pages && !model->full; at++) {
        model_hold(model, cpu, space, index + at, !out);
        model->cpu[cpu].count.dma_pages++;
    }
}

static inline void model_free_page(struct model *model, uint32_t cpu, uint32_t space,
                                   uint32_t index)
{
    const int64_t page = model->page_of[space][index];
    model->cpu[cpu].used = true;
    if (page < 0 || !model->page[page].live || model->shows[space][index] >= 0)
        return;
    model->cpu[cpu].count.freed_pages++;
    for (uint32_t at = 0; at < MODEL_SPACES * MODEL_VPNS; at++)
        if ((&model->page_of[0][0])[at] == page)
            model_forget(model, at / MODEL_VPNS, at % MODEL_VPNS);
    struct model_page *const it = &model->page[page];
    it->live = false;
    it->writes = 0;
    memset(it->made, 0, sizeof it->made);
    memset(it->count, 0, sizeof it->count);
}

static inline void model_service(struct model *model, uint32_t cpu, enum memory_service kind,
                                 uint64_t times)
{
    const struct machine_costs *const costs = &model->machine->costs;
    struct memory_cpu_counters *const count = &model->cpu[cpu].count;
    uint64_t *const monitor_ns = &count->account_ps[ACCOUNT_monitor];
    model->cpu[cpu].used = true;
    if (kind == MEMORY_SERVICE_PRIVILEGED) {
        count->privileged += times;
        *monitor_ns += times * costs->privileged_ns;
    } else if (kind == MEMORY_SERVICE_TLB_WRITE) {
        count->tlb_writes += times;
        count->account_ps[ACCOUNT_tlb] += times * costs->tlb_write_ns;
    } else if (kind == MEMORY_SERVICE_REFLECT) {
        count->reflections += times;
        *monitor_ns += times * costs->reflect_ns;
    } else if (kind == MEMORY_SERVICE_REFILL) {
        count->monitor_refills += times;
    } else if (kind == MEMORY_SERVICE_CALL) {
        count->monitor_calls += times;
        *monitor_ns += times * costs->monitor_call_ns;
    } else {
        count->interrupts += times;
        *monitor_ns += times * costs->interrupt_ns;
    }
}

#endif
