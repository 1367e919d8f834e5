/* The scalar fields of the machine JSON, one table an object: read by json.c and written by
 * print.c, so that what is printed is what can be read.
 */
#ifndef DISCO_MACHINE_FIELDS_H
#define DISCO_MACHINE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_SIZE32, /* bytes: an integer, or text such as "32K" */
    FIELD_SIZE64,
    FIELD_WAYS,    /* an integer, or "full", which is as many as the field `entries` */
    FIELD_OR_WORD, /* an integer, or words[0], which is 0 */
    FIELD_WORD,    /* an enum, by the words of `words` */
    FIELD_BOOL,
    FIELD_TEXT, /* a char array of `most` bytes, its NUL among them */
};

struct field {
    const char *key; /* NULL ends a table */
    enum field_kind kind;
    size_t offset; /* in the struct that the table is for */
    uint64_t least, most;
    const char *const *words; /* FIELD_WORD: NULL ends the list */
};

extern const struct field machine_fields[]; /* of struct draft: name, source, cpu_mhz, page_size */
extern const struct field tlb_fields[];     /* of struct machine_tlb */
extern const struct field tlb_how_fields[]; /* of them those that do not say its size */
extern const struct field tlb_array_fields[];  /* of struct machine_tlb_array */
extern const struct field walk_fields[];       /* of struct machine_walk */
extern const struct field walk_cache_fields[]; /* of struct machine_walk_cache */
extern const struct field walk_line_fields[];  /* of struct machine_walk */
extern const struct field l2tlb_fields[];      /* of struct machine_l2tlb */
extern const struct field cache_fields[];      /* of struct machine_cache */
extern const struct field cost_fields[];       /* of struct machine_costs */

extern const char *const page_size_words[]; /* in the order of enum machine_page_size */

#define LATENCY_MOST_NS  1000000u /* 1 ms: far beyond any memory, and sums stay within 64 bits */
#define NODE_ID_MOST     UINT64_C(1048575)
#define CPU_ID_MOST      UINT64_C(1048575)
#define MEMORY_MOST      (UINT64_C(1) << 50) /* 1 PiB a node */
#define CACHE_BYTES_MOST (UINT64_C(1) << 36) /* 64 GiB: simulated line by line */
#define CACHE_WAYS_MOST  65536u
#define CACHE_LINE_LEAST 8u
#define CACHE_LINE_MOST  256u                  /* 64 words, a bit each */
#define COST_MOST        UINT64_C(10000000000) /* 10 s, in ns; 10 ms in ps */

#endif
