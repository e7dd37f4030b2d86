/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-sign: `sconce sign`, and what signs the kernel of a build. Makes the
 * SIGSTRUCT of a kernel image, with a key at hand or by a signer elsewhere (a
 * smart card, an HSM, another machine), who is given 256 bytes and gives back
 * an RSA signature.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "abi/layout.h"
#include "attest/date.h"
#include "attest/image.h"
#include "attest/sigstruct.h"
#include "cli/options.h"
#include "cli/write_file.h"
#include "host/files.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { FAILED = 2, FILE_MAX = 64 << 20 };

enum sign_option {
	SIGN_KERNEL,
	SIGN_KEY,
	SIGN_NEW_KEY,
	SIGN_DEV_KEY,
	SIGN_MESSAGE_OUT,
	SIGN_MESSAGE_IN,
	SIGN_SIGNATURE_IN,
	SIGN_PUBLIC_KEY,
	SIGN_PROD_ID,
	SIGN_SVN,
	SIGN_DATE,
	SIGN_EXT_PROD_ID,
	SIGN_FAMILY_ID,
	SIGN_NO_DEBUG,
	SIGN_OUT,
	SIGN_QUIET,
	SIGN_OPTIONS,
};

static const struct option_row rows[] = {
	[SIGN_KERNEL] = {"kernel", 0, "FILE", false,
		"the kernel (default: sconce-kernel beside this program)"},
	[SIGN_KEY] = {"key", 'k', "FILE", false,
		"sign with this key: RSA-3072, exponent 3, PEM"},
	[SIGN_NEW_KEY] = {"new-key", 0, "FILE", false,
		"make a key, keep it there (mode 0600), sign with it"},
	[SIGN_DEV_KEY] = {"dev-key", 0, "FILE", false,
		"as --key, or --new-key if there is no such file"},
	[SIGN_MESSAGE_OUT] = {"message-out", 0, "FILE", false,
		"write the 256 bytes that a signer elsewhere is to sign"},
	[SIGN_MESSAGE_IN] = {"message-in", 0, "FILE", false,
		"these were signed (instead of the options again)"},
	[SIGN_SIGNATURE_IN] = {"signature-in", 0, "FILE", false,
		"the signer's signature: 384 bytes"},
	[SIGN_PUBLIC_KEY] = {"public-key", 0, "FILE", false,
		"the signer's public key, PEM or DER"},
	[SIGN_PROD_ID] = {"isv-prod-id", 0, "N", false,
		"product of this signer (0)"},
	[SIGN_SVN] = {"isv-svn", 0, "N", false,
		"security version: what one seals, later ones read (0)"},
	[SIGN_DATE] = {"date", 0, "YYYY-MM-DD", false,
		"date of the signature (today, or SOURCE_DATE_EPOCH)"},
	[SIGN_EXT_PROD_ID] = {"isv-ext-prod-id", 0, "HEX", false,
		"16 bytes, if the product needs a longer name"},
	[SIGN_FAMILY_ID] = {"isv-family-id", 0, "HEX", false,
		"16 bytes: the family of products"},
	[SIGN_NO_DEBUG] = {"no-debug", 0, NULL, false,
		"processors refuse to start it as a debug enclave"},
	[SIGN_OUT] = {"output", 'o', "FILE", false, "where SIGSTRUCT goes"},
	[SIGN_QUIET] = {"quiet", 'q', NULL, false, "print nothing"},
};

_Static_assert(ARRAY_SIZE(rows) == SIGN_OPTIONS, "a row for each");
_Static_assert((int)SIGN_OPTIONS <= (int)OPTIONS_MAX, "room for each");

static const struct command sign_command = {.name = "sign",
	.synopsis = "(--key FILE | --new-key FILE) [OPTIONS] -o FILE",
	.help = "Signs the kernel: makes the SIGSTRUCT without which a "
		"processor starts no enclave.",
	.options = OPTION_BIT(SIGN_OPTIONS) - 1,
	.more = "By a signer elsewhere, in two steps:\n"
		"  sconce sign [OPTIONS] --message-out MESSAGE\n"
		"  openssl dgst -sha256 -sign KEY.pem -out SIGNATURE MESSAGE\n"
		"  sconce sign --message-in MESSAGE --signature-in SIGNATURE "
		"\\\n"
		"      --public-key PUBLIC.pem -o FILE"};

/* ---- files ---- */

struct file {
	uint8_t *data;
	size_t size;
};

static int file_read(
	struct file *f, const char *path, size_t max, struct err *e)
{
	struct stat st = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

