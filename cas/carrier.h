/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service has with CAS, from attestation to the end: its configuration,
 * the tags of its volumes, values that it asks for, its lease, its exit.
 * Connections may be lost in between; what is under way is said again on the
 * next one, for as long as there is time.
 *
 * One thread, which calls carrier_run() when poll(2) says carrier_events() of
 * carrier_fd(), or carrier_timeout() is over. Knows nothing of the kernel: what
 * it needs is in struct carrier_options.
 */
#pragma once

#include "cas/link.h"

enum {
	CARRIER_ADDRESSES = 8,
	CARRIER_START_MS = 90 * 1000, /* for a configuration */
	/* For a tag, lost connections included; not longer than the lease, if
	 * the service ends with it. */
	CARRIER_TAG_MS = 30 * 1000, /* also for a value */
	CARRIER_EXIT_MS = 3 * 1000, /* for the report of the exit */
	CARRIER_REPLY_MS = 10 * 1000, /* CAS must answer, or is lost */
};

struct carrier_options {
	/* All of it is borrowed, and stays. */
	const char *const *addresses; /* the host's word */
	size_t addresses_count;
	uint8_t key[LINK_KEY_SIZE];
	const char *session; /* "name/service" */
	const char *token; /* NULL: none */
	const char *otp; /* one-time password; NULL: none */
	struct text_list host_args;
	unsigned start_ms; /* 0: CARRIER_START_MS */
	/* Evidence with this report data, appended. NULL: none is given. */
	int (*evidence)(void *arg, const uint8_t report_data[64],
		struct buf *out, struct err *e);
	/* A tag's fate: 0, -ESTALE: CAS has another, -EIO: unknown. */
	void (*tag_done)(void *arg, uint64_t id, int status);
	/* What became of a question for a value: 0, -EACCES, -ENOENT, -EINVAL,
	 * -EIO: CAS cannot be asked. value lasts as long as the call. NULL:
	 * nothing is asked. */
	void (*secret_done)(
		void *arg, uint64_t id, int status, const struct bytes *value);
	/* What people should know, one line. */
	void (*say)(void *arg, const char *text);
	void *arg;
};

struct carrier;

/* 0, -ENOMEM, -EINVAL (no or too many addresses). */
must_check int carrier_new(
	const struct carrier_options *o, struct carrier **out, struct err *e);
void carrier_free(struct carrier *c); /* wipes; NULL is fine */

int carrier_fd(const struct carrier *c); /* -1: none at the moment */
short carrier_events(const struct carrier *c);
int carrier_timeout(const struct carrier *c); /* ms, as for poll(2) */
/*
 * Does what is due. 0; before there is a configuration, why there will be none:
 * what CAS refuses with, -EKEYREJECTED, -ETIMEDOUT, ... Later never an error.
 */
must_check int carrier_run(struct carrier *c, struct err *e);

/* The configuration, once it is there (else size 0); and no longer. */
struct bytes carrier_config(const struct carrier *c);
void carrier_forget_config(struct carrier *c);
/* Runs until it is there. Errors as carrier_run(). */
must_check int carrier_start(struct carrier *c, struct err *e);

struct carrier_tag {
	uint64_t id; /* for tag_done() */
	const char *volume; /* copied */
	const uint8_t *from; /* 32 bytes; NULL: the volume was just made */
	const uint8_t *to; /* 32 bytes */
};

/* tag_done() will be called, perhaps from here. */
void carrier_tag(struct carrier *c, const struct carrier_tag *t);

struct carrier_secret {
	uint64_t id; /* for secret_done() */
	const char *name, *format; /* copied; format "": the usual one */
	bool put; /* value, copied and wiped later, is to be set */
	struct bytes value;
};

/* secret_done() will be called, perhaps from here. After a lost connection a
 * value is put once more. */
void carrier_secret(struct carrier *c, const struct carrier_secret *s);

/* The lease is over, and the policy says that the service ends with it. */
bool carrier_expired(const struct carrier *c);

/* Reports the end; `code` is a wait status. carrier_exited(): CAS knows, or
 * there is no time left to tell it. */
void carrier_exit(struct carrier *c, uint64_t code, const char *reason);
bool carrier_exited(const struct carrier *c);
