/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-quote HEX: runs in an enclave, for `sconce quote get`. Sets REPORTDATA
 * to the 64 bytes of HEX and writes a quote to standard output. Static, without
 * anything of ours: an example of how a program gets evidence.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DATA_SIZE = 64, QUOTE_MAX = 16384 };

static int fail(const char *what)
{
	fprintf(stderr, "sconce-quote: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	static unsigned char data[DATA_SIZE], quote[QUOTE_MAX];
	ssize_t size = 0, n;
	int fd;

	if (argc != 2 || strlen(argv[1]) != 2 * DATA_SIZE) {
		fprintf(stderr, "usage: sconce-quote HEX (128 digits)\n");
		return 2;
	}
	for (int i = 0; i < DATA_SIZE; i++)
		if (sscanf(argv[1] + 2 * i, "%2hhx", &data[i]) != 1)
			return 2;
	fd = open("/dev/attestation/user_report_data", O_WRONLY);
	if (fd < 0 || write(fd, data, DATA_SIZE) != DATA_SIZE)
		return fail("/dev/attestation/user_report_data");
	close(fd);
	fd = open("/dev/attestation/quote", O_RDONLY);
	if (fd < 0)
		return fail("/dev/attestation/quote");
	while (size < QUOTE_MAX &&
		(n = read(fd, quote + size, (size_t)(QUOTE_MAX - size))) != 0) {
		if (n < 0)
			return fail("/dev/attestation/quote");
		size += n;
	}
	for (ssize_t at = 0; at < size; at += n) {
		n = write(STDOUT_FILENO, quote + at, (size_t)(size - at));
		if (n < 0)
			return fail("standard output");
	}
	return 0;
}
