/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who guards this CAS's freshness: witnesses, a TPM, or nobody; and what
 * happens when they have seen a newer state than the store is.
 */
#pragma once

#include "cas/server.h"

struct guard;

/* STORE_META: how often the owner gave up acknowledged records, decimal. Each
 * time begins a new epoch, which witnesses know under another name. */
#define GUARD_EPOCH_ROW "epoch"

/*
 * Has the store (opened without) guarded as the options say. -ESTALE: it is
 * not the newest, and no permit of the owner's says that it will do. The store
 * is closed before guard_free().
 */
must_check int guard_new(struct server *s, const struct server_options *o,
	const uint8_t key[static STORE_KEY_SIZE], struct guard **out,
	struct err *e);
void guard_free(struct guard *g); /* NULL is fine */
