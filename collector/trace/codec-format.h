/* The stored form of a block, CODEC_VERSION 1: all that a stranger needs to write a decoder.
 *
 * Words. A byte is 8 bits; all numbers are little-endian. A *varint* is LEB128: seven bits a byte,
 * low first, the top bit set on all but the last; ten bytes at the most, bits past the 64th are
 * dropped. *zigzag* of a difference d modulo 2^64 is (d << 1) ^ (d >> 63, arithmetic). All
 * arithmetic on addresses and values is modulo 2^64.
 *
 * A *section* is a string of bytes: method (one byte), length (varint), and then
 *     0 raw        the bytes
 *     1 constant   one byte, which is repeated
 *     2 zstd       stored length (varint), and one zstd frame (RFC 8878) of that length, which has
 *                  its content size in its header; the content size is the section's length
 *
 * A *column* of n numbers is its encoding (one byte), and then
 *     0 constant   varint: every number
 *     1 linear     varint: the first; varint: zigzag of what is added for each next
 *     2 values     section of n varints: the numbers
 *     3 deltas     section of n varints: zigzag of each less the one before; 0 before the first
 *     4 planes     a byte p, 1 to 8, and p sections of n bytes: the lowest byte of each zigzag
 *                  delta (as in 3), the next, and so on; higher bytes are 0
 *
 * A *block* is, one after the other and with nothing behind:
 *     varints      number of references (to 65536), of runs (to references; 0 only with no
 *                  references), of events (to 65536), COLUMN_BITs of the columns (event.h)
 *     byte         1: the sizes are with the references; 0: COLUMN_SIZE, if there, is a column
 *     byte         encoding of the references, and then these: see below
 *     two columns  of each run, its first reference (the first is 0; ascending; below the number of
 *                  references) and its stream (below 2^32)
 *     events       nothing if there are none; else a section of their types, and seven columns:
 *                  position (never falls, to the number of references), stream, five arguments
 *     columns      those of COLUMN_BITs in ascending order, but for sizes with the references
 *
 * Encoding 0, delta. Sections: what each reference is (event.h); size of each (0 where sizes are
 * not with the references); varints, zigzag of each address less the last address of the same kind
 * (bits 0 and 1 of what), 0 before the first.
 *
 * Encoding 1, code. Seven sections, from which the references are put together from the first on:
 *     literals (varints), lengths (varints), distances (bytes), high bytes of distances (bytes),
 *     what, size, pcs (varints)
 * In turn: take a varint of literals, and write so many references: take what and size; for a
 * fetch also a varint of pcs, which is zigzag of the address less the base. The base is the address
 * plus the size of the nearest fetch among the eight references before, or 0 where these have none.
 * A literal that is no fetch gets the next place, from 0 on. If the block is then full, this was
 * all. Else take a length (at least 1) and a distance (1 to the references that are there; low byte
 * and high byte), and copy so many references, one by one, each from `distance` references before
 * it: what, size, address of a fetch, place of any other; go on with literals. All sections must be
 * used up. The addresses of what is no fetch are then foretold, in order, by their places.
 *
 * Encoding 2, pattern. Sections what and size as in 0. All addresses are foretold, in order; the
 * place of a reference is the top 14 bits of (print * 0x9E3779B97F4A7C15 modulo 2^64). Its print,
 * if the size of any reference is not 0: with the byte b = what + 8 * size modulo 256 of each
 * reference, and 0 outside the block, the 64-bit number of the bytes 0, b of the four references
 * before, its own b, b of the two after, in that order and lowest first. If all sizes are 0: the
 * 32-bit number whose bit j, from 0, is bit 1 of what of the reference j - 16 after it.
 *
 * Foretelling. Each place has three numbers, 0 at first: last, step and distance. `before` is the
 * address of the reference foretold just before, 0 at first. Two sections: a byte h for each
 * reference, and strays. The address is
 *     h = 0        last + step
 *     h = 1        before + distance
 *     h = 2 to 9   (last, or `before` where last is 0) + unzigzag of the next h - 1 bytes of
 * strays, lowest first and then step = address - last (0 where last is 0), distance = address -
 * before, last = address. All strays must be used up.
 *
 * Why so. Measured by tests/bench/codec.c (zstd 1.5.4 level 1, gcc 12, one core of a 2.6 GHz EPYC
 * of 2023 that had other work too; bytes a reference, then millions of references a second encoded
 * and decoded), on lackey traces with their sizes:
 *
 *                   sqlite3, 20 M, fetches   gzip -6, 28 M, fetches   gzip -6, 7.7 M, data only
 *     plain columns  0.229    230   521       0.363    170   349       0.863     65   142
 *     0 delta        0.164    224   349       0.355    166   266       1.009     72   142
 *     1 code         0.120    191   394       0.125    216   462       0.998     42    90
 *     2 pattern      0.293    105   152       0.227    114   160       0.442     73   107
 *     what is kept   0.120    186   388       0.125    213   439       0.442     76   107
 *
 * Also tried: a table of which instruction follows which, with counts of right guesses (0.115 on
 * sqlite3, but each instruction costs a dependent load: decoding was 2 times slower); a second
 * guess by a hash of the last two differences (no gain after the two above); strays as byte planes
 * (3 % smaller on data only, no gain with fetches). A writer tries code where there are fetches,
 * then pattern, then delta, as long as the block takes more than a byte a reference.
 */
#ifndef DISCO_TRACE_CODEC_FORMAT_H
#define DISCO_TRACE_CODEC_FORMAT_H

/* Stored beside every block. A change of the form above is a new number. */
#define CODEC_VERSION 1u

#endif
