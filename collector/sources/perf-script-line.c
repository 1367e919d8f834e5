#include "collector/sources/perf-script-line.h"

/* What a line reads like from some place on. */
struct reading {
    struct perf_sample *sample;
    unsigned fields; /* known ones, or 0 */
    struct span *found;
    const char **expected;
};

static bool wants(const struct reading *reading, enum perf_field field)
{
    return (reading->fields & PERF_BIT(field)) != 0;
}

static bool may_have(const struct reading *reading, enum perf_field field)
{
    return reading->fields == 0 || wants(reading, field);
}

static bool got(const struct reading *reading, enum perf_field field)
{
    return (reading->sample->has & PERF_BIT(field)) != 0;
}

static bool starts(struct span text, char c)
{
    return text.at < text.end && *text.at == c;
}

static struct span peek(struct span rest)
{
    return next_word(&rest);
}

static enum perf_line stop(const struct reading *reading, enum perf_line answer, struct span found,
                           const char *expected)
{
    *reading->found = found;
    *reading->expected = expected;
    return answer;
}

/* fields that perf prints behind those that are read, or inside the symbol: nothing to do for them
 */
bool perf_fields_of(const char *list, unsigned *fields, struct span *unknown)
{
    static const struct {
        const char *name;
        unsigned fields;
    } names[] = {
        {"comm", PERF_BIT(PERF_COMM)},
        {"pid", PERF_BIT(PERF_PID)},
        {"tid", PERF_BIT(PERF_TID)},
        {"cpu", PERF_BIT(PERF_CPU)},
        {"time", PERF_BIT(PERF_TIME)},
        {"period", PERF_BIT(PERF_PERIOD)},
        {"event", PERF_BIT(PERF_EVENT)},
        {"addr", PERF_BIT(PERF_ADDR)},
        {"data_src", PERF_BIT(PERF_DATA_SRC)},
        {"weight", PERF_BIT(PERF_WEIGHT)},
        {"ip", PERF_BIT(PERF_IP)},
        {"sym", PERF_BIT(PERF_SYMBOL)},
        {"dso", PERF_BIT(PERF_SYMBOL)},
        {"symoff", PERF_BIT(PERF_SYMBOL)},
        {"phys_addr", PERF_BIT(PERF_PHYS)},
    };
    *fields = 0;
    for (const char *at = list;; at++) {
        struct span name = {at, at + strcspn(at, ",")};
        at = name.end;
        while (name.at < name.end && strchr("+ ", *name.at) != NULL) {
            name.at++;
        }
        size_t i = 0;
        while (i < sizeof names / sizeof names[0] && !span_is(name, names[i].name)) {
            i++;
        }
        if (i == sizeof names / sizeof names[0]) {
            *unknown = name;
            return false;
        }
        *fields |= names[i].fields;
        if (*at == '\0') {
            return true;
        }
    }
}

/* "22903/22905", "22903"; perf prints -1 for a sample of no process */
static bool read_ids(struct reading *reading, struct span word)
{
    struct perf_sample *sample = reading->sample;
    bool both = memchr(word.at, '/', span_bytes(word)) != NULL;
    uint64_t id[2] = {0, 0};
    for (int i = 0; i < (both ? 2 : 1); i++) {
        bool minus = starts(word, '-');
        word.at += minus;
        if (!scan_digits(&word.at, word.end, 10, &id[i])) {
            return false;
        }
        id[i] = minus ? UINT64_MAX : id[i];
        if (i == 0 && both && *word.at++ != '/') {
            return false;
        }
    }
    if (word.at != word.end) {
        return false;
    }
    if (reading->fields != 0 && both != (wants(reading, PERF_PID) && wants(reading, PERF_TID))) {
        return false;
    }
    bool pid =
        both || wants(reading, PERF_PID); /* perf script's own choice of fields prints the tid */
    bool tid = both || !pid;
    sample->has |= (pid ? PERF_BIT(PERF_PID) : 0) | (tid ? PERF_BIT(PERF_TID) : 0);
    sample->pid = pid ? id[0] : 0;
    sample->tid = both ? id[1] : tid ? id[0] : 0;
    return true;
}

