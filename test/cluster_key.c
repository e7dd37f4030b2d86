/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster-key make|open FILE: the cluster key as CAS has it, by whatever sealer
 * there is; prints the sealer's name and the cluster's. --plain allows none.
 */
#include <stdio.h>
#include <string.h>

#include "cas/keys.h"
#include "lib/bytes.h"

int main(int argc, char **argv)
{
	bool plain = argc == 4 && !strcmp(argv[3], "--plain");
	uint8_t key[STORE_KEY_SIZE], id[STORE_HASH_SIZE];
	char hex[2 * STORE_HASH_SIZE + 1];
	struct key_sealer s;
	struct err e = {0};
	int rc;

	if (argc < 3)
		return 2;
	rc = keys_sealer_find(&s, plain, &e);
	if (!rc && s.warning)
		fprintf(stderr, "%s\n", s.warning);
	if (!rc)
		rc = strcmp(argv[1], "make")
			? keys_cluster_open(&s, argv[2], key, &e)
			: keys_cluster_make(&s, argv[2], key, &e);
	if (rc) {
		fprintf(stderr, "%d %s\n", rc, e.text);
		return 1;
	}
	keys_cluster_id(key, id);
	bytes_to_hex(id, sizeof(id), hex);
	printf("%s %s\n", s.name, hex);
	return 0;
}
