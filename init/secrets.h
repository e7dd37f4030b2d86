/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that the service's programs, and templates, ask for: from the kernel
 * to CAS and back. What the kernel passes on is a name as programs wrote it.
 */
#pragma once

#include "cas/carrier.h"

/* A service with more at a time waits: CAS's patience is for tags as well. */
enum { SECRETS_AT_ONCE = 8 };

struct secrets {
	int fd;
	void *memory; /* of a question */
	size_t count;
	struct secrets_asked {
		uint64_t id;
		bool json; /* the answer is to be escaped */
	} asked[SECRETS_AT_ONCE];
};

must_check int secrets_open(struct secrets *s, struct err *e);
short secrets_events(const struct secrets *s); /* for poll(2) of fd */
/* Passes on what is there. */
void secrets_serve(struct secrets *s, struct carrier *c);
/* CAS's answer, of carrier_options. */
void secrets_done(
	struct secrets *s, uint64_t id, int status, const struct bytes *value);
