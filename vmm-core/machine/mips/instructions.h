/* Every instruction of the modelled CPU: MIPS32 release 2 with its FPU, as a 24Kf executes it.
 *
 * MIPS_INSTRUCTIONS(X) lists X(NAME, mnemonic, FORM): the enum, the decoder's names, the
 * disassembler and the interpreter's table of handlers all follow it. A form says which fields of
 * the word are operands, in the order in which assembly writes them.
 *
 * Source: MIPS Architecture For Programmers, Volume II-A: The MIPS32 Instruction Set, revision
 * 2.50 (release 2), tables and the page of each instruction. Absent, as in the 24Kf:
 * MIPS16e is not modelled (JALX is reserved), paired single, MDMX, MIPS-3D, coprocessor 2, EJTAG.
 */
#ifndef DISCO_MIPS_INSTRUCTIONS_H
#define DISCO_MIPS_INSTRUCTIONS_H

#define MIPS_INSTRUCTIONS(X)                                                                       \
    MIPS_INTEGER(X)                                                                                \
    MIPS_MULTIPLY(X)                                                                               \
    MIPS_BRANCHES(X)                                                                               \
    MIPS_MEMORY(X)                                                                                 \
    MIPS_TRAPS(X)                                                                                  \
    MIPS_SYSTEM(X)                                                                                 \
    MIPS_FPU_MOVES(X) MIPS_FPU_FORMAT(X, S, "s") MIPS_FPU_FORMAT(X, D, "d") MIPS_FPU_CONVERSIONS(X)

#define MIPS_INTEGER(X)                                                                            \
    X(ADD, "add", RD_RS_RT)                                                                        \
    X(ADDU, "addu", RD_RS_RT)                                                                      \
    X(SUB, "sub", RD_RS_RT)                                                                        \
    X(SUBU, "subu", RD_RS_RT)                                                                      \
    X(AND, "and", RD_RS_RT)                                                                        \
    X(OR, "or", RD_RS_RT)                                                                          \
    X(XOR, "xor", RD_RS_RT)                                                                        \
    X(NOR, "nor", RD_RS_RT)                                                                        \
    X(SLT, "slt", RD_RS_RT)                                                                        \
    X(SLTU, "sltu", RD_RS_RT)                                                                      \
    X(MOVZ, "movz", RD_RS_RT)                                                                      \
    X(MOVN, "movn", RD_RS_RT)                                                                      \
    X(SLLV, "sllv", RD_RT_RS)                                                                      \
    X(SRLV, "srlv", RD_RT_RS)                                                                      \
    X(SRAV, "srav", RD_RT_RS)                                                                      \
    X(ROTRV, "rotrv", RD_RT_RS)                                                                    \
    X(SLL, "sll", RD_RT_SA)                                                                        \
    X(SRL, "srl", RD_RT_SA)                                                                        \
    X(SRA, "sra", RD_RT_SA)                                                                        \
    X(ROTR, "rotr", RD_RT_SA)                                                                      \
    X(ADDI, "addi", RT_RS_SIGNED)                                                                  \
    X(ADDIU, "addiu", RT_RS_SIGNED)                                                                \
    X(SLTI, "slti", RT_RS_SIGNED)                                                                  \
    X(SLTIU, "sltiu", RT_RS_SIGNED)                                                                \
    X(ANDI, "andi", RT_RS_UNSIGNED)                                                                \
    X(ORI, "ori", RT_RS_UNSIGNED)                                                                  \
    X(XORI, "xori", RT_RS_UNSIGNED)                                                                \
    X(LUI, "lui", RT_UPPER)                                                                        \
    X(CLZ, "clz", RD_RS)                                                                           \
    X(CLO, "clo", RD_RS)                                                                           \
    X(SEB, "seb", RD_RT)                                                                           \
    X(SEH, "seh", RD_RT)                                                                           \
    X(WSBH, "wsbh", RD_RT)                                                                         \
    X(EXT, "ext", RT_RS_EXT)                                                                       \
    X(INS, "ins", RT_RS_INS)

