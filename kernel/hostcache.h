/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the host's regular files kept inside, for small repeated reads.
 *
 * Coherence is that of the attributes (hostfs.h): pages are used only while
 * the file's attributes are fresh, and dropped as soon as size, mtime or ctime
 * differ. Writing through this enclave drops them at once. Writes are never
 * kept back. What is read once passes by; a page is kept from its second
 * reading on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

struct file;
struct uio;

/* In every node of a host file; zeroed is empty. */
struct hostcache {
	struct list pages; /* of this file; linked when touched first */
	uint64_t seen; /* bit i % 64: page i was read and not kept */
	int32_t worth; /* hits minus the cost of drops; < 0: pass by */
};

enum { HOSTCACHE_READ_MAX = 32768 };

/*
 * Reads at pos what the cache has: bytes, or -EFAULT. whole: that is all there
 * is to read, the end of the file included; else the host is to be asked for
 * the rest. For u->resid <= HOSTCACHE_READ_MAX. May sleep.
 */
int64_t hostcache_read(
	struct file *f, struct uio *u, uint64_t pos, bool *whole);
/* The content changed or may have. Never sleeps. */
void hostcache_drop(struct hostcache *c);
