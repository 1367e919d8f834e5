/* Values of the machine JSON: each reader takes one value at a path, and answers NULL, or one line
 * that names the path, what stands there and what to write. Private to this folder.
 */
#ifndef DISCO_MACHINE_JSON_VALUES_H
#define DISCO_MACHINE_JSON_VALUES_H

#include <jansson.h>
#include <stdio.h>

#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"

#define PATH_BYTES 96 /* long enough to name what is wrong; a longer key is cut in the message */

/* "$.tlb" and "ways": "$.tlb.ways"; "$.nodes" and 3: "$.nodes[3]". Both return `path`. */
char *at_key(char path[PATH_BYTES], const char *parent, const char *key);
char *at_index(char path[PATH_BYTES], const char *parent, size_t index);

/* The message where `value` is not `what` ("a list"). */
char *expected(const struct draft *draft, const char *path, const json_t *value, const char *what);
char *in_range(const struct draft *draft, const char *path, const json_t *value, uint64_t least,
               uint64_t most, uint64_t *out);
/* Bytes: an integer, or text such as "32K". */
char *read_size(const struct draft *draft, const char *path, const json_t *value, uint64_t least,
                uint64_t most, uint64_t *out);
/* The index of a word in `words`, which NULL ends and which has two at least. */
char *read_word(const struct draft *draft, const char *path, const json_t *value,
                const char *const *words, uint64_t *out);
/* Reads the scalars of `object` into `base` (`fields` NULL: it has none). Keys of `others` (NULL
 * ends) are left to the caller. */
char *read_object(const struct draft *draft, const char *path, json_t *object,
                  const struct field *fields, const char *const *others, void *base);
char *read_list(const struct draft *draft, const char *path, const json_t *list);

/* json-tlb.c: $.tlb and $.l2tlb. The TLB's refill chooses the defaults of everything else, so they
 * are read before all. */
char *read_tlbs(struct draft *draft, const json_t *root);

/* json-network.c: $.links; service_ns and curve of a node that is in the draft; $.curve, for nodes
 * with memory that have none of their own. */
char *read_links(struct draft *draft, const json_t *links);
char *read_service(struct draft *draft, const char *path, const json_t *value, uint32_t node);
char *read_curve(struct draft *draft, const char *path, const json_t *curve, uint32_t node);
char *read_common_curve(struct draft *draft, const json_t *curve);
void print_links(FILE *out, const struct machine *machine);
void print_service(FILE *out, const struct machine *machine, uint32_t node); /* and its curve */

/* json-caches.c: $.caches */
char *read_caches(struct draft *draft, const json_t *caches);

#endif