#define MIPS_MULTIPLY(X)                                                                           \
    X(MULT, "mult", RS_RT)                                                                         \
    X(MULTU, "multu", RS_RT)                                                                       \
    X(DIV, "div", RS_RT)                                                                           \
    X(DIVU, "divu", RS_RT)                                                                         \
    X(MADD, "madd", RS_RT)                                                                         \
    X(MADDU, "maddu", RS_RT)                                                                       \
    X(MSUB, "msub", RS_RT)                                                                         \
    X(MSUBU, "msubu", RS_RT)                                                                       \
    X(MUL, "mul", RD_RS_RT)                                                                        \
    X(MFHI, "mfhi", RD)                                                                            \
    X(MFLO, "mflo", RD)                                                                            \
    X(MTHI, "mthi", RS)                                                                            \
    X(MTLO, "mtlo", RS)

/* A likely branch stands right behind its plain one: the compiler of blocks counts on it. */
#define MIPS_BRANCHES(X)                                                                           \
    X(BEQ, "beq", RS_RT_OFFSET)                                                                    \
    X(BEQL, "beql", RS_RT_OFFSET)                                                                  \
    X(BNE, "bne", RS_RT_OFFSET)                                                                    \
    X(BNEL, "bnel", RS_RT_OFFSET)                                                                  \
    X(BLEZ, "blez", RS_OFFSET)                                                                     \
    X(BLEZL, "blezl", RS_OFFSET)                                                                   \
    X(BGTZ, "bgtz", RS_OFFSET)                                                                     \
    X(BGTZL, "bgtzl", RS_OFFSET)                                                                   \
    X(BLTZ, "bltz", RS_OFFSET)                                                                     \
    X(BLTZL, "bltzl", RS_OFFSET)                                                                   \
    X(BGEZ, "bgez", RS_OFFSET)                                                                     \
    X(BGEZL, "bgezl", RS_OFFSET)                                                                   \
    X(BLTZAL, "bltzal", RS_OFFSET)                                                                 \
    X(BLTZALL, "bltzall", RS_OFFSET)                                                               \
    X(BGEZAL, "bgezal", RS_OFFSET)                                                                 \
    X(BGEZALL, "bgezall", RS_OFFSET)                                                               \
    X(BC1F, "bc1f", CC_OFFSET)                                                                     \
    X(BC1FL, "bc1fl", CC_OFFSET)                                                                   \
    X(BC1T, "bc1t", CC_OFFSET)                                                                     \
    X(BC1TL, "bc1tl", CC_OFFSET)                                                                   \
    X(J, "j", TARGET)                                                                              \
    X(JAL, "jal", TARGET)                                                                          \
    X(JR, "jr", RS)                                                                                \
    X(JALR, "jalr", RD_RS)

#define MIPS_MEMORY(X)                                                                             \
    X(LB, "lb", RT_MEMORY)                                                                         \
    X(LBU, "lbu", RT_MEMORY)                                                                       \
    X(LH, "lh", RT_MEMORY)                                                                         \
    X(LHU, "lhu", RT_MEMORY)                                                                       \
    X(LW, "lw", RT_MEMORY)                                                                         \
    X(LWL, "lwl", RT_MEMORY)                                                                       \
    X(LWR, "lwr", RT_MEMORY)                                                                       \
    X(SB, "sb", RT_MEMORY)                                                                         \
    X(SH, "sh", RT_MEMORY)                                                                         \
    X(SW, "sw", RT_MEMORY)                                                                         \
    X(SWL, "swl", RT_MEMORY)                                                                       \
    X(SWR, "swr", RT_MEMORY)                                                                       \
    X(LL, "ll", RT_MEMORY)                                                                         \
    X(SC, "sc", RT_MEMORY)                                                                         \
    X(PREF, "pref", HINT_MEMORY)                                                                   \
    X(CACHE, "cache", HINT_MEMORY)                                                                 \
    X(SYNCI, "synci", MEMORY)                                                                      \
    X(SYNC, "sync", STYPE)                                                                         \
    X(LWC1, "lwc1", FT_MEMORY)                                                                     \
    X(LDC1, "ldc1", FT_MEMORY)                                                                     \
    X(SWC1, "swc1", FT_MEMORY)                                                                     \
    X(SDC1, "sdc1", FT_MEMORY)                                                                     \
    X(LWXC1, "lwxc1", FD_INDEXED)                                                                  \
    X(LDXC1, "ldxc1", FD_INDEXED)                                                                  \
    X(LUXC1, "luxc1", FD_INDEXED)                                                                  \
    X(SWXC1, "swxc1", FS_INDEXED)                                                                  \
    X(SDXC1, "sdxc1", FS_INDEXED)                                                                  \
    X(SUXC1, "suxc1", FS_INDEXED)                                                                  \
    X(PREFX, "prefx", HINT_INDEXED)

