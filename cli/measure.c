/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce measure`: MRENCLAVE of the kernel beside this program, and what it
 * comes from; with --manifest also the CONFIGID that the manifest stands for.
 * No enclave is made: attest/image.c is the same list of pages that the
 * launcher adds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "abi/sgx.h"
#include "attest/image.h"
#include "attest/measure.h"
#include "attest/sigstruct.h"
#include "cli/cmd.h"
#include "cli/manifest_file.h"
#include "host/files.h"
#include "lib/bytes.h"
#include "lib/fmt.h"

enum { HASH_TEXT = 2 * 32 + 1 };

struct measured {
	char kernel_path[4096], init_path[4096];
	char mrenclave[HASH_TEXT], mrsigner[HASH_TEXT], signed_for[HASH_TEXT];
	char kernel[HASH_TEXT], init[HASH_TEXT], configid[2 * 64 + 1];
	unsigned isvprodid, isvsvn;
	json_t *pages; /* runs of pages, in order */
};

static int hash_of(const void *data, size_t size, char text[HASH_TEXT])
{
	uint8_t hash[32];

	measure_hash(data, size, hash);
	bytes_to_hex(hash, sizeof(hash), text);
	return 0;
}

/* An image_visit: notes one run of pages. */
static int note_pages(
	void *ctx, uint64_t addr, const void *src, size_t size, uint64_t flags)
{
	struct measured *m = ctx;
	char text[HASH_TEXT], perms[8], at[24];

	if (hash_of(src, size, text) < 0)
		return -EIO;
	if ((flags & SGX_SECINFO_TYPE) == SGX_SECINFO_TCS)
		fmt_print(perms, sizeof(perms), "tcs");
	else
		fmt_print(perms, sizeof(perms), "%c%c%c",
			flags & SGX_SECINFO_R ? 'r' : '-',
			flags & SGX_SECINFO_W ? 'w' : '-',
			flags & SGX_SECINFO_X ? 'x' : '-');
	fmt_print(at, sizeof(at), "0x%llx", (unsigned long long)addr);
	return json_array_append_new(m->pages,
		json_pack("{ss sI ss ss}", "address", at, "size",
			(json_int_t)size, "permissions", perms, "sha256",
			text));
}

static int read_sigstruct(struct measured *m, struct err *e)
{
	static struct sgx_sigstruct sig;
	static struct bytes_file file;
	uint8_t signer[SGX_HASH_SIZE];
	int ret = files_load("sconce-kernel.sig", &file, e);

	if (ret < 0)
		return ret;
	ret = sigstruct_parse(&sig, file.data, file.size);
	if (ret == 0)
		ret = sigstruct_verify(&sig);
	if (ret < 0) {
		err_setf(e, ret, "%s: not a valid SIGSTRUCT", file.path);
	} else {
		sigstruct_mrsigner(&sig, signer);
		bytes_to_hex(signer, sizeof(signer), m->mrsigner);
		bytes_to_hex(sig.enclavehash, sizeof(sig.enclavehash),
			m->signed_for);
		m->isvprodid = sig.isvprodid;
		m->isvsvn = sig.isvsvn;
	}
	files_unload(&file);
	return ret;
}

static int measure(struct measured *m, struct err *e)
{
	static struct bytes_file kernel, init;
	uint8_t mrenclave[32];
	int ret = files_load("sconce-kernel", &kernel, e);

	if (ret < 0)
		return ret;
	m->pages = json_array();
	snprintf(m->kernel_path, sizeof(m->kernel_path), "%s", kernel.path);
	ret = image_measure(kernel.data, kernel.size, mrenclave, e);
	if (ret == 0)
		ret = image_pages(kernel.data, kernel.size, note_pages, m, e);
	if (ret == 0)
		ret = hash_of(kernel.data, kernel.size, m->kernel);
	files_unload(&kernel);
	if (ret < 0)
		return ret;
	bytes_to_hex(mrenclave, sizeof(mrenclave), m->mrenclave);
	ret = files_load("sconce-init", &init, e);
	if (ret < 0)
		return ret;
	snprintf(m->init_path, sizeof(m->init_path), "%s", init.path);
	ret = hash_of(init.data, init.size, m->init);
	files_unload(&init);
	return ret < 0 ? ret : read_sigstruct(m, e);
}

static int measure_manifest(struct measured *m, const char *path, struct err *e)
{
	static struct manifest_file file;
	uint8_t id[64] = {0};
	int ret = manifest_file_load(&file, path, e);

	if (ret < 0)
		return ret;
	memcpy(id, file.hash, sizeof(file.hash));
	bytes_to_hex(id, sizeof(id), m->configid);
	manifest_file_fini(&file);
	return 0;
}

static void print_people(const struct measured *m)
{
	size_t i;
	json_t *run;

	printf("mrenclave  %s\n", m->mrenclave);
	printf("mrsigner   %s\n", m->mrsigner);
	printf("isvprodid  %u\nisvsvn     %u\n", m->isvprodid, m->isvsvn);
	if (m->configid[0] != '\0')
		printf("configid   %s\n", m->configid);
	printf("\ninputs\n");
	printf("  kernel   %s  %s\n", m->kernel, m->kernel_path);
	printf("  init     %s  %s (its hash is in the kernel)\n", m->init,
		m->init_path);
	printf("\npages, in the order in which they are added and measured\n");
	json_array_foreach(m->pages, i, run)
	{
		printf("  %-13s %7lld KiB  %-3s  %s\n",
			json_string_value(json_object_get(run, "address")),
			(long long)json_integer_value(
				json_object_get(run, "size")) /
				1024,
			json_string_value(json_object_get(run, "permissions")),
			json_string_value(json_object_get(run, "sha256")));
	}
}

static void print_json(const struct measured *m)
{
	json_t *root = json_pack("{ss ss si si s{ss ss} s{ss ss} sO}",
		"mrenclave", m->mrenclave, "mrsigner", m->mrsigner, "isvprodid",
		(int)m->isvprodid, "isvsvn", (int)m->isvsvn, "kernel", "path",
		m->kernel_path, "sha256", m->kernel, "init", "path",
		m->init_path, "sha256", m->init, "pages", m->pages);

	if (m->configid[0] != '\0')
		json_object_set_new(root, "configid", json_string(m->configid));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

void cmd_measure_print_options(void)
{
	printf("\n      --json                   for programs\n"
	       "      --manifest FILE          also print its CONFIGID\n");
}

int cmd_measure(int argc, char **argv)
{
	static struct measured m;
	const char *manifest = NULL;
	bool json = false;
	struct err e = {0};
	int ret = 0;

	for (int i = 1; i < argc && ret == 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--manifest") == 0 && i + 1 < argc)
			manifest = argv[++i];
		else
			ret = err_setf(&e, -EINVAL,
				"measure: unknown argument %s; wanted --json "
				"or --manifest FILE",
				argv[i]);
	}
	if (ret == 0)
		ret = measure(&m, &e);
	if (ret == 0 && manifest != NULL)
		ret = measure_manifest(&m, manifest, &e);
	if (ret == 0 && strcmp(m.mrenclave, m.signed_for) != 0)
		ret = err_setf(&e, -EKEYREJECTED,
			"%s: MRENCLAVE %s, but its signature is for %s; build "
			"it again",
			m.kernel_path, m.mrenclave, m.signed_for);
	if (ret == 0 && json)
		print_json(&m);
	else if (ret == 0)
		print_people(&m);
	json_decref(m.pages);
	return ret < 0 ? cmd_fail(&e, CMD_FAILED) : CMD_OK;
}
