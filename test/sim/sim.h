/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAS in a world that one number decides: stores on a host that lies, witnesses
 * that crash, a network that loses and delays, instances that are killed at any
 * instant and started twice, clients that update and read. One thread, virtual
 * time, no sockets, no files: the same seed is the same run.
 *
 * What is real: cas/store*.c, cas/witness_core.c, cas/witness_quorum.c, and
 * with -e the engine with its services. What is simulated: everything around
 * them.
 */
#pragma once

#include <stdint.h>

#include "cas/store.h"
#include "cas/witness_core.h"
#include "cas/witness_quorum.h"

enum {
	SIM_WITNESSES = 5, /* at most: 3 or 5 */
	SIM_INSTANCES = 64, /* started in one run, at most */
	SIM_LIVE = 2, /* at a time */
	SIM_CLIENTS = 3,
	SIM_OBJECTS = 4, /* tags of volumes, and secrets */
	SIM_ROWS = 1024,
	SIM_RECORDS = 1024,
	SIM_STATES = 4096, /* of disks in one run */
};

/* What is broken on purpose, for tests of the checker. */
enum sim_broken {
	BROKEN_NOTHING,
	BROKEN_ACK_EARLY, /* one witness is a quorum */
	BROKEN_NO_TERM, /* witnesses do not look at terms */
	BROKEN_NO_FRESHNESS, /* the store asks no witness */
	BROKEN_EARLY_REPLY, /* CAS answers before the change is durable */
	BROKEN_STALE_READ, /* CAS tells what it has without a commit */
	BROKEN_OLD_WITNESSES, /* most witnesses are restored from old copies */
	BROKEN_KINDS,
};

/* ---- sim_main.c: the world ---- */
struct sim {
	uint64_t seed, random;
	int64_t now; /* us */
	enum sim_broken broken;
	bool engine; /* the real one, not the few rules of sim_cas.c */
	bool healing; /* the end: no faults any more */
	bool verbose;
	unsigned witnesses;
	char failure[256]; /* what the checker found, or "" */
	uint64_t acks, reads, starts, refusals, attacks, kills;
};

extern struct sim sim;

uint64_t sim_random(void);
/* 0..n-1 */
unsigned sim_below(unsigned n);
bool sim_chance(unsigned percent);
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* fn(arg, a) after us; in the order of time, then of calls. */
typedef void sim_event_fn(void *arg, uint64_t a);
void sim_after(int64_t us, sim_event_fn *fn, void *arg, uint64_t a);

/* ---- sim_disk.c: what stores lie on, and what the host does to it ---- */
struct sim_disk; /* one instance's */

extern const struct store_backend sim_backend;
void sim_disk_reset(void);
/* A disk with a copy of a state; 0: empty. */
struct sim_disk *sim_disk_new(unsigned state);
/* From now on it takes nothing: its process is dead. */
void sim_disk_kill(struct sim_disk *d);
/* The state that it holds, and how many states there were in all. */
unsigned sim_disk_state(const struct sim_disk *d);
unsigned sim_disk_states(void);
/* A new state, made from one of the old ones by a liar. */
unsigned sim_disk_attack(unsigned state);

/* ---- sim_net.c: witnesses and the way to them ---- */
struct sim_link_user {
	void (*answer)(
		void *arg, unsigned witness, const struct witness_reply *r);
	void (*lost)(void *arg, unsigned witness);
	void *arg;
	uint64_t born; /* answers to an earlier owner of this memory are lost */
	bool dead;
};

void sim_net_reset(void);
void sim_net_free(void);
void sim_net_send(struct sim_link_user *u, unsigned witness,
	const struct witness_request *r);

/* ---- sim_cas.c: instances ---- */
struct sim_cas;

void sim_cas_reset(void);
void sim_cas_free(void);
/* NULL: there were too many. */
struct sim_cas *sim_cas_start(unsigned state, bool create);
void sim_cas_kill(struct sim_cas *c);
/* A live one that has its store open, or NULL. */
struct sim_cas *sim_cas_any(void);
unsigned sim_cas_live(void);
bool sim_cas_serves(const struct sim_cas *c);
/* What the last instance that a quorum answered has on its disk. */
unsigned sim_cas_honest_state(void);
unsigned sim_cas_started(void);
unsigned sim_cas_state(unsigned index);
/* Answers come as events. status: 0, -ESTALE, ...; nothing comes if it dies. */
typedef void sim_reply_fn(void *arg, int status, uint64_t version);
void sim_cas_update(struct sim_cas *c, unsigned client, unsigned object,
	uint64_t from, uint64_t to, sim_reply_fn *reply, void *arg);
void sim_cas_read(struct sim_cas *c, unsigned client, unsigned object,
	sim_reply_fn *reply, void *arg);

/* ---- sim_check.c ---- */
void sim_check_reset(void);
/* A client asks for this. The new version. */
uint64_t sim_check_propose(unsigned object, uint64_t from);
/* It was told that this is done. */
void sim_check_acknowledged(unsigned object, uint64_t version);
/* What a read must show at least, if it is asked now. */
uint64_t sim_check_floor(unsigned object);
/* It was told that this is the present version. */
void sim_check_read(unsigned object, uint64_t floor, uint64_t version);
