/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and opening of a volume's blocks (volume/block.c), against the
 * library that does the encryption: its single calls and its bursts, in turns,
 * by CPU time, the best round of each.
 *
 * usage: bench-aead [rounds]
 */
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "volume/volume_int.h"

enum {
	BLOCKS = 256, /* one mebibyte: what a processor's cache holds */
	BATCH = 32,
	PASSES = 20,
};

enum work {
	SINGLE_SEAL,
	BURST_SEAL,
	VOLUME_SEAL,
	SINGLE_OPEN,
	BURST_OPEN,
	VOLUME_OPEN,
	WORKS
};

static const char *const names[WORKS] = {
	[SINGLE_SEAL] = "library, single calls, seal",
	[BURST_SEAL] = "library, bursts, seal",
	[VOLUME_SEAL] = "volume, seal",
	[SINGLE_OPEN] = "library, single calls, open",
	[BURST_OPEN] = "library, bursts, open",
	[VOLUME_OPEN] = "volume, open",
};

static uint8_t plain[BLOCKS][VOL_BLOCK_SIZE], sealed[BLOCKS][VOL_BLOCK_SIZE];
static struct vol_ptr ptr[BLOCKS];
static struct vol_place place[BLOCKS];
static uint8_t keys[1 << 20]; /* the file of keys */
static struct volume volume;
static struct gcm_key_data library_key;
static IMB_MGR *mgr;

static int op_read(void *ctx, struct volume_file f, uint64_t offset, void *data,
	size_t size)
{
	memcpy(data, keys + offset, size);
	return 0;
}

static int op_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	memcpy(keys + offset, data, size);
	return 0;
}

static int op_flush(void *ctx, struct volume_file f)
{
	return 0;
}

static int op_resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	return size <= sizeof(keys) ? 0 : -1;
}

static int op_random(void *ctx, void *data, size_t size)
{
	return getrandom(data, size, 0) == (ssize_t)size ? 0 : -1;
}

static void *op_alloc(void *ctx, size_t size)
{
	return calloc(1, size);
}

static void op_free(void *ctx, void *p, size_t size)
{
	free(p);
}

/* In volume.c, which would bring the rest of the library. */
void *vol_alloc_memory(struct volume *v, size_t size)
{
	return op_alloc(NULL, size);
}

void vol_free_memory(struct volume *v, void *p, size_t size)
{
	free(p);
}

static const struct volume_ops ops = {
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.resize = op_resize,
	.random = op_random,
	.alloc = op_alloc,
	.free = op_free,
};

static void fail(const char *what)
{
	fprintf(stderr, "bench-aead: %s\n", what);
	exit(1);
}

static void prepare(void)
{
	uint8_t key[VOL_KEY_SIZE] = "any key";

	volume.env.ops = &ops;
	volume.suite = VOL_ENCRYPTED;
	if (vol_keys_init(&volume, key))
		fail("no memory");
	mgr = alloc_mb_mgr(0);
	if (!mgr)
		fail("no memory");
	init_mb_mgr_auto(mgr, NULL);
	IMB_AES256_GCM_PRE(mgr, key, &library_key);
	for (int i = 0; i < BLOCKS; i++) {
		if (op_random(NULL, plain[i], sizeof(plain[i])))
			fail("no random numbers");
		ptr[i].slot_epoch = i;
		place[i] = (struct vol_place){7, i, 0, VOL_KIND_TREE};
	}
}

/* Nonce and tag as the volume keeps them. */
static void single(bool open)
{
	struct gcm_context_data c;

	for (int i = 0; i < BLOCKS; i++) {
		uint8_t nonce[12] = {0}, tag[16];

		memcpy(nonce, &ptr[i].counter, 8);
		if (open)
			IMB_AES256_GCM_DEC(mgr, &library_key, &c, plain[i],
				sealed[i], VOL_BLOCK_SIZE, nonce,
				(const uint8_t *)&place[i], sizeof(place[i]),
				tag, sizeof(tag));
		else
			IMB_AES256_GCM_ENC(mgr, &library_key, &c, sealed[i],
				plain[i], VOL_BLOCK_SIZE, nonce,
				(const uint8_t *)&place[i], sizeof(place[i]),
				tag, sizeof(tag));
	}
}

