/* io_uring_compat.h - io_uring's kernel interface, with what the headers of older distributions do not define yet.
 *
 * The interface is stable, so a program built on an old system may use what a newer kernel has. Whether the running kernel
 * has it is found at run time (feature bits, the probe of opcodes, or trying it), never from a version number.
 *
 * Source  include/uapi/linux/io_uring.h; the kernel versions in brackets are where each constant first appeared.
 */
#ifndef MIDGE_RT_IO_URING_COMPAT_H
#define MIDGE_RT_IO_URING_COMPAT_H

#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <stdint.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16) /* [6.6] entries are used in ring order, without the array of indexes */
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14) /* [6.10] */
#endif
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15) /* [6.12] */
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17) /* [6.15] */
#endif
#ifndef IORING_ENTER_ABS_TIMER
#define IORING_ENTER_ABS_TIMER (1U << 5) /* [6.12] the timeout is a point of CLOCK_MONOTONIC */
#endif
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7) /* [6.15] an idle loop does not look like a slow disk */
#endif
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4) /* [6.10] one receive fills several buffers */
#endif

/* IORING_OP_RECV with IORING_RECV_MULTISHOT: sqe->optlen bounds the bytes of all receives of one request [6.17]. The field
 * shares its place with sqe->splice_fd_in, which older headers have and older kernels require to be 0. */
static inline void
io_compat_recv_limit(struct io_uring_sqe *sqe, uint32_t limit_bytes)
{
    sqe->splice_fd_in = (int32_t)limit_bytes;
}

#endif