static bool read_cpu(struct perf_sample *sample, struct span word)
{
    if (!starts(word, '[') || word.end[-1] != ']') {
        return false;
    }
    word.at++;
    word.end--;
    return scan_digits(&word.at, word.end, 10, &sample->cpu) && word.at == word.end &&
           sample->cpu <= INT32_MAX;
}

static bool read_time(struct perf_sample *sample, struct span word)
{
    if (span_bytes(word) < 2 || word.end[-1] != ':' ||
        memchr(word.at, '.', span_bytes(word)) == NULL) {
        return false;
    }
    word.end--;
    return scan_time(word, 9, &sample->time_ns);
}

static bool read_event(struct perf_sample *sample, struct span word)
{
    struct perf_sample unused;
    if (span_bytes(word) < 2 || word.end[-1] != ':' || read_time(&unused, word)) {
        return false;
    }
    sample->event = (struct span){word.at, word.end - 1};
    return true;
}

/* The fields from the process to the event, at the start of `rest`. True moves `rest` behind them.
 */
static bool read_head(struct reading *reading, struct span *rest)
{
    struct perf_sample *sample = reading->sample;
    struct span at = *rest;
    sample->has &= PERF_BIT(PERF_COMM);
    if ((may_have(reading, PERF_PID) || may_have(reading, PERF_TID)) &&
        read_ids(reading, peek(at))) {
        next_word(&at);
    } else if (wants(reading, PERF_PID) || wants(reading, PERF_TID)) {
        return false;
    }
    if (may_have(reading, PERF_CPU) && read_cpu(sample, peek(at))) {
        sample->has |= PERF_BIT(PERF_CPU);
        next_word(&at);
    } else if (wants(reading, PERF_CPU)) {
        return false;
    }
    if (may_have(reading, PERF_TIME) && read_time(sample, peek(at))) {
        sample->has |= PERF_BIT(PERF_TIME);
        next_word(&at);
    } else if (wants(reading, PERF_TIME)) {
        return false;
    }
    struct span behind = at;
    struct span word = next_word(&behind);
    bool period = scan_digits(&word.at, word.end, 10, &sample->period) && word.at == word.end;
    if (wants(reading, PERF_PERIOD) ||
        (reading->fields == 0 && period && read_event(sample, peek(behind)))) {
        if (!period) {
            return false;
        }
        sample->has |= PERF_BIT(PERF_PERIOD);
        at = behind;
    }
    if (may_have(reading, PERF_EVENT) && read_event(sample, peek(at))) {
        sample->has |= PERF_BIT(PERF_EVENT);
        next_word(&at);
    } else if (wants(reading, PERF_EVENT)) {
        return false;
    }
    if (reading->fields == 0 && !got(reading, PERF_TIME) && !got(reading, PERF_EVENT)) {
        return false;
    }
    *rest = at;
    return true;
}

/* The command's name may be any 15 bytes, blanks included: it ends where the rest makes sense. */
static bool read_comm_and_head(struct reading *reading, struct span *rest)
{
    struct span line = *rest;
    if (!wants(reading, PERF_COMM) && read_head(reading, rest)) {
        return true;
    }
    if (!may_have(reading, PERF_COMM)) {
        return false;
    }
    struct span at = line;
    struct span name = peek(at);
    for (struct span word = next_word(&at); word.at < word.end; word = next_word(&at)) {
        name.end = word.end;
        *rest = at;
        if (read_head(reading, rest)) {
            reading->sample->comm = name;
            reading->sample->has |= PERF_BIT(PERF_COMM);
            return true;
        }
    }
    return false;
}