	*f = (struct file){0};
	if (in == NULL || fstat(fd, &st) != 0)
		ret = err_setf(e, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		ret = err_setf(e, -EINVAL, "%s: wanted a file", path);
	else if ((uint64_t)st.st_size > max)
		ret = err_setf(e, -EFBIG, "%s: %llu bytes; wanted at most %zu",
			path, (unsigned long long)st.st_size, max);
	f->data = ret < 0 ? NULL : malloc((size_t)st.st_size + 1);
	if (ret == 0 && f->data == NULL)
		ret = err_setf(e, -ENOMEM, "%s: no memory", path);
	if (ret == 0) {
		f->size = fread(f->data, 1, (size_t)st.st_size, in);
		if (ferror(in))
			ret = err_setf(
				e, -EIO, "%s: %s", path, strerror(errno));
	}
	if (in != NULL)
		fclose(in);
	return ret;
}

/* ---- keys ---- */

static int key_read(const char *path, EVP_PKEY **key, struct err *e)
{
	struct file f;
	BIO *bio;
	int ret = file_read(&f, path, 1 << 20, e);

	if (ret < 0)
		return ret;
	bio = BIO_new_mem_buf(f.data, (int)f.size);
	*key = bio == NULL ? NULL
			   : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	string_wipe(f.data, f.size);
	free(f.data);
	return *key != NULL
		? 0
		: err_setf(e, -EINVAL, "%s: not a private key in PEM", path);
}

static int public_read(const char *path, EVP_PKEY **key, struct err *e)
{
	const uint8_t *p;
	struct file f;
	BIO *bio;
	int ret = file_read(&f, path, 1 << 20, e);

	if (ret < 0)
		return ret;
	bio = BIO_new_mem_buf(f.data, (int)f.size);
	*key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	p = f.data;
	if (*key == NULL)
		*key = d2i_PUBKEY(NULL, &p, (long)f.size);
	free(f.data);
	return *key != NULL ? 0
			    : err_setf(e, -EINVAL,
				      "%s: not a public key in PEM or DER; "
				      "`openssl rsa -pubout` makes one of a "
				      "private key",
				      path);
}

static int key_new(const char *path, EVP_PKEY **key, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret = fd < 0 ? -errno : 0;
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (out == NULL)
		return err_setf(e, ret, "%s: %s%s", path, strerror(-ret),
			ret == -EEXIST ? "; to sign with it: --key" : "");
	*key = sigstruct_key_new();
	if (*key == NULL ||
		!PEM_write_PrivateKey(out, *key, NULL, NULL, 0, NULL, NULL))
		ret = -EIO;
	if (fclose(out) != 0)
		ret = -errno;
	if (ret == 0)
		return 0;
	unlink(path);
	EVP_PKEY_free(*key);
	*key = NULL;
	return err_setf(
		e, ret, "%s: no key could be made: %s", path, strerror(-ret));
}

static int key_get(const struct options *o, EVP_PKEY **key, struct err *e)
{
	const char *dev = o->value[SIGN_DEV_KEY];

	if (o->value[SIGN_KEY] != NULL)
		return key_read(o->value[SIGN_KEY], key, e);
	if (o->value[SIGN_NEW_KEY] != NULL)
		return key_new(o->value[SIGN_NEW_KEY], key, e);
	if (access(dev, F_OK) == 0)
		return key_read(dev, key, e);
	return key_new(dev, key, e);
}

/* ---- what is signed ---- */

static int set_number(const struct options *o, enum sign_option option,
	uint16_t *out, struct err *e)
{
	const char *text = o->value[option];
	unsigned n = 0;

	if (text == NULL)
		return 0;
	for (const char *p = text; *p != '\0' && n <= UINT16_MAX; p++)
		n = *p >= '0' && *p <= '9' ? n * 10 + (unsigned)(*p - '0')
					   : UINT16_MAX + 1u;
	if (*text == '\0' || n > UINT16_MAX)
		return err_setf(e, -EINVAL,
			"--%s '%.40s': wanted a number up to 65535",
			rows[option].name, text);
	*out = (uint16_t)n;
	return 0;
}

static int set_id(const struct options *o, enum sign_option option,
	uint8_t out[16], struct err *e)
{
	const char *text = o->value[option];

	if (text == NULL || string_from_hex(text, out, 16))
		return 0;
	return err_setf(e, -EINVAL,
		"--%s '%.40s': wanted 32 hexadecimal digits", rows[option].name,
		text);
}

/* As SIGSTRUCT has it: the digits of yyyymmdd as hexadecimal ones. */
static int set_date(const struct options *o, uint32_t *out, struct err *e)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	int64_t at = epoch != NULL ? strtoll(epoch, NULL, 10) : time(NULL);
	char text[DATE_TEXT], digits[9] = {0};

