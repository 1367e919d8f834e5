/* Arithmetic of 8 to 64 bits over edges and random operands, and control: a checksum of each kind. */
#include <stdint.h>
#include <stdio.h>

static uint64_t state = 0x2545f4914f6cdd1d;

static uint64_t operand(void)
{
    static const uint64_t edges[] = {0,          1,          2,          UINT64_MAX, INT64_MAX,
                                     1ull << 63, INT32_MAX,  1ull << 31, UINT32_MAX, 0x8000,
                                     0xffff,     0x7fffffff, 1ull << 32, 0x80,       31};
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 60 < 8 ? edges[(state >> 20) % (sizeof edges / sizeof *edges)] : state;
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x100000001b3;
}

static uint64_t words(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 3000; i++) {
        const uint32_t a = (uint32_t)operand(), b = (uint32_t)operand();
        sum = mix(sum, a + b);
        sum = mix(sum, a - b);
        sum = mix(sum, a * b);
        sum = mix(sum, a / (b | 1));
        sum = mix(sum, a % (b | 1));
        sum = mix(sum, (uint32_t)((int32_t)(a >> 1) / (int32_t)(b >> 1 | 1)));
        sum = mix(sum, a << (b & 31) | a >> (-b & 31));
        sum = mix(sum, (uint32_t)((int32_t)a >> (b & 31)));
        sum = mix(sum, (uint32_t)(int8_t)a + (uint16_t)b);
        sum = mix(sum, (uint32_t)(int16_t)b);
        sum = mix(sum, a ? (uint32_t)__builtin_clz(a) : 32);
        sum = mix(sum, __builtin_bswap32(b));
        sum = mix(sum, a < b ? (uint32_t)((int32_t)a < (int32_t)b) : a >> 5 & 0x3ff);
    }
    return sum;
}

static uint64_t doublewords(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 2000; i++) {
        const uint64_t a = operand(), b = operand();
        sum = mix(sum, a + b);
        sum = mix(sum, a - b);
        sum = mix(sum, a * b);
        sum = mix(sum, a / (b | 1));
        sum = mix(sum, a % (b | 1));
        sum = mix(sum, (uint64_t)((int64_t)(a >> 1) / (int64_t)(b >> 1 | 1)));
        sum = mix(sum, a << (b & 63));
        sum = mix(sum, (uint64_t)((int64_t)a >> (b & 63)));
        sum = mix(sum, (uint64_t)(int32_t)a * (uint64_t)(int32_t)b);
        sum = mix(sum, (uint64_t)((int64_t)a < (int64_t)b) + (a < b));
        sum = mix(sum, (uint64_t)__builtin_popcountll(a));
    }
    return sum;
}

static uint64_t control(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 2000; i++) {
        const uint64_t a = operand();
        switch (a % 9) {
        case 0:
            sum += 3;
            break;
        case 1:
            sum ^= a;
            break;
        case 2:
            sum = sum << 1 | sum >> 63;
            break;
        case 4:
            for (unsigned j = 0; j < (a >> 8 & 15); j++)
                sum = mix(sum, j);
            break;
        case 5:
            continue;
        case 7:
            sum -= (a & 64) ? a : ~a;
            break;
        default:
            sum = mix(sum, a);
            break;
        }
    }
    return sum;
}

/* Through pointers that are not aligned, as packed structures are. */
struct __attribute__((packed)) odd {
    uint8_t first;
    uint32_t word;
    uint16_t half;
    uint64_t twice;
};

static uint64_t unaligned(void)
{
    static struct odd list[16];
    uint64_t sum = 0;
    for (unsigned i = 0; i < 500; i++) {
        struct odd *const one = &list[i % 16], *const other = &list[operand() % 16];
        one->word = (uint32_t)operand() + other->half;
        one->half = (uint16_t)(one->word >> 3);
        one->twice += operand() ^ other->twice;
        one->first++;
        sum = mix(sum, one->twice + one->word + one->first);
    }
    return sum;
}

int main(void)
{
    printf("words %016llx\n", (unsigned long long)words());
    printf("doublewords %016llx\n", (unsigned long long)doublewords());
    printf("control %016llx\n", (unsigned long long)control());
    printf("unaligned %016llx\n", (unsigned long long)unaligned());
    return 0;
}
