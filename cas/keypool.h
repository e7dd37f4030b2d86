/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA keys made in advance: one takes a tenth of a second and more, which the
 * engine's thread does not have. A thread of its own, of low priority, keeps
 * some of each size ready.
 */
#pragma once

#include "cas/secret.h"

struct keypool;

/* count: of each size of RSA key, 1 to 64. -ENOMEM, -EAGAIN (no thread). */
must_check int keypool_new(unsigned count, struct keypool **out, struct err *e);
/* Waits for the key that is being made. Wipes; NULL is fine. */
void keypool_free(struct keypool *p);
/* A secret_key_fn, arg being the pool: the caller's key, or NULL: none ready,
 * or not RSA. Any thread. */
struct evp_pkey_st *keypool_take(void *arg, enum key_type type);
/* How many are ready. */
unsigned keypool_ready(struct keypool *p, enum key_type type);
