#include "core/rt/fault.h"

#ifdef MIDGE_ASSERT_SLOW

#include "core/rt/assert.h"

/* The countdown of one thread. Test builds only, so the rule against hidden globals keeps its reason elsewhere. */
static _Thread_local struct {
    int64_t left;
    bool armed, hit;
} fault_state;

void
fault_arm(int64_t n)
{
    ASSERT(n >= 0);
    fault_state.left = n;
    fault_state.armed = true;
    fault_state.hit = false;
}

bool
fault_disarm(void)
{
    fault_state.armed = false;
    return fault_state.hit;
}

bool
fault_hit(void)
{
    if (!fault_state.armed || fault_state.left-- > 0)
        return false;
    fault_state.armed = false;
    fault_state.hit = true;
    return true;
}

#else

/* ISO C wants a translation unit to declare something. */
typedef int fault_unused;

#endif
