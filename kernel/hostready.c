/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/hostready.h"

#include <asm/poll.h>
#include <linux/errno.h>

#include "abi/net.h"
#include "kernel/hostcall.h"
#include "kernel/hostcall_ring.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/poll.h"
#include "kernel/shared.h"
#include "kernel/signal.h"
#include "kernel/time.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	EVENTS_KNOWN = POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP |
		POLLRDHUP,
	STICKY = POLLERR | POLLHUP,
	REFRESH_NS = 200000,
	FINISH_NS = 5000000000,
	TABLE_MIN = 64,
	SIGNAL_MAX = 64,
};

/* A slot keeps its generation when it is free, so that a late event of its
 * last user is recognised. Key: generation << 32 | index. */
struct slot {
	struct hostready *h;
	uint32_t generation;
	uint32_t next_free; /* index + 1 */
};

static struct slot *slots;
static uint32_t slot_count, first_free; /* index + 1; 0: none */
static uint32_t registered;
static uint64_t operations; /* counts hostready_done */
static uint64_t fetched_at;
uint64_t (*hostready_do_errands)(void);
bool (*hostready_guess)(void);

static int slots_grow(void)
{
	uint32_t count = slot_count ? 2 * slot_count : TABLE_MIN;
	struct slot *old = slots;
	struct slot *grown = kzalloc(count * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	if (slots != old) { /* somebody else was faster */
		kfree(grown);
		return 0;
	}
	if (slot_count)
		memcpy(grown, slots, slot_count * sizeof(*grown));
	for (uint32_t i = slot_count; i < count; i++)
		grown[i].next_free = i + 2;
	grown[count - 1].next_free = first_free;
	first_free = slot_count + 1;
	slots = grown;
	slot_count = count;
	kfree(old);
	return 0;
}

int hostready_init(struct hostready *h)
{
	uint32_t index;
	struct slot *s;
	int err;

	while (first_free == 0) {
		err = slots_grow();
		if (err)
			return err;
	}
	index = first_free - 1;
	s = &slots[index];
	first_free = s->next_free;
	s->h = h;
	s->generation = (s->generation + 1) & INT32_MAX;
	memset(h, 0, sizeof(*h));
	h->key = (uint64_t)s->generation << 32 | index;
	waitq_init(&h->queue);
	registered++;
	return 0;
}

void hostready_fini(struct hostready *h)
{
	uint32_t index = (uint32_t)h->key;

	slots[index].h = NULL;
	slots[index].next_free = first_free;
	first_free = index + 1;
	registered--;
}

int hostready_attach(struct hostready *h, int host_fd)
{
	return (int)host_ready_add(host_fd, h->key);
}

void hostready_reset(struct hostready *h)
{
	h->ready = 0;
	h->doubt = 0;
}

uint64_t hostready_begin(const struct hostready *h)
{
	return h->events;
}

void hostready_use(struct hostready *h)
{
	h->used = ++operations;
}

void hostready_done(struct hostready *h, uint64_t seen, uint32_t event,
	enum hostready_how how)
{
	hostready_use(h);
	hostready_learn(h, seen, event, how);
}

void hostready_learn(struct hostready *h, uint64_t seen, uint32_t event,
	enum hostready_how how)
{
	unsigned half = event == POLLIN ? 0 : 32;

	/* An event that came during the operation is newer than its result. */
	if ((uint32_t)(h->events >> half) != (uint32_t)(seen >> half))
		return;
	switch (how) {
	case HOSTREADY_DRY:
		/* Nor is there an error or the end, which would have been the
		 * result: a new socket's HUP, delivered by another enclave
		 * thread after connect(), must not make waits return at once
		 * for ever. */
		h->ready &= ~(event | STICKY);
		h->doubt &= ~(uint32_t)STICKY;
		break;
	case HOSTREADY_SHORT:
		/* The end of the stream and errors give no edge of their own
		 * if they were there when the last event was fetched. */
		if (event == POLLOUT ||
			!(h->ready & (STICKY | POLLRDHUP | POLLPRI)))
			h->ready &= ~event;
		break;
	case HOSTREADY_SOME:
		if (event == POLLIN) {
			h->ready |= event;
			h->doubt |= event;
		}
		return;
	case HOSTREADY_MORE:
		h->ready |= event;
		break;
	case HOSTREADY_KEEP:
		return;
	}
	h->doubt &= ~event;
}

bool hostready_is_latest(const struct hostready *h)
{
	return h->used == operations;
}

uint32_t hostready_poll(struct hostready *h, int host_fd, struct poll_ctx *pc)
{
	uint32_t ready;
	uint64_t seen;
	int64_t now;

	poll_add(pc, &h->queue);
	if (h->ready & h->doubt) {
		seen = h->events;
		now = host_ready_poll(host_fd, EVENTS_KNOWN);
		if (now >= 0 && h->events == seen) {
			h->ready = (uint32_t)now & EVENTS_KNOWN;
			h->doubt = 0;
		}
	}
	ready = h->ready;
	if (ready & POLLIN)
		ready |= POLLRDNORM;
	if (ready & POLLOUT)
		ready |= POLLWRNORM;
	return ready;
}

int hostready_wait(struct hostready *h, uint32_t events, uint64_t deadline)
{
	int err;

	while ((h->ready & (events | STICKY)) == 0) {
		err = waitq_wait(&h->queue, deadline);
		if (err)
			return err;
	}
	return 0;
}

/* started: number of operations before the host looked. */
static void deliver(uint64_t key, uint64_t u_events, uint64_t started)
{
	uint32_t index = (uint32_t)key;
	uint32_t events = (uint32_t)u_events & EVENTS_KNOWN;
	struct hostready *h;

	if (index >= slot_count || events == 0)
		return;
	shared_fence(); /* S-18 */
	h = slots[index].h;
	if (h == NULL || h->key != key)
		return; /* late, of a descriptor that was closed */
	h->events += (uint64_t)(events != POLLOUT) +
		((uint64_t)(events != POLLIN) << 32);
	h->ready |= events;
	h->doubt &= ~events;
	h->doubt |= events & STICKY;
	if (h->used > started)
		h->doubt |= events & ~(uint32_t)POLLRDHUP;
	if (h->event)
		h->event(h, events);
	if (events & POLLIN)
		events |= POLLRDNORM;
	if (events & POLLOUT)
		events |= POLLWRNORM;
	waitq_wake_all(&h->queue, events);
}

static void deliver_all(
	const struct host_event *events, int64_t n, uint64_t started)
{
	for (int64_t i = 0; i < n; i++) {
		if (events[i].key == HOST_KEY_KICK)
			continue;
		if (events[i].key != HOST_KEY_SIGNAL)
			deliver(events[i].key, events[i].events, started);
		else if (events[i].events >= 1 &&
			events[i].events <= SIGNAL_MAX)
			signal_from_host((int)events[i].events);
	}
}

void hostready_fetch(uint64_t timeout_ns)
{
	struct host_event events[HOST_EVENTS_MAX];
	uint64_t started;
	int64_t n;

	if (timeout_ns && hostready_guess && hostready_guess()) {
		if (time_mono_ns() - fetched_at < REFRESH_NS) {
			(void)host_null_exit(0);
			return;
		}
		timeout_ns = 0;
	}
	/* What leaves with this exit is served before the host looks. */
	if (hostcall_before_exit)
		hostcall_before_exit();
	started = operations;
	n = host_poll_wait(events, HOST_EVENTS_MAX, timeout_ns);
	fetched_at = time_mono_ns();
	deliver_all(events, n, started);
}

bool hostready_look(void)
{
	if (registered == 0)
		return false;
	hostready_fetch(0);
	return true;
}

void hostready_errands(void)
{
	if (hostready_do_errands)
		hostready_do_errands();
}

void hostready_finish(void)
{
	uint64_t left, last = 0, since = 0;

	while (hostready_do_errands && (left = hostready_do_errands())) {
		if (left != last)
			since = time_mono_ns();
		last = left;
		if (time_mono_ns() - since > FINISH_NS)
			return;
		hostready_fetch(FINISH_NS);
	}
}

void hostready_refresh(void)
{
	if (registered && time_mono_ns() - fetched_at > REFRESH_NS)
		hostready_fetch(0);
}