static bool read_hex(struct span word, uint64_t *value)
{
    return scan_number(word, 16, value);
}

static bool read_decimal(struct span word, uint64_t *value)
{
    return scan_digits(&word.at, word.end, 10, value) && word.at == word.end;
}

/* Skips a symbol and where it is from, up to a word that looks like an address: 5 digits or more,
 * as symbols may be called `add`. */
static struct span next_address(struct span *rest)
{
    for (;;) {
        struct span before = *rest;
        struct span word = next_word(rest);
        uint64_t value = 0;
        if (word.at == word.end || (span_bytes(word) >= 5 && read_hex(word, &value))) {
            *rest = word.at == word.end ? *rest : before;
            return word;
        }
    }
}

/* perf_mem_data_src of its text, "|OP LOAD|LVL L1 hit|SNP None|...", where perf prints no number
 * before it: mem_op and mem_lvl of Linux 6.1 include/uapi/linux/perf_event.h (PERF_MEM_OP_SHIFT 0,
 * PERF_MEM_LVL_SHIFT 5), in the words of tools/perf/util/mem-events.c. */
static uint64_t data_src_of_text(struct span text)
{
    static const struct {
        const char *words;
        uint64_t bits;
    } parts[] = {
        {"|OP N/A", 0x01},
        {"|OP LOAD", 0x02},
        {"|OP STORE", 0x04},
        {"|OP PFETCH", 0x08},
        {"|OP EXEC", 0x10},
        {"|LVL N/A", 0x01 << 5},
        {" hit|", 0x02 << 5},
        {" miss|", 0x04 << 5},
        {"|LVL L1", 0x08 << 5},
        {"|LVL LFB", 0x10 << 5},
        {"|LVL L2", 0x20 << 5},
        {"|LVL L3", 0x40 << 5},
        {"|LVL Local RAM", 0x80 << 5},
        {"|LVL Remote RAM (1 hop)", 0x100 << 5},
        {"|LVL Remote RAM (2 hops)", 0x200 << 5},
        {"|LVL Remote Cache (1 hop)", 0x400 << 5},
        {"|LVL Remote Cache (2 hops)", 0x800 << 5},
        {"|LVL I/O", 0x1000 << 5},
        {"|LVL Uncached", 0x2000 << 5},
    };
    const char *snoop = memmem(text.at, span_bytes(text), "|SNP", 4);
    size_t bytes = snoop != NULL ? (size_t)(snoop + 1 - text.at) : span_bytes(text);
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (memmem(text.at, bytes, parts[i].words, strlen(parts[i].words)) != NULL) {
            bits |= parts[i].bits;
        }
    }
    return bits;
}

/* Takes the text of a data source off `rest`: up to the last "|NAME ", and the words of its value.
 */
static struct span next_decoded(struct span *rest)
{
    while (rest->at < rest->end && is_blank(*rest->at)) {
        rest->at++;
    }
    struct span text = *rest;
    for (const char *at = text.at; at < text.end; at++) {
        at = memchr(at, '|', (size_t)(text.end - at));
        if (at == NULL) {
            break;
        }
        size_t key = 1; /* "|OP ", "|LVL ": capitals and a blank */
        while (at + key < text.end && at[key] >= 'A' && at[key] <= 'Z') {
            key++;
        }
        if (key >= 3 && at + key < text.end && at[key] == ' ') {
            rest->at = at + key;
        }
    }
    uint64_t number = 0;
    struct span behind = *rest;
    for (struct span word = next_word(&behind); word.at < word.end && !read_hex(word, &number);
         word = next_word(&behind)) {
        *rest = behind;
    }
    text.end = rest->at;
    return text;
}

/* "address=0x7f2f3c9d4000 ip=0x4021d6 error_code=0x6" of exceptions:page_fault_user and _kernel.
 * Bit 1 of the error code: a write (Linux 6.1, arch/x86/include/asm/trap_pf.h, X86_PF_WRITE). */
