/* What guests and the monitor have agreed on: addresses, monitor calls, the page of registers.
 *
 * Constants alone, for C and for the assembler of guests.
 *
 * A guest kernel runs in the supervisor segment (the paper, section 4.3.1: KSEG0 cannot be virtualised, so the
 * kernel is linked elsewhere). Its guest-physical memory from 0 on shows at ABI_DIRECT_MAP, with no TLB entry of
 * the guest's; ABI_DIRECT_MAP + ABI_DIRECT_BYTES up to ABI_MAPPED_END is mapped by the guest, as user addresses
 * below 0x80000000 are. Everything else from 0x80000000 on is not there.
 *
 * Boot: vCPU 0 starts at the ELF's entry in kernel mode with Status 0 and EBase ABI_DIRECT_MAP; a0 is argc, a1 argv
 * (a direct-map address), a2 the pages of memory, a3 the number of vCPUs. Other vCPUs wait for ABI_START_CPU.
 *
 * Monitor call n: `sw $0, 4 * n($r)` in kernel mode, where register r holds ABI_CALLS. Arguments are in a0 to a3, the
 * result is in v0 (negative: minus an errno), all else is kept. */
#ifndef DISCO_MONITOR_ABI_H
#define DISCO_MONITOR_ABI_H

#define ABI_DIRECT_MAP   0xC0000000
#define ABI_DIRECT_BYTES 0x10000000
#define ABI_MAPPED_END   0xE0000000
#define ABI_EBASE        ABI_DIRECT_MAP

#define ABI_CALLS       0xA0000000
#define ABI_CALLS_BYTES 0x1000 /* an address error of a store in here is a call */

/* Calls and their arguments. PPN: a guest-physical page; addresses are of the direct map. */
#define ABI_CONSOLE        0 /* address, bytes: writes to the console; gives the bytes written */
#define ABI_EXIT           1 /* status: of the whole virtual machine; does not come back */
#define ABI_ZERO_PAGE      2 /* PPN: the page becomes zero */
#define ABI_FREE_PAGE      3 /* PPN: the page is not in use; its frame may go, its bytes are lost */
#define ABI_MEMORY_PAGES   4 /* gives the pages of memory */
#define ABI_CPU_NUMBER     5 /* gives this vCPU's number */
#define ABI_CPUS           6 /* gives the number of vCPUs */
#define ABI_START_CPU      7 /* number, pc, sp, argument for its a0: an other vCPU starts */
#define ABI_INTERRUPT_CPU  8 /* number: raises that vCPU's interrupt line 0 (Cause.IP2) */
#define ABI_INTERRUPT_DONE 9 /* lowers one's own line 0 */
#define ABI_SHARED_REGION  10 /* key, first PPN, pages: are from now on what all VMs know as key */
#define ABI_SPACE          11 /* ASID, name, ELF image or 0, its bytes: the ASID begins anew */
#define ABI_FORGET_SPACE   12 /* ASID: the monitor forgets all translations that it kept of it */
#define ABI_REGION         13 /* ASID, start, bytes, name: names a part of a space */
#define ABI_EXIT_SPACE     14 /* ASID: the space has ended */
#define ABI_MARK           15 /* number: where the part that is to be recorded starts or stops */
#define ABI_CALL_COUNT     16

/* The page of registers, where the monitor was asked for it (option hal): words that can be read in any space
 * and mode, and that say what MFC0 would. What a guest maps at this page itself is then not seen. */
#define ABI_HAL_PAGE       0x7000
#define ABI_HAL_STATUS     0
#define ABI_HAL_CAUSE      4
#define ABI_HAL_EPC        8
#define ABI_HAL_BADVADDR   12
#define ABI_HAL_ENTRYHI    16
#define ABI_HAL_CONTEXT    20
#define ABI_HAL_EBASE      24
#define ABI_HAL_CPU_NUMBER 28 /* of EBase; no register of its own */
#define ABI_HAL_BYTES      32

#endif
