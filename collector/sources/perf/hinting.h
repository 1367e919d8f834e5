/* NUMA hinting faults: the kernel's NUMA balancing, switched on for the time of a recording.
 *
 * Balancing takes the mappings of resident pages away from time to time, to see by the faults who
 * uses them. Page fault samples then show pages again and again, not only at their first touch. The
 * switch is kernel.numa_balancing (Linux Documentation/admin-guide/sysctl/kernel.rst); its pace is
 * in debugfs, sched/numa_balancing/ (Linux 5.13; older ones: sysctls, which are left alone).
 * Both are the system's, not the recorder's. So that they are put back however the recorder
 * ends, SIGKILL included, only a guardian changes them: a small process in a session of its own
 * that blocks all signals, reads from a pipe of which the recorder holds the other end, and puts
 * everything back at its end of file. Should the guardian itself be killed, the recorder repairs
 * at its end, or else the next recorder.
 *
 * Several recorders may run at once. Original values are kept in `state_file`. Every guardian holds
 * a shared flock(2) on it, and the last one, who can have it exclusively, puts them back. A state
 * file that is not empty and that nobody holds is what a killed guardian left: its values are the
 * original ones. `lock_file` makes these steps one at a time.
 */
#ifndef DISCO_HINTING_H
#define DISCO_HINTING_H

#include <stdint.h>

/* Where things are; tests put them elsewhere. */
struct hinting_places {
    const char *switch_file;  /* /proc/sys/kernel/numa_balancing */
    const char *debug_folder; /* /sys/kernel/debug: mounted privately where it is not */
    const char *state_file, *lock_file;
};
extern const struct hinting_places hinting_system_places;

struct hinting_wish {
    uint32_t scan_period_ms; /* between two scans of a process; 0: as the kernel does by default */
};

struct hinting;

/* Errors as in collector/trace/writer.h. */
char *hinting_start(const struct hinting_places *places, const struct hinting_wish *wish,
                    struct hinting **out);
/* What was wished but could not be had (the scan period), in words; NULL: nothing. */
const char *hinting_remark(const struct hinting *hinting);
/* Puts everything back, unless another recorder still needs it, and frees `hinting` (NULL:
 * nothing). */
char *hinting_stop(struct hinting *hinting);

#endif
