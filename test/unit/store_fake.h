/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies below a store, in memory: a disk whose rows and records tests
 * alter, copy and put back, that fails and crashes when told to; and somebody
 * who holds freshness.
 */
#pragma once

#include "cas/store.h"

struct fake_blob {
	uint8_t name[STORE_ROW_NAME_SIZE]; /* of a row */
	uint64_t seq; /* of a record */
	uint8_t *data;
	size_t size;
};

struct fake_list {
	struct fake_blob *item;
	size_t count, cap;
};

struct fake_disk {
	bool exists;
	struct fake_list rows, records;
	/* The next writes fail so; with `done`, after they were done. */
	int fail;
	bool done;
	unsigned writes;
};

extern const struct store_backend fake_backend; /* arg: struct fake_disk */

void fake_disk_copy(const struct fake_disk *from, struct fake_disk *to);
void fake_disk_fini(struct fake_disk *d);
void fake_list_add(struct fake_list *l, const struct fake_blob *b);
void fake_list_remove(struct fake_list *l, size_t index);

struct fake_holder {
	struct freshness freshness; /* first */
	struct freshness_state state;
	bool exists;
	int fail; /* append and open fail so; with `done`, after it is known */
	bool done;
	unsigned opens, stops, appends;
};

void fake_holder_init(struct fake_holder *h);
