/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket options: those that are the same for every family, and the table of
 * those that the host may be asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct socket;

enum { SOCKOPT_STACK = 512 };

int sockopt_set(
	struct socket *s, int level, int name, const void *value, size_t size);
/* *size: room, then bytes written. */
int sockopt_get(
	struct socket *s, int level, int name, void *value, size_t *size);

/* Bytes of value with which level/name may pass to the host; 0: it may not. */
size_t sockopt_host_size(int level, int name, bool set);
/* Copies n bytes, or as many as there is room for. 0. */
int sockopt_give(void *value, size_t *size, const void *from, size_t n);
