#include "replayer/report/list.h"

#include <inttypes.h>
#include <string.h>

#include "vmm-core/machine/machine.h"

static void list_param(const struct policy_param *param, FILE *out)
{
    if (strcmp(param->unit, "nodes") == 0) { /* a set, kept as a mask, of which 0 is no set */
        (void)fprintf(out, "    %s=unset (nodes, as in 0+2 or 4-7)\n", param->name);
    } else {
        (void)fprintf(out, "    %s=%" PRId64 " (%s, %" PRId64 " to ", param->name, param->standard,
                      param->unit, param->least);
        if (param->most == INT64_MAX)
            (void)fprintf(out, "any)\n");
        else
            (void)fprintf(out, "%" PRId64 ")\n", param->most);
    }
    (void)fprintf(out, "        %s\n        default: %s\n", param->help, param->source);
}

void list_policies(const struct registry *registry, FILE *out)
{
    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct policy *policy = registry_policy(registry, i);
        (void)fprintf(out, "%s\n    %s\n", policy->name, policy->summary);
        for (size_t p = 0; p < policy->param_count; p++)
            list_param(&policy->params[p], out);
    }
}

void list_machines(FILE *out)
{
    for (size_t i = 0; machine_preset_name(i) != NULL; i++)
        (void)fprintf(out, "%s\n    %s\n", machine_preset_name(i), machine_preset_summary(i));
}