static void burst(bool open)
{
	for (int at = 0; at < BLOCKS; at += BATCH) {
		uint8_t nonce[BATCH][12] = {{0}}, tag[BATCH][16];
		IMB_JOB *jobs[BATCH];

		while (IMB_GET_NEXT_BURST(mgr, BATCH, jobs) < BATCH)
			IMB_FLUSH_BURST(mgr, BATCH, jobs);
		for (int i = 0; i < BATCH; i++) {
			IMB_JOB *j = jobs[i];
			int b = at + i;

			memcpy(nonce[i], &ptr[b].counter, 8);
			j->cipher_mode = IMB_CIPHER_GCM;
			j->hash_alg = IMB_AUTH_AES_GMAC;
			j->cipher_direction = open ? IMB_DIR_DECRYPT
						   : IMB_DIR_ENCRYPT;
			j->chain_order = open ? IMB_ORDER_HASH_CIPHER
					      : IMB_ORDER_CIPHER_HASH;
			j->key_len_in_bytes = 32;
			j->enc_keys = j->dec_keys = &library_key;
			j->src = open ? sealed[b] : plain[b];
			j->dst = open ? plain[b] : sealed[b];
			j->cipher_start_src_offset_in_bytes = 0;
			j->hash_start_src_offset_in_bytes = 0;
			j->msg_len_to_cipher_in_bytes = VOL_BLOCK_SIZE;
			j->msg_len_to_hash_in_bytes = VOL_BLOCK_SIZE;
			j->iv = nonce[i];
			j->iv_len_in_bytes = 12;
			j->u.GCM.aad = &place[b];
			j->u.GCM.aad_len_in_bytes = sizeof(place[b]);
			j->auth_tag_output = tag[i];
			j->auth_tag_output_len_in_bytes = 16;
		}
		if (IMB_SUBMIT_BURST(mgr, BATCH, jobs) != BATCH)
			fail("a burst was not done at once");
	}
}

static void volume_seal_all(void)
{
	static struct vol_seal b[BATCH];

	for (int at = 0; at < BLOCKS; at += BATCH) {

		for (int i = 0; i < BATCH; i++)
			b[i] = (struct vol_seal){place[at + i], plain[at + i],
				sealed[at + i], &ptr[at + i]};
		if (vol_block_seal(&volume, b, BATCH))
			fail("sealing failed");
	}
}

static void volume_open_all(void)
{
	static struct vol_open b[BATCH];

	for (int at = 0; at < BLOCKS; at += BATCH) {

		for (int i = 0; i < BATCH; i++)
			b[i] = (struct vol_open){.place = place[at + i],
				.ptr = ptr[at + i],
				.in = sealed[at + i],
				.data = plain[at + i]};
		if (vol_block_open(&volume, b, BATCH))
			fail("opening failed");
	}
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double measure(enum work w)
{
	double start;

	if (w == VOLUME_OPEN)
		volume_seal_all(); /* a library's decryption came before */
	start = cpu_seconds();
	for (int i = 0; i < PASSES; i++) {
		switch (w) {
		case SINGLE_SEAL:
		case SINGLE_OPEN:
			single(w == SINGLE_OPEN);
			break;
		case BURST_SEAL:
		case BURST_OPEN:
			burst(w == BURST_OPEN);
			break;
		case VOLUME_SEAL:
			volume_seal_all();
			break;
		default:
			volume_open_all();
			break;
		}
	}
	return (double)PASSES * BLOCKS * VOL_BLOCK_SIZE /
		(cpu_seconds() - start) / 1e9;
}

static void report(
	double best[WORKS], enum work one, enum work many, enum work ours)
{
	double library = best[one] > best[many] ? best[one] : best[many];

	printf("%-32s %6.2f GB/s\n", names[one], best[one]);
	printf("%-32s %6.2f GB/s\n", names[many], best[many]);
	printf("%-32s %6.2f GB/s  %.2f of the library's best\n", names[ours],
		best[ours], best[ours] / library);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 15;
	double best[WORKS] = {0};

	prepare();
	for (int r = 0; r < rounds; r++) {
		for (enum work w = 0; w < WORKS; w++) {
			double speed = measure(w);

			if (speed > best[w])
				best[w] = speed;
		}
	}
	report(best, SINGLE_SEAL, BURST_SEAL, VOLUME_SEAL);
	report(best, SINGLE_OPEN, BURST_OPEN, VOLUME_OPEN);
	vol_keys_fini(&volume);
	free_mb_mgr(mgr);
	return 0;
}
