/* Runs a program that ld linked: run PROGRAM RESULT. Ends with 0 when its main returns RESULT.
 *
 * The last of the processes of pmake's tree; an interpreter, which reads the program it was given all
 * the time.
 */
#include "vmm-core/guest/programs/program.h"
#include "vmm-core/guest/programs/toy.h"

PROGRAM_ABOUT("run: runs a program that ld linked: PROGRAM RESULT (run by pmake)");

#define STACK_WORDS 65536
#define STACK_SPARE 4 /* words that an operation may reach past the stack's ends */

struct machine {
    const struct toy_file *program;
    const char *name;
    int32_t *stack;
};

_Noreturn static void stop(const struct machine *m, const char *why)
{
    toy_stop("run", m->name, why);
}

static int32_t *slot(const struct machine *m, uint32_t base, uint32_t number, uint32_t top)
{
    if (number >= top - base)
        stop(m, "has no such variable");
    return &m->stack[base + number];
}

/* Runs a function whose parameters lie at stack[base]; leaves its result there. */
static void run_function(const struct machine *m, uint32_t number, uint32_t base)
{
    const struct toy_file *program = m->program;
    if (number >= program->header.functions)
        stop(m, "calls a function that is not there");
    const struct toy_function *function = &program->functions[number];
    uint32_t at = function->start, bottom = base + function->slots, top = bottom;
    if (function->parameters > function->slots || function->slots > STACK_WORDS - base)
        stop(m, "has filled the stack");
    for (uint32_t i = base + function->parameters; i < top; i++)
        m->stack[i] = 0;
    while (at < program->header.words && top >= bottom && top < STACK_WORDS) {
        uint32_t word = program->code[at], operand = (uint32_t)toy_operand_of(word), next = at + 1;
        int32_t *end = m->stack + top; /* the first free word */
        switch (toy_operation_of(word)) {
        case TOY_PUSH:
            *end = (int32_t)operand;
            top++;
            break;
        case TOY_LOAD:
            *end = *slot(m, base, operand, bottom);
            top++;
            break;
        case TOY_STORE:
            *slot(m, base, operand, bottom) = end[-1];
            top--;
            break;
        case TOY_JUMP:
            next = at + operand;
            break;
        case TOY_JUMP_ZERO:
            next = end[-1] == 0 ? at + operand : next;
            top--;
            break;
        case TOY_CALL:
            if (operand >= program->header.functions ||
                program->functions[operand].parameters > top - bottom)
                stop(m, "calls a function that is not there");
            top -= program->functions[operand].parameters;
            run_function(m, operand, top++);
            break;
        case TOY_RETURN:
            m->stack[base] = end[-1];
            return;
        default:
            end[-2] = toy_compute(toy_operation_of(word), end[-2], end[-1]);
            top--;
        }
        at = next;
    }
    stop(m, "runs out of its code or its stack");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        printf("%s\n", program_about);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    struct toy_file program = toy_read("run", argv[1]);
    struct machine machine = {.program = &program, .name = argv[1]};
    uint32_t number = 0;
    while (number < program.header.functions && strcmp(program.functions[number].name, "main") != 0)
        number++;
    machine.stack = disco_alloc((STACK_WORDS + 2 * STACK_SPARE) * sizeof *machine.stack, "stack");
    machine.stack += STACK_SPARE;
    run_function(&machine, number, 0);
    if (machine.stack[0] != atoi(argv[2])) {
        printf("run: %s: main returned %d, not %s\n", argv[1], (int)machine.stack[0], argv[2]);
        return 1;
    }
    return 0;
}