static bool read_page_fault(struct perf_sample *sample, struct span rest)
{
    uint64_t code = 0;
    unsigned found = 0;
    for (struct span word = next_word(&rest); word.at < word.end; word = next_word(&rest)) {
        const char *equals = memchr(word.at, '=', span_bytes(word));
        struct span key = {word.at, equals != NULL ? equals : word.at};
        struct span value = {equals != NULL ? equals + 1 : word.end, word.end};
        found |= span_is(key, "address") && read_hex(value, &sample->addr) ? 1u : 0u;
        found |= span_is(key, "ip") && read_hex(value, &sample->ip) ? 2u : 0u;
        found |= span_is(key, "error_code") && read_hex(value, &code) ? 4u : 0u;
    }
    if (found != 7) {
        return false;
    }
    sample->has |= PERF_BIT(PERF_ADDR) | PERF_BIT(PERF_IP);
    sample->write_known = true;
    sample->write = (code & 2) != 0;
    return true;
}

/* Behind the event, by the list of fields. */
static enum perf_line read_known_tail(struct reading *reading, struct span rest)
{
    struct perf_sample *sample = reading->sample;
    struct span word = next_word(&rest);
    if (!read_hex(word, &sample->addr)) {
        return word.at == word.end ? PERF_NO_ADDRESS
                                   : stop(reading, PERF_BAD, word, "an address in hexadecimal");
    }
    uint64_t unused = 0;
    if (wants(reading, PERF_SYMBOL) && !starts(peek(rest), '|') && !read_hex(peek(rest), &unused)) {
        next_address(&rest); /* the data address has a symbol where perf knows what it points to */
    }
    if (wants(reading, PERF_DATA_SRC)) {
        bool number = !starts(peek(rest), '|');
        if (number && !read_hex(word = next_word(&rest), &sample->data_src)) {
            return stop(reading, PERF_BAD, word, "a data source in hexadecimal");
        }
        if (starts(peek(rest), '|')) {
            struct span text = next_decoded(&rest);
            sample->data_src = number ? sample->data_src : data_src_of_text(text);
        }
    }
    if (wants(reading, PERF_WEIGHT) && !read_decimal(word = next_word(&rest), &sample->weight)) {
        return stop(reading, PERF_BAD, word, "a weight");
    }
    if (wants(reading, PERF_IP)) {
        word = next_word(&rest);
        if (!read_hex(word, &sample->ip) && word.at != word.end) {
            return stop(reading, PERF_BAD, word, "an instruction pointer in hexadecimal");
        }
        sample->has |= word.at != word.end ? PERF_BIT(PERF_IP) : 0;
    }
    if (wants(reading, PERF_PHYS)) {
        do {
            word = next_word(&rest);
        } while (peek(rest).at < rest.end);
        if (!read_hex(word, &sample->phys)) {
            return stop(reading, PERF_BAD, word, "a physical address in hexadecimal");
        }
    }
    sample->has |= reading->fields & ~PERF_BIT(PERF_IP);
    return PERF_SAMPLE;
}

/* How many words in a row are hexadecimal numbers. */
static unsigned numbers_ahead(struct span rest)
{
    uint64_t value = 0;
    unsigned count = 0;
    while (read_hex(next_word(&rest), &value)) {
        count++;
    }
    return count;
}