#define MIPS_TRAPS(X)                                                                              \
    X(SYSCALL, "syscall", CODE20)                                                                  \
    X(BREAK, "break", CODE20)                                                                      \
    X(TGE, "tge", RS_RT_CODE)                                                                      \
    X(TGEU, "tgeu", RS_RT_CODE)                                                                    \
    X(TLT, "tlt", RS_RT_CODE)                                                                      \
    X(TLTU, "tltu", RS_RT_CODE)                                                                    \
    X(TEQ, "teq", RS_RT_CODE)                                                                      \
    X(TNE, "tne", RS_RT_CODE)                                                                      \
    X(TGEI, "tgei", RS_SIGNED)                                                                     \
    X(TGEIU, "tgeiu", RS_SIGNED)                                                                   \
    X(TLTI, "tlti", RS_SIGNED)                                                                     \
    X(TLTIU, "tltiu", RS_SIGNED)                                                                   \
    X(TEQI, "teqi", RS_SIGNED)                                                                     \
    X(TNEI, "tnei", RS_SIGNED)

/* COP2 stands for every word of coprocessor 2, which is not there; RESERVED for all the rest. */
#define MIPS_SYSTEM(X)                                                                             \
    X(MFC0, "mfc0", RT_CP0)                                                                        \
    X(MTC0, "mtc0", RT_CP0)                                                                        \
    X(RDPGPR, "rdpgpr", RD_RT)                                                                     \
    X(WRPGPR, "wrpgpr", RD_RT)                                                                     \
    X(DI, "di", RT)                                                                                \
    X(EI, "ei", RT)                                                                                \
    X(TLBR, "tlbr", NONE)                                                                          \
    X(TLBWI, "tlbwi", NONE)                                                                        \
    X(TLBWR, "tlbwr", NONE)                                                                        \
    X(TLBP, "tlbp", NONE)                                                                          \
    X(ERET, "eret", NONE)                                                                          \
    X(WAIT, "wait", CODE19)                                                                        \
    X(RDHWR, "rdhwr", RT_HARDWARE)                                                                 \
    X(COP2, "cop2", NONE)                                                                          \
    X(RESERVED, "reserved", NONE)

#define MIPS_FPU_MOVES(X)                                                                          \
    X(MFC1, "mfc1", RT_FS)                                                                         \
    X(MTC1, "mtc1", RT_FS)                                                                         \
    X(MFHC1, "mfhc1", RT_FS)                                                                       \
    X(MTHC1, "mthc1", RT_FS)                                                                       \
    X(CFC1, "cfc1", RT_CONTROL)                                                                    \
    X(CTC1, "ctc1", RT_CONTROL)                                                                    \
    X(MOVF, "movf", RD_RS_CC)                                                                      \
    X(MOVT, "movt", RD_RS_CC)