	date_format(at, text);
	if (o->value[SIGN_DATE] != NULL) {
		fmt_print(text, sizeof(text), "%.10sT00:00:00Z",
			o->value[SIGN_DATE]);
		if (strlen(o->value[SIGN_DATE]) != 10 ||
			date_parse(text, strlen(text), &at) < 0)
			return err_setf(e, -EINVAL,
				"--date '%.40s': wanted a day as 2025-01-31",
				o->value[SIGN_DATE]);
	}
	memcpy(digits, text, 4);
	memcpy(digits + 4, text + 5, 2);
	memcpy(digits + 6, text + 8, 2);
	*out = (uint32_t)strtoul(digits, NULL, 16);
	return 0;
}

/* That of the file named, or of the kernel beside this program. */
static int measure(const char *path, uint8_t hash[SGX_HASH_SIZE], struct err *e)
{
	static struct bytes_file beside;
	struct file kernel;
	int ret;

	if (path == NULL) {
		ret = files_load("sconce-kernel", &beside, e);
		if (ret < 0)
			return ret;
		ret = image_measure(beside.data, beside.size, hash, e);
		files_unload(&beside);
		return ret < 0 ? err_prefix(e, "%s", beside.path) : 0;
	}
	ret = file_read(&kernel, path, FILE_MAX, e);
	if (ret < 0)
		return ret;
	ret = image_measure(kernel.data, kernel.size, hash, e);
	free(kernel.data);
	return ret < 0 ? err_prefix(e, "%s", path) : 0;
}

static int fill(
	const struct options *o, struct sgx_sigstruct *sig, struct err *e)
{
	int ret = 0;

	sigstruct_init(sig);
	sig->miscselect = SGX_MISC_EXINFO;
	sig->attributes.flags = SGX_ATTR_MODE64BIT | SGX_ATTR_KSS;
	sig->attributes.xfrm = XFRM_REQUIRED;
	if (o->value[SIGN_NO_DEBUG] != NULL)
		sig->attributes_mask.flags |= SGX_ATTR_DEBUG;
	if ((ret = set_number(o, SIGN_PROD_ID, &sig->isvprodid, e)) < 0 ||
		(ret = set_number(o, SIGN_SVN, &sig->isvsvn, e)) < 0 ||
		(ret = set_id(o, SIGN_EXT_PROD_ID, sig->isvextprodid, e)) < 0 ||
		(ret = set_id(o, SIGN_FAMILY_ID, sig->isvfamilyid, e)) < 0 ||
		(ret = set_date(o, &sig->date, e)) < 0)
		return ret;
	return measure(o->value[SIGN_KERNEL], sig->enclavehash, e);
}

/* Takes the fields from what was signed, if it is for this kernel. */
static int read_message(
	const char *path, struct sgx_sigstruct *sig, struct err *e)
{
	static struct sgx_sigstruct signed_one;
	uint8_t *bytes = (uint8_t *)&signed_one;
	struct file f;
	int ret = file_read(&f, path, SIGSTRUCT_MESSAGE, e);

	if (ret < 0)
		return ret;
	signed_one = *sig;
	if (f.size == SIGSTRUCT_MESSAGE) {
		memcpy(bytes, f.data, 128);
		memcpy(bytes + offsetof(struct sgx_sigstruct, miscselect),
			f.data + 128, SIGSTRUCT_MESSAGE - 128);
	}
	if (f.size != SIGSTRUCT_MESSAGE || sigstruct_check(&signed_one) != 0)
		ret = err_setf(e, -EINVAL,
			"%s: not a message to be signed; --message-out writes "
			"one",
			path);
	else if (memcmp(signed_one.enclavehash, sig->enclavehash,
			 SGX_HASH_SIZE) != 0)
		ret = err_setf(e, -EKEYREJECTED,
			"%s: of another kernel; measure and sign this one "
			"anew: --message-out",
			path);
	else
		*sig = signed_one;
	free(f.data);
	return ret;
}

static void print_hash(const char *name, const uint8_t hash[SGX_HASH_SIZE])
{
	char text[2 * SGX_HASH_SIZE + 1];

	bytes_to_hex(hash, SGX_HASH_SIZE, text);
	printf("%-11s%s\n", name, text);
}

static void print_summary(const struct sgx_sigstruct *sig, bool done)
{
	uint8_t signer[SGX_HASH_SIZE];

	print_hash("mrenclave", sig->enclavehash);
	if (done) {
		sigstruct_mrsigner(sig, signer);
		print_hash("mrsigner", signer);
	}
	printf("isvprodid  %u\nisvsvn     %u\ndate       %08x\ndebug      %s\n",
		sig->isvprodid, sig->isvsvn, sig->date,
		sig->attributes_mask.flags & SGX_ATTR_DEBUG ? "refused"
							    : "possible");
}

