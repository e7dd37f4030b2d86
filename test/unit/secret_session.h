/* SPDX-License-Identifier: Apache-2.0 */
/* A session with secrets of every kind, made in C, for tests of values. */
#pragma once

#include "cas/secret.h"

/* The session "shop/db"; nothing to be freed. Reset by each call. */
struct session *secret_session_all(void);
/* One with these secrets. */
struct session *secret_session(struct secret_spec *list, size_t count);

/* A point in time for tests; s since 1970. */
enum { SECRET_SESSION_NOW = 1800000000 };
