/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of calls about the enclave itself, its clock and its messages.
 */
#include "host/serve_state.h"
#include "host/trace_names.h"
#include "host/worker.h"
#include "lib/types.h"

#include <cpuid.h>
#include <string.h>
#include <sys/platform/x86.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ENCLAVE_OP(op, ...)                                           \
	(s->enclave && s->enclave->op                                 \
			? s->enclave->op(s->enclave_ctx, __VA_ARGS__) \
			: -ENOSYS)

int64_t serve_log(struct serve *s, const uint64_t *a)
{
	ssize_t n;

	if (s->names) {
		trace_names_write(STDERR_FILENO, (const char *)a[0], a[1]);
		return (int64_t)a[1];
	}
	do
		n = write(STDERR_FILENO, (const void *)a[0], a[1]);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static uint64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t serve_clock_read(struct serve *s, const uint64_t *a)
{
	struct host_clock *c = (struct host_clock *)a[0];

	if (!c)
		return -EINVAL;
	c->realtime_ns = now(CLOCK_REALTIME);
	c->monotonic_ns = now(CLOCK_MONOTONIC);
	c->tsc = __rdtsc();
	return 0;
}

int64_t serve_enclave_augment(struct serve *s, const uint64_t *a)
{
	if (a[2] > 1)
		return -EINVAL;
	return ENCLAVE_OP(augment, a[0], a[1], a[2] != 0);
}

int64_t serve_enclave_restrict(struct serve *s, const uint64_t *a)
{
	return ENCLAVE_OP(restrict_perm, a[0], a[1], a[2]);
}

int64_t serve_enclave_modify_type(struct serve *s, const uint64_t *a)
{
	return ENCLAVE_OP(modify_type, a[0], a[1], a[2]);
}

int64_t serve_enclave_remove(struct serve *s, const uint64_t *a)
{
	return ENCLAVE_OP(remove, a[0], a[1]);
}

int64_t serve_enclave_protect(struct serve *s, const uint64_t *a)
{
	return ENCLAVE_OP(protect, a[0], a[1], a[2]);
}

int64_t serve_stats(struct serve *s, const uint64_t *a)
{
	return ENCLAVE_OP(stats, (const char *)a[0], a[1]);
}

int64_t serve_thread_start(struct serve *s, const uint64_t *a)
{
	if (a[0] >= (uint64_t)s->cpus)
		return -EINVAL;
	return ENCLAVE_OP(thread_start, a[0]);
}

int64_t serve_kick(struct serve *s, const uint64_t *a)
{
	if (a[0] >= (uint64_t)s->cpus)
		return -EINVAL;
	return ENCLAVE_OP(kick, a[0]);
}

int64_t serve_park(struct serve *s, const uint64_t *a)
{
	if (a[0] >= (uint64_t)s->cpus)
		return -EINVAL;
	return ENCLAVE_OP(park, a[0]);
}

/* What the C library has asked at its own start: in a virtual machine CPUID
 * costs some ten microseconds. The registers come first in its records. */
static const struct {
	uint32_t leaf, subleaf;
	unsigned index;
} known[] = {
	{1, 0, CPUID_INDEX_1},
	{7, 0, CPUID_INDEX_7},
	{7, 1, CPUID_INDEX_7_ECX_1},
	{0xd, 1, CPUID_INDEX_D_ECX_1},
	{0x14, 0, CPUID_INDEX_14_ECX_0},
	{0x19, 0, CPUID_INDEX_19},
	{0x80000001, 0, CPUID_INDEX_80000001},
	{0x80000007, 0, CPUID_INDEX_80000007},
	{0x80000008, 0, CPUID_INDEX_80000008},
};

int64_t serve_cpuid(struct serve *s, const uint64_t *a)
{
	uint32_t *r = (uint32_t *)a[2];

	if (!r)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].leaf == a[0] && known[i].subleaf == a[1]) {
			memcpy(r, __x86_get_cpuid_feature_leaf(known[i].index),
				4 * sizeof(*r));
			return 0;
		}
	}
	__cpuid_count((uint32_t)a[0], (uint32_t)a[1], r[0], r[1], r[2], r[3]);
	return 0;
}

int64_t serve_ring_poll(struct serve *s, const uint64_t *a)
{
	if (!a[0]) {
		worker_stop(s->worker);
		return 0;
	}
	if (!s->worker)
		s->worker = worker_new(s, s->cpus);
	else
		worker_start(s->worker);
	return s->worker ? 0 : -ENOMEM;
}

int64_t serve_null_exit(struct serve *s, const uint64_t *a)
{
	return 0;
}

int64_t serve_null(struct serve *s, const uint64_t *a)
{
	return 0;
}
