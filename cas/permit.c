/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/permit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cas/access.h"
#include "cas/base64_json.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { KEY_MAX = 1024 };

void permit_rollback_text(
	const struct permit_rollback *p, char text[static PERMIT_TEXT_MAX])
{
	char cluster[65], head[65], instead[65];

	bytes_to_hex(p->cluster, 32, cluster);
	bytes_to_hex(p->head, 32, head);
	bytes_to_hex(p->instead_head, 32, instead);
	snprintf(text, PERMIT_TEXT_MAX,
		"sconce-cas-permit-1 rollback %s %" PRIu64 " %s %" PRIu64 " %s",
		cluster, p->seq, head, p->instead, instead);
}

static int verify(
	struct store *s, const json_t *j, const char *text, struct err *e)
{
	struct signature sig = {0};
	uint8_t key[32] = {0};
	const void *owner;
	size_t size;
	int ret = base64_read(json_object_get(j, "key"), KEY_MAX, &sig.spki);

	if (!ret)
		ret = base64_read(
			json_object_get(j, "value"), KEY_MAX, &sig.value);
	if (ret)
		err_setf(e, ret, "wanted what `sconce cas permit` writes");
	else
		ret = access_verify(&sig, text, strlen(text), key, e);
	if (!ret &&
		(!store_get(s, STORE_META, "owner", 5, &owner, &size, NULL) ||
			size < 32 || memcmp(owner, key, 32) != 0))
		ret = err_setf(
			e, -EKEYREJECTED, "not signed with the owner's key");
	free((void *)(uintptr_t)sig.spki.data);
	free((void *)(uintptr_t)sig.value.data);
	return ret;
}

int permit_text(struct store *s, const char *permit,
	char text[static PERMIT_TEXT_MAX], struct err *e)
{
	json_t *j = json_loads(permit, JSON_REJECT_DUPLICATES, NULL);
	const char *said = json_string_value(json_object_get(j, "text"));
	int ret = said && !string_copy(text, PERMIT_TEXT_MAX, said)
		? verify(s, j, text, e)
		: err_setf(
			  e, -EINVAL, "wanted what `sconce cas permit` writes");

	json_decref(j);
	return ret ? err_prefix(e, "--permit") : 0;
}

int permit_check(
	struct store *s, const char *permit, const char *text, struct err *e)
{
	char said[PERMIT_TEXT_MAX];
	int ret = permit_text(s, permit, said, e);

	if (ret || strcmp(said, text) == 0)
		return ret;
	return err_setf(e, -EKEYREJECTED,
		"--permit: it permits something else: %.150s; wanted %.200s",
		said, text);
}