static int sign_here(
	const struct options *o, struct sgx_sigstruct *sig, struct err *e)
{
	EVP_PKEY *key = NULL;
	int ret = key_get(o, &key, e);

	if (ret < 0)
		return ret;
	ret = sigstruct_sign(sig, key);
	EVP_PKEY_free(key);
	return ret == 0
		? 0
		: err_setf(e, ret,
			  "%s: %s; `sconce sign --new-key FILE` makes "
			  "a key that fits",
			  o->value[SIGN_KEY] != NULL ? o->value[SIGN_KEY]
						     : "the key",
			  ret == -EINVAL ? "not an RSA-3072 key with "
					   "exponent 3"
					 : "signing failed");
}

/* With a signature from elsewhere. */
static int complete(
	const struct options *o, struct sgx_sigstruct *sig, struct err *e)
{
	const char *path = o->value[SIGN_SIGNATURE_IN];
	EVP_PKEY *key = NULL;
	struct file f;
	int ret = file_read(&f, path, SGX_RSA_SIZE, e);

	if (ret < 0)
		return ret;
	if (f.size != SGX_RSA_SIZE)
		ret = err_setf(e, -EINVAL, "%s: %zu bytes; wanted %d", path,
			f.size, SGX_RSA_SIZE);
	if (ret == 0)
		ret = public_read(o->value[SIGN_PUBLIC_KEY], &key, e);
	if (ret == 0) {
		ret = sigstruct_complete(sig, key, f.data);
		if (ret == -EINVAL)
			err_setf(e, ret,
				"%s: not an RSA-3072 key with exponent 3",
				o->value[SIGN_PUBLIC_KEY]);
		else if (ret < 0)
			err_setf(e, ret,
				"%s: not a signature of these bytes by this "
				"key; give --message-in, or the same options "
				"and --date as with --message-out",
				path);
	}
	EVP_PKEY_free(key);
	free(f.data);
	return ret;
}

static int check_options(const struct options *o, struct err *e)
{
	int here = (o->value[SIGN_KEY] != NULL) +
		(o->value[SIGN_NEW_KEY] != NULL) +
		(o->value[SIGN_DEV_KEY] != NULL);
	bool message = o->value[SIGN_MESSAGE_OUT] != NULL;
	bool signature = o->value[SIGN_SIGNATURE_IN] != NULL;

	if (here + message + signature != 1)
		return err_setf(e, -EINVAL,
			"sign: wanted one of --key, --new-key, --message-out, "
			"--signature-in; `sconce sign --help` explains");
	if (signature != (o->value[SIGN_PUBLIC_KEY] != NULL))
		return err_setf(e, -EINVAL,
			"sign: --signature-in and --public-key go together");
	if (o->value[SIGN_MESSAGE_IN] != NULL && !signature)
		return err_setf(e, -EINVAL,
			"sign: --message-in goes with --signature-in");
	if (!message && o->value[SIGN_OUT] == NULL)
		return err_setf(e, -EINVAL,
			"sign: wanted --output FILE, for the SIGSTRUCT");
	return 0;
}

static int sign(
	const struct options *o, struct sgx_sigstruct *sig, struct err *e)
{
	static uint8_t message[SIGSTRUCT_MESSAGE];
	int ret = check_options(o, e);

	if (ret == 0)
		ret = fill(o, sig, e);
	if (ret == 0 && o->value[SIGN_MESSAGE_OUT] != NULL) {
		sigstruct_message(sig, message);
		return write_file(o->value[SIGN_MESSAGE_OUT], message,
			sizeof(message), e);
	}
	if (ret == 0 && o->value[SIGN_MESSAGE_IN] != NULL)
		ret = read_message(o->value[SIGN_MESSAGE_IN], sig, e);
	if (ret == 0)
		ret = o->value[SIGN_SIGNATURE_IN] != NULL
			? complete(o, sig, e)
			: sign_here(o, sig, e);
	if (ret == 0)
		ret = write_file(o->value[SIGN_OUT], sig, sizeof(*sig), e);
	return ret;
}

int main(int argc, char **argv)
{
	static struct sgx_sigstruct sig;
	static struct options o;
	struct err e = {0};
	int ret = options_parse(
		&sign_command, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (ret == 1)
		return 0;
	if (ret == 0)
		ret = sign(&o, &sig, &e);
	if (ret < 0) {
		fprintf(stderr, "sconce: %s\n", e.text);
		return FAILED;
	}
	if (o.value[SIGN_QUIET] == NULL)
		print_summary(&sig, o.value[SIGN_MESSAGE_OUT] == NULL);
	return 0;
}