/* Weight, ip and physical address behind a data source. */
static enum perf_line read_behind_data_src(struct reading *reading, struct span rest)
{
    struct perf_sample *sample = reading->sample;
    unsigned numbers = numbers_ahead(rest);
    if (numbers == 0) {
        return PERF_SAMPLE;
    }
    struct span first = next_word(&rest);
    bool symbol = numbers == 1 && peek(rest).at < rest.end;
    if (symbol) {
        read_hex(first, &sample->ip);
        sample->has |= PERF_BIT(PERF_IP);
        return PERF_SAMPLE;
    }
    struct span second = next_word(&rest);
    /* an instruction pointer has a blank of its own before its 16 columns, a physical address has
     * not */
    bool ip = numbers > 1 && second.end - first.end == 17;
    if (!ip || numbers > 3 || !read_decimal(first, &sample->weight)) {
        return stop(reading, PERF_UNCLEAR, first,
                    "weight, ip and physical address told apart by --fields");
    }
    read_hex(second, &sample->ip);
    sample->has |= PERF_BIT(PERF_WEIGHT) | PERF_BIT(PERF_IP);
    if (numbers == 3) {
        read_hex(next_word(&rest), &sample->phys);
        sample->has |= PERF_BIT(PERF_PHYS);
    }
    return PERF_SAMPLE;
}

/* Behind the event, by shape. */
static enum perf_line read_unknown_tail(struct reading *reading, struct span rest)
{
    struct perf_sample *sample = reading->sample;
    const char *start = rest.at;
    struct span first = next_word(&rest);
    uint64_t value = 0;
    if (!read_hex(first, &value)) {
        return read_page_fault(sample, (struct span){start, rest.end}) ? PERF_SAMPLE
                                                                       : PERF_NO_ADDRESS;
    }
    struct span after = rest;
    struct span second = next_word(&after);
    if (read_hex(second, &sample->data_src) && starts(peek(after), '|')) {
        sample->addr = value;
        sample->has |= PERF_BIT(PERF_ADDR) | PERF_BIT(PERF_DATA_SRC);
        next_decoded(&after);
        return read_behind_data_src(reading, after);
    }
    static const char doubt[] =
        "fields that can be told apart; give --fields the list of perf script -F";
    bool wide = first.end - start == 1 + 16, wider = first.end - start == 1 + 17;
    unsigned numbers = numbers_ahead((struct span){start, rest.end});
    if (wider) {
        return PERF_NO_ADDRESS; /* it is the instruction pointer */
    }
    /* a weight and a physical address stand in 16 columns too, with no blank of their own */
    bool no_ip = numbers == 2 && second.end - first.end == 16;
    if (starts(second, '|') || numbers > 2 || no_ip || (!wide && numbers != 2)) {
        return stop(reading, PERF_UNCLEAR, first, doubt);
    }
    sample->addr = value;
    sample->has |= PERF_BIT(PERF_ADDR);
    struct span ip = numbers == 2 ? second : next_address(&rest);
    if (read_hex(ip, &sample->ip)) {
        sample->has |= PERF_BIT(PERF_IP);
    }
    return PERF_SAMPLE;
}

enum perf_line perf_line_read(struct span line, unsigned fields, struct perf_sample *sample,
                              struct span *found, const char **expected)
{
    struct reading reading = {sample, fields, found, expected};
    struct span rest = line;
    *sample = (struct perf_sample){0};
    struct span first = peek(rest);
    if (first.at == first.end || *first.at == '#' ||
        memmem(line.at, span_bytes(line), "PERF_RECORD_", sizeof "PERF_RECORD_" - 1) != NULL) {
        return PERF_OTHER;
    }
    if (*line.at == '\t' && read_hex(first, &sample->ip)) {
        sample->has = PERF_BIT(PERF_IP);
        return PERF_FRAME; /* perf begins frames with a tab, and never a sample */
    }
    if (!read_comm_and_head(&reading, &rest)) {
        if (read_hex(first, &sample->ip) && is_blank(*line.at)) {
            sample->has = PERF_BIT(PERF_IP);
            return PERF_FRAME;
        }
        return stop(&reading, PERF_BAD, first,
                    fields == 0 ? "a sample with its time or event (--fields tells the fields "
                                  "where there is neither)"
                                : "a sample with the fields of --fields");
    }
    return fields != 0 ? read_known_tail(&reading, rest) : read_unknown_tail(&reading, rest);
}
