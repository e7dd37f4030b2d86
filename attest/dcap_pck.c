/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCK certificate: where it comes from, who certified it, and whether that
 * still holds. A chain that holds is kept under the hash of the bytes it came
 * in; dates and revocation lists are looked at each time.
 */
#include "attest/dcap.h"

#include <errno.h>

#include "attest/chain.h"
#include "crypto/sha256.h"
#include "lib/fmt.h"
#include "lib/string.h"

static const struct chain_rules chain_rules = {
	.path = "pck-chain", .root = "pck-root", .date = "pck-date"};
static const struct crl_rules root_crl_rules = {.missing = "root-crl-missing",
	.issuer = "root-crl-issuer",
	.signature = "root-crl-signature",
	.date = "root-crl-date",
	.revoked = "pck-ca-revoked"};
static const struct crl_rules pck_crl_rules = {.missing = "pck-crl-missing",
	.issuer = "pck-crl-issuer",
	.signature = "pck-crl-signature",
	.date = "pck-crl-date",
	.revoked = "pck-revoked"};

static bool name_is(struct dcap *d, const struct x509_cert *cert,
	const char *text, const char *other)
{
	char wanted[VERDICT_TEXT];

	if (x509_cert_named(cert, text) ||
		(other && x509_cert_named(cert, other)))
		return true;
	fmt_print(wanted, sizeof(wanted), "a name that ends with \"%s\"%s%s%s",
		text, other ? " or \"" : "", other ? other : "",
		other ? "\"" : "");
	verdict_fail(d->v, "pck-name", x509_cert_subject(cert), wanted);
	return false;
}

static bool check_names(struct dcap *d, const struct chain *chain)
{
	char seen[VERDICT_TEXT];
	bool ok;

	if (chain->count != 3) {
		fmt_print(seen, sizeof(seen), "%zu certificates", chain->count);
		verdict_fail(d->v, "pck-chain", seen, "PCK, its CA and root");
		return false;
	}
	ok = name_is(d, chain->certs[0], "PCK Certificate", NULL);
	ok = name_is(d, chain->certs[1], "PCK Processor CA",
		     "PCK Platform CA") &&
		ok;
	return name_is(d, chain->certs[2], "Root CA", NULL) && ok;
}

/*
 * The certificates to look in: those in the quote, or those that the caller
 * brought. False: there are none, or what the quote has is no PEM.
 */
static bool find_certs(
	struct dcap *d, struct x509_list *in_quote, struct x509_cert **leaf)
{
	const struct quote *q = d->quote;
	const struct x509_list *from = &d->c->pck_certs;
	struct err e;
	int rc;

	if (q->cert_type == QUOTE_CERT_PCK ||
		q->cert_type == QUOTE_CERT_CHAIN) {
		rc = x509_list_parse(
			in_quote, &d->c->known, q->cert, q->cert_size, &e);
		if (rc) {
			d->no_memory |= rc == -ENOMEM;
			verdict_fail(d->v, "pck-chain", e.text,
				"certificates in PEM");
			return false;
		}
		from = in_quote;
	} else if (from->count == 0) {
		verdict_fail(d->v, "pck-missing",
			"no certificate in the quote, no pck_cert.pem",
			"a PCK certificate");
		return false;
	}
	*leaf = x509_list_find(from, "PCK Certificate");
	if (!*leaf)
		verdict_fail(d->v, "pck-name",
			x509_cert_subject(from->certs[0]),
			"a name that ends with \"PCK Certificate\"");
	return *leaf != NULL;
}

static struct pck_chain *remember(struct dcap *d, const uint8_t hash[32],
	const struct chain *chain, const struct pck *pck)
{
	struct collateral *c = d->c;
	struct pck_chain *slot = &c->cache[c->cache_next];

	c->cache_next = (c->cache_next + 1) % PCK_CACHE;
	for (size_t i = 0; i < ARRAY_SIZE(slot->certs); i++) {
		x509_cert_unref(slot->certs[i]);
		slot->certs[i] = x509_cert_ref(chain->certs[i]);
	}
	memcpy(slot->hash, hash, sizeof(slot->hash));
	slot->emulated = d->v->emulated;
	slot->pck = *pck;
	slot->has_qe = false;
	/* Other platforms have the same CA. */
	x509_list_add(&c->known, chain->certs[1]);
	x509_list_add(&c->known, chain->certs[2]);
	return slot;
}

/* Builds and checks a chain that is not in the cache. */
static struct pck_chain *new_chain(
	struct dcap *d, const uint8_t hash[32], struct x509_cert **owner)
{
	struct collateral *c = d->c;
	struct x509_list in_quote = {0};
	const struct x509_list *const lists[] = {
		&in_quote, &c->pck_certs, &c->root_certs, &c->known};
	struct x509_cert *leaf;
	struct pck_chain *result = NULL;
	struct chain chain;
	struct pck pck;
	struct err e;
	bool ok;

	if (!find_certs(d, &in_quote, &leaf))
		goto out;
	*owner = x509_cert_ref(leaf);
	ok = chain_build(&chain, leaf, lists, ARRAY_SIZE(lists), &c->roots,
		&chain_rules, d->v);
	/* Names of a chain that does not hold say nothing. */
	ok = ok && check_names(d, &chain);
	if (pck_of_cert(leaf, &pck, &e)) {
		verdict_fail(d->v, "pck-extension", e.text,
			"the platform's TCB, PCEID and FMSPC");
		ok = false;
	}
	if (ok)
		result = remember(d, hash, &chain, &pck);
	else /* what can be said of the dates, is */
		chain_dates(&chain, d->options->at, &chain_rules, d->v);
out:
	x509_list_fini(&in_quote);
	return result;
}

/* What the certificates come in; those of the caller are always the same. */
static void hash_source(const struct quote *q, uint8_t hash[32])
{
	if (q->cert_type == QUOTE_CERT_PCK || q->cert_type == QUOTE_CERT_CHAIN)
		sha256(q->cert, q->cert_size, hash);
	else
		memset(hash, 0, 32);
}

static struct pck_chain *cached(struct collateral *c, const uint8_t hash[32])
{
	for (size_t i = 0; i < PCK_CACHE; i++)
		if (c->cache[i].certs[0] && !memcmp(c->cache[i].hash, hash, 32))
			return &c->cache[i];
	return NULL;
}

static bool check_revocation(struct dcap *d, struct pck_chain *p)
{
	bool ok;

	if (d->options->no_crl)
		return true;
	ok = crl_check(d->c->root_crl, p->certs[2], p->certs[1], d->options->at,
		&root_crl_rules, d->v);
	return crl_check(d->c->pck_crl, p->certs[1], p->certs[0],
		       d->options->at, &pck_crl_rules, d->v) &&
		ok;
}

struct pck_chain *dcap_pck(struct dcap *d, struct x509_cert **owner)
{
	struct pck_chain *p;
	struct chain chain = {.count = 3};
	uint8_t hash[32];
	bool dates;

	*owner = NULL;
	hash_source(d->quote, hash);
	p = cached(d->c, hash);
	if (p) {
		d->v->emulated = p->emulated;
		*owner = x509_cert_ref(p->certs[0]);
	} else {
		p = new_chain(d, hash, owner);
	}
	if (!p)
		return NULL;
	memcpy(chain.certs, p->certs, sizeof(p->certs));
	dates = chain_dates(&chain, d->options->at, &chain_rules, d->v);
	d->v->chain = check_revocation(d, p) && dates;
	return p;
}
