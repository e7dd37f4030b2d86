/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-sign KERNEL KEY.pem OUT: writes the SIGSTRUCT of a kernel image.
 *
 * KEY is an RSA-3072 key with exponent 3; if the file does not exist a fresh
 * one is made there (mode 0600): good for development, whose MRSIGNER then
 * belongs to this build folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "attest/image.h"
#include "attest/sigstruct.h"

static EVP_PKEY *load_key(const char *path)
{
	EVP_PKEY *key;
	FILE *f = fopen(path, "r");
	int fd;

	if (f) {
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
		return key;
	}
	key = sigstruct_key_new();
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!key || !f ||
		!PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) ||
		fclose(f)) {
		fprintf(stderr, "sconce-sign: %s: %s\n", path, strerror(errno));
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

static void *load(const char *path, size_t *size)
{
	struct stat st;
	FILE *f = fopen(path, "r");
	void *data = NULL;

	if (!f || fstat(fileno(f), &st) ||
		!(data = malloc((size_t)st.st_size)) ||
		fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		fprintf(stderr, "sconce-sign: %s: %s\n", path, strerror(errno));
		free(data);
		data = NULL;
	} else {
		*size = (size_t)st.st_size;
	}
	if (f)
		fclose(f);
	return data;
}

static uint32_t bcd_today(void)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t now = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
	struct tm tm;
	char text[16];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m%d", &tm);
	return (uint32_t)strtoul(text, NULL, 16);
}

int main(int argc, char **argv)
{
	static struct sgx_sigstruct sig;
	struct err e = {0};
	size_t size = 0;
	EVP_PKEY *key;
	void *elf;
	FILE *out;
	int err;

	if (argc != 4) {
		fprintf(stderr, "usage: sconce-sign KERNEL KEY.pem OUT\n");
		return 2;
	}
	elf = load(argv[1], &size);
	key = load_key(argv[2]);
	if (!elf || !key)
		return 1;
	sigstruct_init(&sig);
	sig.date = bcd_today();
	sig.miscselect = SGX_MISC_EXINFO;
	sig.attributes.flags = SGX_ATTR_MODE64BIT | SGX_ATTR_KSS;
	sig.attributes.xfrm = XFRM_REQUIRED;
	err = image_measure(elf, size, sig.enclavehash, &e);
	if (err) {
		fprintf(stderr, "sconce-sign: %s: %s\n", argv[1], e.text);
		return 1;
	}
	err = sigstruct_sign(&sig, key);
	if (err) {
		fprintf(stderr,
			"sconce-sign: %s: not an RSA-3072 key with exponent "
			"3\n",
			argv[2]);
		return 1;
	}
	out = fopen(argv[3], "w");
	if (!out || fwrite(&sig, sizeof(sig), 1, out) != 1 || fclose(out)) {
		fprintf(stderr, "sconce-sign: %s: %s\n", argv[3],
			strerror(errno));
		return 1;
	}
	EVP_PKEY_free(key);
	free(elf);
	return 0;
}
