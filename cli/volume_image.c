/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce image`: a directory tree as a sealed volume. What it prints names the
 * contents for ever: manifests have it as volumes[].image.
 */
#include <stdio.h>
#include <string.h>

#include "cli/volume_cmd.h"
#include "lib/bytes.h"

int volume_cmd_image(struct volume_args *a, struct err *e)
{
	const char *from = a->path[0];
	uint8_t tag[VOL_TAG_SIZE];
	char text[2 * sizeof(tag) + 1];
	struct volume_session s;
	int ret, left_out;

	a->path++; /* what is opened is the image */
	if (a->key_file == NULL && a->new_key == NULL)
		a->public = true;
	a->recursive = true;
	ret = volume_cmd_create(a, e);
	if (ret < 0)
		return ret;
	if (a->new_key != NULL)
		a->key_file = a->new_key;
	ret = volume_session_open(&s, a, true, e);
	if (ret < 0)
		return ret;
	ret = left_out = volume_copy_tree(s.v, from, a, e);
	if (ret >= 0) {
		ret = volume_seal(s.v, tag);
		if (ret < 0)
			err_setf(e, ret, "%s: cannot be sealed: %s", a->path[0],
				strerror(-ret));
	}
	ret = volume_session_close(&s, ret, e);
	if (ret < 0)
		return ret;
	bytes_to_hex(tag, sizeof(tag), text);
	printf(a->json ? "{\"hash\": \"%s\"}\n" : "%s\n", text);
	return left_out;
}
