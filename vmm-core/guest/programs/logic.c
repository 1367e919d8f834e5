/* An event-driven simulator of logic: one of the two long sequential jobs of "engineering" (the Disco
 * paper ran a Verilog simulator).
 *
 * The circuit is an array multiplier of gates with delays. A change of a signal schedules the
 * gates that it enters; they are looked at when their delay is over, and change again what they
 * drive. Signals change many times before a product is there, as they do in such circuits.
 *
 *   gates, fanout   read all over, in the order of events; gates hold their signals: private
 *   wheel, events   lists of gates by time, links in a pool: private, hot
 *
 * Checked: after each pair of numbers, when all is quiet, the outputs are their product.
 */
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT("logic: event-driven simulation of a multiplier's gates: one thread, private memory");

#define BITS_MAX  32
#define DELAYS    7  /* of a gate: 1 to this */
#define SLOTS     8  /* of the wheel: a power of 2 above DELAYS */
#define NO_SIGNAL 0u /* gate 0 is always 0 */

enum operation { INPUT, AND, OR, XOR };

struct gate {
    uint32_t in[2];           /* gates whose outputs enter */
    uint32_t first_out, outs; /* in fanout[] */
    uint8_t operation, delay, value, unused;
};

struct event {
    uint32_t gate, next; /* next: an event, 0 ends */
};

struct circuit {
    int bits;
    uint32_t gates, gates_room;
    struct gate *gate;
    uint32_t *fanout;
    uint32_t a[BITS_MAX], b[BITS_MAX], product[2 * BITS_MAX];
};

struct simulator {
    struct circuit *circuit;
    struct event *events;
    uint32_t free;         /* first of a list */
    uint32_t wheel[SLOTS]; /* lists of events */
    uint32_t time, waiting, seen;
};

/* ---------------------------------------------------------------------------- circuit */

static uint32_t add_gate(struct circuit *c, enum operation operation, uint32_t x, uint32_t y)
{
    uint32_t number = c->gates++;
    c->gate[number] = (struct gate){.in = {x, y},
                                    .operation = (uint8_t)operation,
                                    .delay = (uint8_t)(1 + program_mix(number) % DELAYS)};
    return number;
}

/* The sum of three bits; *carry becomes theirs. */
static uint32_t add_bits(struct circuit *c, uint32_t x, uint32_t y, uint32_t *carry)
{
    uint32_t half = add_gate(c, XOR, x, y), sum = add_gate(c, XOR, half, *carry);
    uint32_t both = add_gate(c, AND, x, y), through = add_gate(c, AND, half, *carry);
    *carry = add_gate(c, OR, both, through);
    return sum;
}

/* Rows of products of single bits, each added to the sum of those above it. */
static void make_multiplier(struct circuit *c)
{
    int n = c->bits;
    uint32_t sum[2 * BITS_MAX] = {NO_SIGNAL};
    add_gate(c, INPUT, NO_SIGNAL, NO_SIGNAL);
    for (int i = 0; i < n; i++)
        c->a[i] = add_gate(c, INPUT, NO_SIGNAL, NO_SIGNAL);
    for (int i = 0; i < n; i++)
        c->b[i] = add_gate(c, INPUT, NO_SIGNAL, NO_SIGNAL);
    for (int row = 0; row < n; row++) {
        uint32_t carry = NO_SIGNAL;
        for (int i = 0; i < n; i++) {
            uint32_t bit = add_gate(c, AND, c->a[i], c->b[row]);
            sum[row + i] = add_bits(c, sum[row + i], bit, &carry);
        }
        sum[row + n] = carry;
    }
    memcpy(c->product, sum, sizeof sum);
}

/* For each gate the gates that its output enters. */
static void make_fanout(struct circuit *c)
{
    uint32_t place = 0;
    for (uint32_t i = 1; i < c->gates; i++)
        for (int k = 0; k < 2; k++)
            c->gate[c->gate[i].in[k]].outs++;
    for (uint32_t i = 0; i < c->gates; i++) {
        c->gate[i].first_out = place;
        place += c->gate[i].outs;
        c->gate[i].outs = 0;
    }
    for (uint32_t i = 1; i < c->gates; i++)
        for (int k = 0; k < 2; k++) {
            struct gate *from = &c->gate[c->gate[i].in[k]];
            c->fanout[from->first_out + from->outs++] = i;
        }
}

