/* conf_fuzz.c - any bytes, as a configuration file, which may include itself and name itself as a variable. What is accepted holds together,
 * and is read back the same from two other spellings, one of them random (conf_check.h).
 *
 * With clang: ninja proto/conf_fuzz && proto/conf_fuzz -max_len=300 proto/corpus/conf. Elsewhere fuzz_main.c replays the corpus. */
#include <string.h>

#include "core/rt/assert.h"
#include "proto/conf_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    CONF_FUZZ_SIZE_MAX = 1 << 16, /* of a tree with its variables written out, to be looked at closely: they multiply */
    CONF_FUZZ_WHY = 256,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    const char             *text = (const char *)data;
    char                    why[CONF_FUZZ_WHY];
    struct conf_doc        *d = NULL;

    ASSERT(conf_check_add(&world, true, "t", text, len) && conf_check_add(&world, true, "a", "x: 1\ny { z 2 }\n", 15));
    ASSERT(conf_check_add(&world, false, "T", text, strnlen(text, len)) && conf_check_add(&world, false, "A", "[1, $B]", 7));
    ASSERT(conf_check_add(&world, false, "B", "b", 1));
    enum err e = conf_parse_file(&env, "t", &d, why, sizeof(why));
    if (e != OK)
        ASSERT(strlen(why) > 0);
    if (e == OK && conf_doc_top(d)->list.size <= CONF_FUZZ_SIZE_MAX) {
        conf_check_doc(d);
        if (conf_check_writable(conf_doc_top(d)))
            conf_check_again(d, len);
    }
    if (e == OK)
        conf_doc_free(d);
    conf_check_fini(&world);
    return 0;
}
