/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of /dev/attestation (doc/attestation-device.md): what a program
 * writes to them and reads from them, without the file system around it. The
 * names of Gramine mean what they mean there; beyond them are verify_report,
 * seal/ and unseal.
 *
 * Three kinds of files:
 *
 *	what is read is made when the file is opened (report, quote, ...)
 *	a write replaces what is kept for the process (user_report_data, ...)
 *	transactions: what was written to the open file is the input, the
 *	first read makes the output; a write after that begins anew
 *
 * What the host answers when it is asked for a quote is checked here.
 */
#pragma once

#include "attest/seal.h"
#include "lib/manifest.h"

enum {
	DEVICE_QUOTE_MAX = 16384,
	DEVICE_DATA_MAX = 65536, /* that can be sealed at once */
};

/* What the enclave around offers. */
struct device_ops {
	void *(*alloc)(size_t size);
	void (*free)(void *p);
	/* Around computing with vector registers; no other call in between
	 * but key. */
	void (*compute_begin)(void);
	void (*compute_end)(void);
	void (*random)(void *buf, size_t size);
	/* EREPORT. */
	void (*report)(const struct sgx_targetinfo *target,
		const uint8_t data[64], struct sgx_report *report);
	/* EGETKEY, as in struct seal_self. */
	int (*key)(void *ctx, const struct sgx_keyrequest *request,
		uint8_t key[SGX_KEY_SIZE]);
	/* The host's word: the quoting enclave, and a quote by it (its size,
	 * or -errno; -EAGAIN: that is another one by now). May sleep. */
	int64_t (*quote_target)(struct sgx_targetinfo *target);
	int64_t (*quote)(
		const struct sgx_report *report, void *quote, size_t capacity);
};

/* Of a process; zeros to begin with. */
struct device_state {
	uint8_t report_data[64];
	struct sgx_targetinfo target; /* zeros: the enclave itself */
};

struct device_file;

struct device_node {
	const char *path; /* below /dev/attestation */
	uint32_t mode; /* permission bits */
	unsigned right; /* some ATTESTATION_*; 0: none is needed */
	size_t in_max; /* bytes that may be written; 0: none */
	/* At opening: fills the file's output. */
	int (*load)(struct device_file *f, const struct device_state *s);
	/* At a write, of any size, cut to in_max or padded with zeros. */
	void (*save)(struct device_state *s, const uint8_t *data);
	/* At a write of exactly in_max bytes. */
	int (*check)(const struct device_ops *ops, const uint8_t *data);
	/* At the first read after writes: in becomes out. */
	int (*transact)(struct device_file *f);
};

/* Sorted by path. */
extern const struct device_node device_nodes[];
extern const size_t device_node_count;

/* An open file; zeros before device_open. */
struct device_file {
	const struct device_node *node;
	const struct device_ops *ops;
	uint8_t *in, *out; /* of ops->alloc */
	size_t in_size, out_size;
	bool done; /* out is of all of in */
};

/* 0 or -errno; ends with device_close, also when it failed. */
must_check int device_open(struct device_file *f,
	const struct device_node *node, const struct device_ops *ops,
	const struct device_state *s);
void device_close(struct device_file *f);

/*
 * Bytes taken, all of them, or: -EACCES (nothing can be written here), -EFBIG
 * (a transaction longer than in_max), -ENOMEM; verify_report: -EINVAL (not
 * 432 bytes), -EBADMSG (not for this enclave, of this machine, unaltered).
 */
must_check int64_t device_write(struct device_file *f, struct device_state *s,
	const void *data, size_t size);
/* Makes out[out_size] what there is to read. 0, -ENOMEM, or errors of
 * seal_make and seal_open. */
must_check int device_prepare(struct device_file *f);

/*
 * The real size of a quote of the report, as the host gave it: -EPROTO if it
 * is no quote of an SGX enclave, does not fit its own lengths, or is the
 * quote of something else.
 */
must_check int64_t device_quote_check(
	const struct sgx_report_body *body, const uint8_t *quote, size_t size);
