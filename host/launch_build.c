/* SPDX-License-Identifier: Apache-2.0 */
/* See launch_build.h. */
#include "host/launch_build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/enclave_backend.h"
#include "abi/layout.h"
#include "abi/sgx.h"
#include "attest/image.h"
#include "attest/sigstruct.h"
#include "host/probe.h"
#include "lib/bytes.h"

/* The image walk of the launcher: EADD and EEXTEND. */
struct adder {
	const struct enclave_backend *backend;
	struct enclave *enclave;
};

static int add_run(
	void *ctx, uint64_t addr, const void *src, size_t size, uint64_t flags)
{
	struct adder *a = ctx;

	return a->backend->add_pages(
		a->enclave, addr, src, size, flags, /*measure=*/true);
}

/*
 * What this machine's enclave is created with: what every enclave of ours has,
 * and of the rest what the SIGSTRUCT wants and the machine offers.
 */
static int choose(const struct enclave_backend *backend,
	const struct sgx_sigstruct *sig, struct enclave_params *params,
	struct err *e)
{
	const uint64_t always = SGX_ATTR_MODE64BIT | SGX_ATTR_KSS;
	const uint64_t pinned = sig->attributes.flags &
		sig->attributes_mask.flags & ~SGX_ATTR_INIT;
	struct enclave_offer offer;

	backend->offer(&offer);
	params->attributes = always |
		(sig->attributes.flags & offer.attributes & SGX_ATTR_AEXNOTIFY);
	params->xfrm = offer.xfrm & XFRM_ALLOWED;
	params->miscselect = SGX_MISC_EXINFO;
	if ((offer.attributes & always) != always ||
		(pinned & ~params->attributes) != 0)
		return err_setf(e, -ENODEV,
			"this machine offers enclave attributes 0x%lx; wanted "
			"0x%lx; see `sconce doctor`",
			(unsigned long)offer.attributes,
			(unsigned long)(always | pinned));
	if ((params->xfrm & XFRM_REQUIRED) != XFRM_REQUIRED ||
		(sig->attributes.xfrm & sig->attributes_mask.xfrm &
			~params->xfrm) != 0)
		return err_setf(e, -ENODEV,
			"this machine offers enclave features (XFRM) 0x%lx; "
			"wanted 0x%lx; in a virtual machine pass them through",
			(unsigned long)offer.xfrm,
			(unsigned long)(sig->attributes.xfrm | XFRM_REQUIRED));
	if (!(offer.miscselect & SGX_MISC_EXINFO))
		return err_set(e, -ENODEV, "this machine's SGX",
			"no exception information (EXINFO)", NULL,
			"use a CPU with SGX2");
	return 0;
}

/* What failed, and why and what helps as far as the backend knows. */
static int failed(
	const struct launcher *l, const char *what, int error, struct err *e)
{
	const char *why = l->backend->why();

	if (why)
		return err_setf(e, -EIO, "%s: %s", what, why);
	if (error > 0)
		return err_setf(e, -EIO, "%s: SGX error %d", what, error);
	return err_setf(e, -EIO, "%s: %s", what, strerror(-error));
}

/*
 * After EINIT refused, which under Linux gives no reason: is the SIGSTRUCT one,
 * and of this kernel? True: it is not, @e says what is wrong.
 */
static bool sigstruct_explain(const struct bytes_file *kernel, const char *path,
	const struct sgx_sigstruct *sig, struct err *e)
{
	static const char cure[] = "rebuild Sconce, or sign the kernel again";
	char seen[2 * SGX_HASH_SIZE + 1], wanted[2 * SGX_HASH_SIZE + 1];
	uint8_t mrenclave[SGX_HASH_SIZE];

	switch (sigstruct_verify(sig)) {
	case -EINVAL:
		err_set(e, -EIO, path, "not the form of a SIGSTRUCT", NULL,
			cure);
		return true;
	case -EBADMSG:
		err_set(e, -EIO, path, "the signature is wrong", NULL, cure);
		return true;
	default:
		break;
	}
	if (image_measure(kernel->data, kernel->size, mrenclave, NULL) ||
		!memcmp(mrenclave, sig->enclavehash, SGX_HASH_SIZE))
		return false;
	bytes_to_hex(sig->enclavehash, SGX_HASH_SIZE, seen);
	bytes_to_hex(mrenclave, SGX_HASH_SIZE, wanted);
	err_setf(e, -EIO, "%s: signs a kernel with MRENCLAVE %s; %s has %s; %s",
		path, seen, kernel->path, wanted, cure);
	return true;
}

int launch_build(struct launcher *l, const struct launch *launch,
	const struct bytes_file *kernel, const struct bytes_file *sig,
	struct err *e)
{
	struct enclave_params params = {
		.base = 0,
		.size = ELRANGE_SIZE,
		.ssa_frame_pages = IMAGE_SSA_FRAME_PAGES,
	};
	struct adder adder = {.backend = l->backend};
	static struct sgx_sigstruct s; /* large; one enclave */
	int err;

	memcpy(params.configid, launch->config_id, sizeof(params.configid));
	if (sig->size != sizeof(s))
		return err_setf(e, -EINVAL, "%s: %zu bytes; wanted %zu",
			sig->path, sig->size, sizeof(s));
	memcpy(&s, sig->data, sizeof(s));
	err = choose(l->backend, &s, &params, e);
	if (err)
		return err;
	err = l->backend->create(&params, &l->enclave);
	if (err) {
		failed(l,
			"cannot make the enclave or reserve its address range "
			"(0 to 64 GiB)",
			err, e);
		if (!l->backend->why())
			probe_explain(launch->mode, e);
		return -EIO;
	}
	adder.enclave = l->enclave;
	e->code = 0;
	err = image_pages(kernel->data, kernel->size, add_run, &adder, e);
	if (err && !e->code)
		failed(l, "cannot add the kernel's pages", err, e);
	if (err)
		return err_prefix(e, "%s", kernel->path);
	err = l->backend->init(l->enclave, &s, NULL);
	if (err && !sigstruct_explain(kernel, sig->path, &s, e)) {
		failed(l, "the enclave was not started", err, e);
		err_prefix(e, "%s", kernel->path);
	}
	if (err)
		return -EIO;
	err = l->backend->augment(
		l->enclave, HEAP_BASE, LAUNCH_HEAP_READY, false);
	if (err)
		return failed(l, "no memory for the enclave's heap", err, e);
	return 0;
}
