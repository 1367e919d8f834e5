/* Policies against a memory subsystem that only writes down what it is asked, and does it to its one
 * page. Four nodes, of which node 2 has no memory. */
#ifndef DISCO_TESTS_POLICIES_FIXTURE_H
#define DISCO_TESTS_POLICIES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/policy.h"

extern const struct policy *const __start_disco_policies[];
extern const struct policy *const __stop_disco_policies[];

#define NODES       4
#define PARAMS_MOST 20
#define NOTE_MOST   64 /* bytes */

enum asked { ASKED_NOTHING, ASKED_MIGRATE, ASKED_REPLICATE, ASKED_COLLAPSE };

/* The fake: one page, its counters and its note, and the last thing that was asked. */
struct fake {
    struct policy_host host; /* first, so that a host is a fake */
    struct policy_setup setup;
    uint64_t frames[NODES], free_frames[NODES];
    uint32_t latency_ns[NODES * NODES], mb_per_s[NODES];
    uint64_t note[NOTE_MOST / 8];
    unsigned interrupts;
    uint16_t counts[NODES];
    struct policy_page page;
    bool no_page;
    uint32_t pages;
    uint64_t random;
    enum asked asked;
    unsigned times; /* actions asked for in all */
    unsigned kinds[4];
    uint32_t asked_page, asked_node;
    const char *reason;
    enum policy_answer answer; /* to any action */
};

static inline struct fake *fake_of(struct policy_host *host)
{
    return (struct fake *)(void *)host;
}

static inline enum policy_answer note(struct policy_host *host, enum asked asked, uint32_t page,
                                      uint32_t node, const char *reason)
{
    struct fake *fake = fake_of(host);
    fake->asked = asked;
    fake->times++;
    fake->kinds[asked]++;
    fake->asked_page = page;
    fake->asked_node = node;
    fake->reason = reason;
    return fake->answer;
}

static inline enum policy_answer fake_migrate(struct policy_host *host, uint32_t page,
                                              uint32_t node, const char *reason)
{
    const enum policy_answer answer = note(host, ASKED_MIGRATE, page, node, reason);
    if (answer == POLICY_DONE) {
        fake_of(host)->page.home = node;
        fake_of(host)->page.replicas = 0;
    }
    return answer;
}

static inline enum policy_answer fake_replicate(struct policy_host *host, uint32_t page,
                                                uint32_t node, const char *reason)
{
    const enum policy_answer answer = note(host, ASKED_REPLICATE, page, node, reason);
    if (answer == POLICY_DONE)
        fake_of(host)->page.replicas |= UINT64_C(1) << node;
    return answer;
}

static inline enum policy_answer fake_collapse(struct policy_host *host, uint32_t page,
                                               const char *reason)
{
    return note(host, ASKED_COLLAPSE, page, UINT32_MAX, reason);
}

static inline bool fake_page(struct policy_host *host, uint32_t page, struct policy_page *out)
{
    struct fake *fake = fake_of(host);
    *out = fake->page;
    out->page = page;
    out->counts = fake->counts;
    return !fake->no_page;
}

static inline uint32_t fake_pages(struct policy_host *host)
{
    return fake_of(host)->pages;
}

static inline uint64_t fake_free_frames(struct policy_host *host, uint32_t node)
{
    return fake_of(host)->free_frames[node];
}

static inline uint64_t fake_random(struct policy_host *host) /* splitmix64 */
{
    uint64_t z = fake_of(host)->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void *fake_note(struct policy_host *host, uint32_t page)
{
    (void)page;
    return fake_of(host)->no_page ? NULL : fake_of(host)->note;
}

static inline void fake_interrupt(struct policy_host *host, uint32_t cpu)
{
    (void)cpu;
    fake_of(host)->interrupts++;
}

static const struct policy_services services = {
    .migrate = fake_migrate,
    .replicate = fake_replicate,
    .collapse = fake_collapse,
    .page = fake_page,
    .pages = fake_pages,
    .free_frames = fake_free_frames,
    .random = fake_random,
    .note = fake_note,
    .interrupt = fake_interrupt,
};

/* Latencies grow by 100 ns with each step between numbers. */
static inline struct fake new_fake(void)
{
    struct fake fake = {
        .host = {.services = &services, .nodes = NODES, .with_memory = 0xb, .with_cpus = 0xf},
        .frames = {1000, 1000, 0, 1000},
        .free_frames = {500, 500, 0, 500},
        .pages = 10,
    };
    for (uint32_t from = 0; from < NODES; from++)
        for (uint32_t to = 0; to < NODES; to++)
            fake.latency_ns[from * NODES + to] = 100 + 100 * (from > to ? from - to : to - from);
    return fake;
}

static inline size_t policies(void)
{
    return ((uintptr_t)__stop_disco_policies - (uintptr_t)__start_disco_policies) /
           sizeof(const struct policy *);
}

static inline const struct policy *find(const char *name)
{
    for (size_t at = 0; at < policies(); at++)
        if (strcmp(__start_disco_policies[at]->name, name) == 0)
            return __start_disco_policies[at];
    fprintf(stderr, "no policy %s\n", name);
    abort();
}

/* A policy, started with its defaults but for one parameter (NULL: none). */
struct started {
    const struct policy *policy;
    void *state;
    int64_t param[PARAMS_MOST];
    struct policy_wants wants;
    const char *error;
};

static inline const char *init(struct started *self, struct fake *fake, uint64_t refs_per_sample)
{
    fake->setup = (struct policy_setup){.host = &fake->host,
                                        .param = self->param,
                                        .refs_per_sample = refs_per_sample};
    return self->policy->init(self->state, &fake->setup, &self->wants);
}

static inline struct started start(struct fake *fake, const char *name, uint64_t refs_per_sample,
                                   const char *param, int64_t value)
{
    struct started self = {.policy = find(name)};
    fake->host.frames = fake->frames;
    fake->host.latency_ns = fake->latency_ns;
    fake->host.mb_per_s = fake->mb_per_s;
    self.state = calloc(1, self.policy->state_bytes + 1);
    assert_non_null(self.state);
    assert_true(self.policy->param_count <= PARAMS_MOST);
    bool found = param == NULL;
    for (size_t i = 0; i < self.policy->param_count; i++) {
        bool this_one = param != NULL && strcmp(self.policy->params[i].name, param) == 0;
        self.param[i] = this_one ? value : self.policy->params[i].standard;
        found = found || this_one;
    }
    assert_true(found);
    if (self.policy->init != NULL)
        self.error = init(&self, fake, refs_per_sample);
    assert_true(self.wants.note_bytes <= NOTE_MOST);
    return self;
}

/* Started again with one more parameter that is not the default; what init says of it. */
static inline const char *set(struct started *self, struct fake *fake, const char *param,
                              int64_t value)
{
    bool found = false;
    for (size_t i = 0; i < self->policy->param_count; i++)
        if (strcmp(self->policy->params[i].name, param) == 0) {
            self->param[i] = value;
            found = true;
        }
    assert_true(found);
    memset(self->state, 0, self->policy->state_bytes);
    self->wants = (struct policy_wants){0};
    return self->error = init(self, fake, fake->setup.refs_per_sample);
}

static inline uint32_t place(struct started *self, struct fake *fake, uint32_t page, uint32_t node)
{
    struct policy_event event = {.page = page, .node = node, .cpu = node};
    return self->policy->place(self->state, &fake->host, &event);
}

#endif
