/* disco-trace info | verify | dump | sample | merge: what to do with a trace besides replaying it.
 */
#include "collector/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tool *const tools[] = {&tool_info,   &tool_verify, &tool_dump,
                                           &tool_sample, &tool_merge,  NULL};
