/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest that stands for "whatever this session of this CAS says". The
 * launcher and CAS make the same bytes of it, and so the same CONFIGID; the
 * kernel only ever decodes them.
 */
#pragma once

#include "lib/manifest.h"

/* Enough for any of them. */
enum { MANIFEST_CAS_MAX = 8192 };

/*
 * The canonical form for CAS with key hash @key, @session "name/service" and
 * @token (NULL or "": none) in @out; its size in @size. -EINVAL with the
 * reason in @e if manifest_check() refuses it.
 */
must_check int manifest_for_cas(const uint8_t key[32], const char *session,
	const char *token, uint8_t out[MANIFEST_CAS_MAX], size_t *size,
	struct err *e);