#define MIPS_FPU_FORMAT(X, F, f)                                                                   \
    X(ADD_##F, "add." f, FD_FS_FT)                                                                 \
    X(SUB_##F, "sub." f, FD_FS_FT)                                                                 \
    X(MUL_##F, "mul." f, FD_FS_FT)                                                                 \
    X(DIV_##F, "div." f, FD_FS_FT)                                                                 \
    X(SQRT_##F, "sqrt." f, FD_FS)                                                                  \
    X(ABS_##F, "abs." f, FD_FS)                                                                    \
    X(MOV_##F, "mov." f, FD_FS)                                                                    \
    X(NEG_##F, "neg." f, FD_FS)                                                                    \
    X(RECIP_##F, "recip." f, FD_FS)                                                                \
    X(RSQRT_##F, "rsqrt." f, FD_FS)                                                                \
    X(ROUND_L_##F, "round.l." f, FD_FS)                                                            \
    X(TRUNC_L_##F, "trunc.l." f, FD_FS)                                                            \
    X(CEIL_L_##F, "ceil.l." f, FD_FS)                                                              \
    X(FLOOR_L_##F, "floor.l." f, FD_FS)                                                            \
    X(ROUND_W_##F, "round.w." f, FD_FS)                                                            \
    X(TRUNC_W_##F, "trunc.w." f, FD_FS)                                                            \
    X(CEIL_W_##F, "ceil.w." f, FD_FS)                                                              \
    X(FLOOR_W_##F, "floor.w." f, FD_FS)                                                            \
    X(CVT_W_##F, "cvt.w." f, FD_FS)                                                                \
    X(CVT_L_##F, "cvt.l." f, FD_FS)                                                                \
    X(MOVF_##F, "movf." f, FD_FS_CC)                                                               \
    X(MOVT_##F, "movt." f, FD_FS_CC)                                                               \
    X(MOVZ_##F, "movz." f, FD_FS_RT)                                                               \
    X(MOVN_##F, "movn." f, FD_FS_RT)                                                               \
    X(C_##F, "c.?." f, CC_FS_FT)                                                                   \
    X(MADD_##F, "madd." f, FD_FR_FS_FT)                                                            \
    X(MSUB_##F, "msub." f, FD_FR_FS_FT)                                                            \
    X(NMADD_##F, "nmadd." f, FD_FR_FS_FT)                                                          \
    X(NMSUB_##F, "nmsub." f, FD_FR_FS_FT)

#define MIPS_FPU_CONVERSIONS(X)                                                                    \
    X(CVT_S_D, "cvt.s.d", FD_FS)                                                                   \
    X(CVT_D_S, "cvt.d.s", FD_FS)                                                                   \
    X(CVT_S_W, "cvt.s.w", FD_FS)                                                                   \
    X(CVT_D_W, "cvt.d.w", FD_FS)                                                                   \
    X(CVT_S_L, "cvt.s.l", FD_FS)                                                                   \
    X(CVT_D_L, "cvt.d.l", FD_FS)

/* X(FORM): the operands of an instruction. */
#define MIPS_FORMS(X)                                                                              \
    X(NONE)                                                                                        \
    X(RD_RS_RT)                                                                                    \
    X(RD_RT_RS)                                                                                    \
    X(RD_RT_SA)                                                                                    \
    X(RT_RS_SIGNED)                                                                                \
    X(RT_RS_UNSIGNED)                                                                              \
    X(RT_UPPER)                                                                                    \
    X(RD_RS)                                                                                       \
    X(RD_RT)                                                                                       \
    X(RT_RS_EXT)                                                                                   \
    X(RT_RS_INS)                                                                                   \
    X(RS_RT)                                                                                       \
    X(RD)                                                                                          \
    X(RS)                                                                                          \
    X(RT)                                                                                          \
    X(RS_RT_OFFSET)                                                                                \
    X(RS_OFFSET)                                                                                   \
    X(CC_OFFSET)                                                                                   \
    X(TARGET)                                                                                      \
    X(RT_MEMORY)                                                                                   \
    X(HINT_MEMORY)                                                                                 \
    X(MEMORY)                                                                                      \
    X(STYPE)                                                                                       \
    X(FT_MEMORY)                                                                                   \
    X(FD_INDEXED)                                                                                  \
    X(FS_INDEXED)                                                                                  \
    X(HINT_INDEXED)                                                                                \
    X(CODE20)                                                                                      \
    X(CODE19)                                                                                      \
    X(RS_RT_CODE)                                                                                  \
    X(RS_SIGNED)                                                                                   \
    X(RT_CP0)                                                                                      \
    X(RT_HARDWARE)                                                                                 \
    X(RT_FS)                                                                                       \
    X(RT_CONTROL)                                                                                  \
    X(RD_RS_CC)                                                                                    \
    X(FD_FS_FT)                                                                                    \
    X(FD_FS)                                                                                       \
    X(FD_FS_CC)                                                                                    \
    X(FD_FS_RT)                                                                                    \
    X(CC_FS_FT)                                                                                    \
    X(FD_FR_FS_FT)

#endif
