/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in JSON. */
#pragma once

#include <jansson.h>

#include "lib/schema.h"

/* NULL: no memory. */
json_t *base64_json(const void *data, size_t size);
/* out->data is malloc'ed. -EINVAL: not a text of base64, or empty, or longer
 * than max; -ENOMEM. */
must_check int base64_read(const json_t *j, size_t max, struct bytes *out);
