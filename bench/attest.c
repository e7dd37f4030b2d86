/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verifying a quote costs, in verifications of ECDSA P-256 by EVP in the
 * same run: by CPU time, in turns, the best round of each.
 *
 * usage: bench-attest [-r ROUNDS] FOLDER...
 *
 * A folder holds quote.bin and its collateral, as `sconce quote verify` takes
 * them. Without folders: two of the directory SCONCE_VECTORS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "attest/collateral.h"

enum { PASSES = 50, MESSAGE = 432, SIGNATURE_MAX = 80 };

enum work {
	P256, /* of a quote's size, key and context at hand */
	WARM, /* same platform, same start of its quoting enclave */
	WARM_QE, /* the QE report was not seen before */
	WARM_PCK, /* nor was the platform */
	COLD, /* parse and verify everything */
	GARBAGE, /* a header that is right, then noise */
	WORKS
};

static const char *const names[WORKS] = {
	[P256] = "ECDSA P-256 verification, EVP",
	[WARM] = "warm",
	[WARM_QE] = "warm, another QE report",
	[WARM_PCK] = "warm, another platform",
	[COLD] = "cold",
	[GARBAGE] = "garbage refused",
};

struct folder {
	struct span quote;
	struct collateral_files files;
	struct evidence_options options;
	struct collateral *warm;
	uint8_t garbage[4096];
};

static EVP_PKEY *key;
static EVP_MD *md;
static uint8_t message[MESSAGE], signature[SIGNATURE_MAX];
static size_t signature_size = sizeof(signature);

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench-attest: %s: %s\n", what, why);
	exit(1);
}

static struct span read_file(const char *folder, const char *name)
{
	char path[1024];
	struct span s = {0};
	FILE *f;
	uint8_t *data = malloc(COLLATERAL_FILE_MAX);

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f || !data) {
		free(data);
		return s;
	}
	s.size = fread(data, 1, COLLATERAL_FILE_MAX, f);
	s.data = data;
	fclose(f);
	return s;
}

static struct collateral *new_collateral(const struct folder *f)
{
	struct collateral *c;
	struct err e;

	if (collateral_new(&f->files, NULL, &c, &e))
		die("collateral", e.text);
	return c;
}

static void verify(const struct folder *f, struct collateral *c)
{
	static struct verdict v;
	struct err e;

	if (evidence_verify(
		    f->quote.data, f->quote.size, c, &f->options, &v, &e))
		die("quote", e.text);
	if (!v.signature || v.failure_count)
		die(v.failures[0].rule, v.failures[0].seen);
}

/* Dates are those at which everything is valid. */
static void open_folder(struct folder *f, const char *path)
{
	static struct verdict v;
	struct err e;
	uint32_t noise = 1;

	f->quote = read_file(path, "quote.bin");
	for (size_t i = 0; collateral_names[i]; i++)
		*collateral_file(&f->files, i) = read_file(
			path, collateral_names[i]);
	if (!f->quote.data)
		die(path, "no quote.bin");
	f->warm = new_collateral(f);
	if (evidence_verify(
		    f->quote.data, f->quote.size, f->warm, &f->options, &v, &e))
		die("quote", e.text);
	f->options.at = v.valid_from;
	verify(f, f->warm);
	for (size_t i = 0; i < sizeof(f->garbage); i++)
		f->garbage[i] =
			(uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
	memcpy(f->garbage, f->quote.data, QUOTE_HEADER_SIZE);
}

static void make_signature(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	key = EVP_EC_gen("P-256");
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!ctx || !key || !md ||
		EVP_DigestSignInit(ctx, NULL, md, NULL, key) != 1 ||
		EVP_DigestSign(ctx, signature, &signature_size, message,
			sizeof(message)) != 1)
		die("libcrypto", "cannot sign");
	EVP_MD_CTX_free(ctx);
}

static void verify_p256(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) != 1 ||
		EVP_DigestVerify(ctx, signature, signature_size, message,
			sizeof(message)) != 1)
		die("libcrypto", "cannot verify");
	EVP_MD_CTX_free(ctx);
}

/* As if another platform had been seen; CAs and collateral are known. */
static void forget_platform(struct collateral *c)
{
	struct pck_chain *p = &c->cache[0];

	for (size_t i = 0; i < ARRAY_SIZE(p->certs); i++) {
		x509_cert_unref(p->certs[i]);
		p->certs[i] = NULL;
	}
	c->cache_next = 0;
}

static void work_once(struct folder *f, enum work work)
{
	struct collateral *c;
	struct quote quote;
	struct err e;

	switch (work) {
	case P256:
		verify_p256();
		break;
	case WARM_PCK:
		forget_platform(f->warm);
		verify(f, f->warm);
		break;
	case WARM_QE:
		f->warm->cache[0].has_qe = false;
		verify(f, f->warm);
		break;
	case WARM:
		verify(f, f->warm);
		break;
	case COLD:
		c = new_collateral(f);
		verify(f, c);
		collateral_free(c);
		break;
	default:
		if (quote_parse(f->garbage, sizeof(f->garbage), &quote, &e) ==
			0)
			die("garbage", "accepted");
	}
}

static double measure(struct folder *f, enum work work)
{
	struct timespec from, until;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < PASSES; i++)
		work_once(f, work);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &until);
	return ((double)(until.tv_sec - from.tv_sec) * 1e6 +
		       (double)(until.tv_nsec - from.tv_nsec) / 1e3) /
		PASSES;
}

static void run(const char *path, int rounds)
{
	static struct folder f;
	double best[WORKS];

	memset(&f, 0, sizeof(f));
	open_folder(&f, path);
	for (int i = 0; i < WORKS; i++)
		best[i] = 1e9;
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < WORKS; i++) {
			double took = measure(&f, (enum work)i);

			if (took < best[i])
				best[i] = took;
		}
	printf("%s, best of %d rounds\n", path, rounds);
	for (int i = 0; i < WORKS; i++)
		printf("  %-30s %8.2f us %8.3f\n", names[i], best[i],
			best[i] / best[P256]);
	collateral_free(f.warm);
}

int main(int argc, char **argv)
{
	static const char *const cases[] = {"sgx-v3-phala-00a067110000",
		"sgx-v3-automata-00606a000000", "tdx-v4-phala-b0c06f000000"};
	const char *vectors = getenv("SCONCE_VECTORS");
	char path[1024];
	int rounds = 20, option;

	while ((option = getopt(argc, argv, "r:")) != -1) {
		if (option != 'r')
			return 2;
		rounds = atoi(optarg);
	}
	make_signature();
	for (int i = optind; i < argc; i++)
		run(argv[i], rounds);
	if (optind < argc)
		return 0;
	if (!vectors)
		die("no folder", "give some, or set SCONCE_VECTORS");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(path, sizeof(path), "%s/dcap/%s", vectors, cases[i]);
		run(path, rounds);
	}
	return 0;
}
