/* SPDX-License-Identifier: Apache-2.0 */
/* What canonical CBOR is, said a second time, by way of the reader. */
#pragma once

#include "lib/types.h"

/*
 * Exactly one item, canonical throughout, at most @depth levels of arrays and
 * maps, map keys text. 0 or -EBADMSG.
 */
must_check int cbor_check(const void *data, size_t size, int depth);
