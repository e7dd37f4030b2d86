/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness of host descriptors, as known inside.
 *
 * Each host socket (or pipe, or terminal) is registered once, edge-triggered,
 * in the host's epoll instance under a key that the kernel chose. Per
 * descriptor a mask says what is ready. Events set bits; operations that met
 * the end of what was ready clear them: the next edge is then certain to
 * come. A bit may be doubtful (a read returned all that was asked for): it is
 * verified when somebody polls.
 *
 * The host's word on readiness is a hint only (S-30): a lie costs time, never
 * correctness.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/wait.h"

struct poll_ctx;
struct uio;

struct hostready {
	uint64_t key;
	uint32_t ready; /* POLLIN, POLLOUT, POLLPRI, POLLERR, POLLHUP,
			   POLLRDHUP */
	uint32_t doubt; /* subset of ready to be verified */
	uint64_t events; /* that came, ever; low half: about reading, high
			    half: about writing */
	uint64_t used; /* number of the last operation */
	/* An event came; must not sleep. NULL: nobody wants to know. */
	void (*event)(struct hostready *h, uint32_t events);
	struct waitq queue;
};

/* Chooses the key. 0 or -ENOMEM. */
int hostready_init(struct hostready *h);
void hostready_fini(struct hostready *h);
/* Registers a descriptor that the host did not register itself when it made
 * it. -EPERM: always ready (a regular file). May sleep. */
int hostready_attach(struct hostready *h, int host_fd);
/* Forget what is known: connect and listen change the meaning of it all. */
void hostready_reset(struct hostready *h);

/*
 * Around each operation on the descriptor:
 *
 *	seen = hostready_begin(h);
 *	n = host_...();
 *	hostready_done(h, seen, POLLIN or POLLOUT, how);
 */
enum hostready_how {
	HOSTREADY_SOME, /* as much as was asked for: there may be more */
	HOSTREADY_MORE, /* there is more */
	HOSTREADY_DRY, /* nothing is left */
	HOSTREADY_SHORT, /* less than asked for, of a stream */
	HOSTREADY_KEEP, /* says nothing about what is left */
};
uint64_t hostready_begin(const struct hostready *h);
void hostready_done(struct hostready *h, uint64_t seen, uint32_t event,
	enum hostready_how how);
/* The same in two parts: what the operation told, which may come late, and
 * that there was one. */
void hostready_learn(struct hostready *h, uint64_t seen, uint32_t event,
	enum hostready_how how);
void hostready_use(struct hostready *h);

/* Was the last operation of all one on this descriptor? Then nothing that the
 * application did or learnt since can have made it ready. */
bool hostready_is_latest(const struct hostready *h);

/* A file's poll(). May sleep. */
uint32_t hostready_poll(struct hostready *h, int host_fd, struct poll_ctx *pc);
/* Is none of these events known? Then trying is (almost) in vain. */
static inline bool hostready_none(const struct hostready *h, uint32_t events)
{
	return (h->ready & (events | 0x38)) == 0; /* ERR, HUP, NVAL */
}
/* Waits until one of the events (or an error) may have come. 0, -ETIMEDOUT,
 * -ERESTARTSYS. */
int hostready_wait(struct hostready *h, uint32_t events, uint64_t deadline)
	__attribute__((warn_unused_result));

/* Fetches events from the host and delivers them: waits up to timeout ns (0:
 * just looks; NO_DEADLINE). Returns after the first batch, a kick or a
 * signal. A sleep point. */
void hostready_fetch(uint64_t timeout_ns);
/* Before an enclave thread waits outside, and at ticks: what its results are
 * waited for leaves now, not with the wait. May sleep. */
void hostready_errands(void);
/* Does it; bytes that are sent but still inside. NULL: there are none. */
extern uint64_t (*hostready_do_errands)(void);
/* When an enclave thread is about to wait: posts what may make the wait
 * unnecessary. False: nothing. NULL: never. */
extern bool (*hostready_guess)(void);
/* Before the enclave ends: until all that was sent has left, or nothing of it
 * leaves for five seconds. */
void hostready_finish(void);
/* A poll without waiting found nothing: ask the host. False if there is
 * nothing to ask. */
bool hostready_look(void);
/* The same, but only if it has not been done for a while. */
void hostready_refresh(void);