/* ---------------------------------------------------------------------------- events */

static void schedule(struct simulator *s, uint32_t gate)
{
    uint32_t slot = (s->time + s->circuit->gate[gate].delay) & (SLOTS - 1), number = s->free;
    if (number == 0) {
        printf("logic: more events wait than there is room for\n");
        exit(1);
    }
    s->free = s->events[number].next;
    s->events[number] = (struct event){gate, s->wheel[slot]};
    s->wheel[slot] = number;
    s->waiting++;
}

static void set_signal(struct simulator *s, uint32_t number, uint8_t value)
{
    struct gate *gate = &s->circuit->gate[number];
    if (gate->value == value)
        return;
    gate->value = value;
    for (uint32_t i = gate->first_out; i < gate->first_out + gate->outs; i++)
        schedule(s, s->circuit->fanout[i]);
}

static uint8_t output(const struct circuit *c, const struct gate *gate)
{
    uint8_t x = c->gate[gate->in[0]].value, y = c->gate[gate->in[1]].value;
    return gate->operation == AND ? x & y : gate->operation == OR ? x | y : x ^ y;
}

/* Until nothing changes any more. */
static void run_events(struct simulator *s)
{
    while (s->waiting > 0) {
        uint32_t *slot = &s->wheel[++s->time & (SLOTS - 1)], number = *slot;
        *slot = 0; /* delays are shorter than the wheel: nothing comes back to this slot */
        while (number != 0) {
            struct event event = s->events[number];
            s->events[number].next = s->free;
            s->free = number;
            s->waiting--;
            s->seen++;
            set_signal(s, event.gate, output(s->circuit, &s->circuit->gate[event.gate]));
            number = event.next;
        }
    }
}

/* A gate is scheduled once for each change of an input within its delay: hardly ever 2 * DELAYS
 * times, and never all at once. */
static void make_events(struct simulator *s)
{
    uint32_t room = 2 * DELAYS * s->circuit->gates + 1;
    s->events = disco_alloc(room * sizeof *s->events, "events");
    for (uint32_t i = 1; i < room - 1; i++)
        s->events[i].next = i + 1;
    s->free = 1;
}

static uint64_t read_product(const struct circuit *c)
{
    uint64_t product = 0;
    for (int i = 2 * c->bits; i-- > 0;)
        product = product << 1 | c->gate[c->product[i]].value;
    return product;
}

int main(int argc, char **argv)
{
    int bits = 16, vectors = 12, seed = 1, job = 0;
    const struct program_option options[] = {
        {"bits", &bits, 1, BITS_MAX, "bits of the numbers that are multiplied"},
        {"vectors", &vectors, 1, 1 << 20, "pairs of numbers"},
        {"seed", &seed, 0, 1 << 30, "which numbers"},
        PROGRAM_JOB(job),
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);

    struct circuit c = {.bits = bits};
    uint32_t room = 1 + 2 * (uint32_t)bits + 6 * (uint32_t)(bits * bits);
    c.gate = disco_alloc(room * sizeof *c.gate, "gates");
    c.fanout = disco_alloc((size_t)room * 2 * sizeof *c.fanout, "fanout");
    make_multiplier(&c);
    make_fanout(&c);
    struct simulator s = {.circuit = &c};
    make_events(&s);

    uint32_t answer = 0, wrong = 0, mask = bits == 32 ? UINT32_MAX : (1u << bits) - 1;
    for (uint32_t v = 0; v < (uint32_t)vectors; v++) {
        uint32_t a = program_random((uint32_t)seed, 2 * v) & mask;
        uint32_t b = program_random((uint32_t)seed, 2 * v + 1) & mask;
        for (int i = 0; i < bits; i++) {
            set_signal(&s, c.a[i], a >> i & 1);
            set_signal(&s, c.b[i], b >> i & 1);
        }
        run_events(&s);
        wrong += read_product(&c) != (uint64_t)a * b;
        answer += program_sum_word(v, s.seen ^ s.time);
    }
    printf("logic: %u gates, %d products of %d bits, %u wrong, %u events", (unsigned)c.gates,
           vectors, bits, (unsigned)wrong, (unsigned)s.seen);
    return program_job_answer(job, answer, wrong == 0);
}
