/* SPDX-License-Identifier: Apache-2.0 */
#include "host/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/ring.h"
#include "host/serve_state.h"
#include "host/worker.h"
#include "lib/types.h"

static const struct {
	struct hostcall_desc desc;
	serve_handler handler;
} table[HOSTCALL_COUNT] = {
#define HOSTCALL(name, ...) [HC_##name].handler = serve_##name,
#include "abi/hostcall.def"
#undef HOSTCALL
#define HC_HOST_DESC(name, ...) [HC_##name].desc = HC_DESC(name, __VA_ARGS__)
#define HOSTCALL HC_HOST_DESC
#include "abi/hostcall.def"
#undef HOSTCALL
};

struct serve *serve_new(void *base, size_t size, int cpus,
	const struct serve_enclave_ops *enclave, void *enclave_ctx)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->size = size;
	s->cpus = cpus;
	s->enclave = enclave;
	s->enclave_ctx = enclave_ctx;
	for (int i = 0; i < TCS_MAX; i++) {
		pthread_mutex_init(&s->ring[i].lock, NULL);
		pthread_cond_init(&s->ring[i].done, NULL);
	}
	return s;
}

void serve_free(struct serve *s)
{
	if (!s)
		return;
	worker_free(s->worker);
	free(s);
}

uint64_t serve_count(const struct serve *s, unsigned nr)
{
	return __atomic_load_n(&s->calls[nr], __ATOMIC_RELAXED);
}

void serve_panic_text(const struct serve *s, char *text, size_t size)
{
	const char *from = s->base + RING_PANIC_TEXT;
	size_t n = 0;

	while (n < RING_PANIC_SIZE && n + 1 < size && from[n]) {
		text[n] = from[n] >= ' ' && from[n] <= '~' ? from[n] : '?';
		n++;
	}
	text[n] = '\0';
}

/* Turns offsets of buffers into addresses. */
static int translate(
	struct serve *s, const struct hostcall_desc *d, uint64_t *a)
{
	uint64_t wire[HOSTCALL_ARGS];

	memcpy(wire, a, sizeof(wire));
	for (int i = 0; i < HOSTCALL_ARGS; i++) {
		const struct hostcall_arg *arg = &d->arg[i];
		uint64_t size = arg->unit;

		if (arg->kind < HC_ARG_STR || !wire[i])
			continue;
		if (arg->kind == HC_ARG_STR) {
			size = 1;
		} else if (arg->size_arg != HC_SIZE_FIXED &&
			mul_overflows(size, wire[arg->size_arg], &size)) {
			return -EINVAL;
		}
		if (!range_within(wire[i], size, RING_DATA, s->size))
			return -EINVAL;
		a[i] = (uint64_t)(s->base + wire[i]);
		if (arg->kind == HC_ARG_STR &&
			!memchr(s->base + wire[i], 0, s->size - wire[i]))
			return -EINVAL;
	}
	return 0;
}

int64_t serve_run(struct serve *s, int cpu, uint64_t nr, uint64_t *a)
{
	int64_t result;
	int err;

	if (nr >= HOSTCALL_COUNT)
		return -ENOSYS;
	err = translate(s, &table[nr].desc, a);
	if (err)
		return err;
	__atomic_fetch_add(&s->calls[nr], 1, __ATOMIC_RELAXED);
	result = table[nr].handler(s, a);
	if (s->trace)
		serve_trace(cpu, &table[nr].desc, a, result);
	return result;
}

void serve_set_names(struct serve *s, bool on)
{
	s->names = on;
}

void serve_set_trace(struct serve *s, bool on)
{
	s->trace = on;
}

const struct hostcall_desc *serve_desc(uint64_t nr)
{
	return nr < HOSTCALL_COUNT ? &table[nr].desc : NULL;
}

void serve_put_done(uint64_t *done, uint64_t id, int64_t result)
{
	__atomic_store_n(
		&done[RING_DONE_RESULT], (uint64_t)result, __ATOMIC_RELEASE);
	__atomic_store_n(&done[RING_DONE_ID], id, __ATOMIC_RELEASE);
}
