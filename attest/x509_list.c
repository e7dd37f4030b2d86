/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of certificates, as PEM texts hold them (RFC 7468). */
#include "attest/x509_int.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/sha256.h"

static struct x509_cert *find_hash(
	const struct x509_list *list, const uint8_t hash[static 32])
{
	for (size_t i = 0; list && i < list->count; i++)
		if (!memcmp(list->certs[i]->hash, hash, 32))
			return list->certs[i];
	return NULL;
}

/* Appends one, unless the list has it. */
static int append(struct x509_list *list, const struct x509_list *known,
	const void *der, size_t size, struct err *e)
{
	uint8_t hash[32];
	struct x509_cert *cert;
	int rc;

	sha256(der, size, hash);
	if (find_hash(list, hash))
		return 0;
	if (list->count == X509_LIST_MAX)
		return err_setf(e, -EINVAL,
			"more than %d certificates; wanted a chain",
			X509_LIST_MAX);
	cert = find_hash(known, hash);
	if (cert) {
		list->certs[list->count++] = x509_cert_ref(cert);
		return 0;
	}
	rc = x509_cert_new_der(der, size, &cert);
	if (rc)
		return rc == -ENOMEM
			? err_setf(e, rc, "out of memory")
			: err_setf(e, rc, "certificate %zu is malformed",
				  list->count + 1);
	list->certs[list->count++] = cert;
	return 0;
}

/* All that there are; -EINVAL also if there is none. */
static int append_pem(struct x509_list *list, const struct x509_list *known,
	BIO *bio, struct err *e)
{
	for (size_t found = 0;; found++) {
		char *name = NULL, *header = NULL;
		uint8_t *der = NULL;
		long size;
		int rc;

		if (PEM_read_bio(bio, &name, &header, &der, &size) != 1) {
			if (ERR_GET_REASON(ERR_peek_last_error()) !=
				PEM_R_NO_START_LINE)
				return err_setf(e, -EINVAL, "malformed PEM");
			return found ? 0
				     : err_setf(e, -EINVAL,
					       "neither PEM nor DER of a "
					       "certificate");
		}
		if (strcmp(name, PEM_STRING_X509) || header[0] != '\0')
			rc = err_setf(e, -EINVAL,
				"PEM block \"%.32s\"; wanted CERTIFICATE",
				name);
		else
			rc = append(list, known, der, (size_t)size, e);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
		if (rc)
			return rc;
	}
}

static void shorten(struct x509_list *list, size_t count)
{
	while (list->count > count)
		x509_cert_unref(list->certs[--list->count]);
}

int x509_list_parse(struct x509_list *list, const struct x509_list *known,
	const void *data, size_t size, struct err *e)
{
	const uint8_t *text = data;
	size_t before = list->count;
	BIO *bio;
	int rc;

	if (size == 0 || size > X509_LIST_SIZE)
		return err_setf(e, -EINVAL,
			"%zu bytes of certificates; wanted 1 to %d", size,
			X509_LIST_SIZE);
	if (text[0] == 0x30) /* a SEQUENCE; PEM begins otherwise */
		return append(list, known, data, size, e);
	while (size > 0 && text[size - 1] == '\0')
		size--;
	if (memchr(text, '\0', size))
		return err_setf(e, -EINVAL, "a NUL within PEM");
	bio = BIO_new_mem_buf(data, (int)size);
	if (!bio)
		return err_setf(e, -ENOMEM, "out of memory");
	ERR_set_mark();
	rc = append_pem(list, known, bio, e);
	ERR_pop_to_mark();
	BIO_free(bio);
	if (rc)
		shorten(list, before);
	return rc;
}

int x509_cert_new(
	const void *data, size_t size, struct x509_cert **out, struct err *e)
{
	struct x509_list list = {0};
	int rc = x509_list_parse(&list, NULL, data, size, e);

	if (!rc && list.count != 1)
		rc = err_setf(
			e, -EINVAL, "%zu certificates; wanted one", list.count);
	if (!rc)
		*out = x509_cert_ref(list.certs[0]);
	x509_list_fini(&list);
	return rc;
}

void x509_list_add(struct x509_list *list, struct x509_cert *cert)
{
	if (list->count < X509_LIST_MAX && !find_hash(list, cert->hash))
		list->certs[list->count++] = x509_cert_ref(cert);
}

struct x509_cert *x509_list_find(const struct x509_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (x509_cert_named(list->certs[i], text))
			return list->certs[i];
	return NULL;
}

void x509_list_fini(struct x509_list *list)
{
	shorten(list, 0);
}
