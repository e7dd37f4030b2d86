/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/aesm.c by itself, for test/system/test_aesm.py:
 *
 *	aesm-client target SOCKET
 *	aesm-client quote SOCKET REPORT [CAPACITY]
 *
 * "-" for SOCKET: NULL. Prints the result in hexadecimal digits, or fails with
 * "ERRNO-NUMBER TEXT" on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/aesm.h"

static void print_hex(const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const uint8_t *)data)[i]);
	printf("\n");
}

static int get_quote(const char *path, int argc, char **argv, struct err *e)
{
	static uint8_t quote[AESM_QUOTE_MAX];
	size_t capacity = argc > 4 ? strtoul(argv[4], NULL, 10) : sizeof(quote);
	struct sgx_report report;
	FILE *f = fopen(argv[3], "rb");
	size_t size = 0;
	int ret;

	if (!f || fread(&report, sizeof(report), 1, f) != 1 ||
		capacity > sizeof(quote)) {
		perror(argv[3]);
		exit(2);
	}
	fclose(f);
	ret = aesm_quote(path, &report, quote, capacity, &size, e);
	if (ret == 0)
		print_hex(quote, size);
	return ret;
}

int main(int argc, char **argv)
{
	struct sgx_targetinfo target;
	struct err e = {0};
	const char *path;
	int ret;

	if (argc < 3)
		return 2;
	path = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
	if (strcmp(argv[1], "quote") == 0 && argc > 3) {
		ret = get_quote(path, argc, argv, &e);
	} else {
		ret = aesm_target(path, &target, &e);
		if (ret == 0)
			print_hex(&target, sizeof(target));
	}
	if (ret < 0)
		fprintf(stderr, "%d %s\n", -ret, e.text);
	return ret < 0;
}
