/* nats_fuzz.c - any bytes, as a client's stream. The first byte chooses the limits, so that they are met; the properties are
 * those of nats_check.h: whole, every prefix, every split and both paths agree.
 *
 * With clang: ninja proto/nats_fuzz && proto/nats_fuzz -max_len=300 proto/corpus/nats. Elsewhere fuzz_main.c replays the corpus. */
#include "core/rt/util.h"
#include "proto/nats_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    NATS_FUZZ_LEN_MAX = 1024, /* every prefix of it is parsed: the work grows with the square */
    NATS_FUZZ_OPS_MAX = 64,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint32_t lines[] = {4096, 64, 24, 8};
    static const int64_t  payloads[] = {1048576, 16, 0, -1};

    if (len == 0)
        return 0;
    struct nats_limits lim = {
        .max_control_line = lines[data[0] & 3],
        .max_payload = payloads[data[0] >> 2 & 3],
        .headers = (data[0] & 16) == 0,
    };
    (void)nats_check_stream(data + 1, min_u64(len - 1, NATS_FUZZ_LEN_MAX), &lim, NATS_FUZZ_OPS_MAX); /* it aborts itself */
    return 0;
}
