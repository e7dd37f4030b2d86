/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form from a hostile store: what is taken is the only spelling,
 * and everything that works on sessions can work on it. */
#include <stdlib.h>
#include <string.h>

#include "cas/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf form = {0}, text = {0};
	struct session *s = NULL;
	struct err e = {0};

	if (session_decode(data, size, &s, &e) < 0) {
		if (e.code == 0)
			abort();
		return 0;
	}
	if (session_encode(s, &form) < 0 || form.size != size ||
		memcmp(form.data, data, size) != 0)
		abort();
	(void)!session_yaml(s, &text);
	(void)!session_diff(NULL, s, &text);
	(void)!session_diff(s, s, &text);
	buf_fini(&form);
	buf_fini(&text);
	session_free(s);
	return 0;
}
