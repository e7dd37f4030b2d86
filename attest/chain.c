/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/chain.h"

#include <errno.h>

#include "lib/fmt.h"
#include "lib/string.h"

/* Which of two errors says more: wrong names are every other certificate's. */
static int more_telling(int a, int b)
{
	if (a == -ENOENT || a == 0)
		return b;
	if (b == -ENOENT)
		return a;
	return b == -EBADMSG || b == -ENOMEM ? b : a;
}

/* 0 with *out, or the most telling reason why nobody is the issuer. */
static int find_issuer(struct x509_cert *cert, unsigned below,
	const struct x509_list *const *lists, size_t list_count,
	struct x509_cert **out)
{
	int reason = -ENOENT;

	for (size_t i = 0; i < list_count; i++) {
		for (size_t j = 0; lists[i] && j < lists[i]->count; j++) {
			struct x509_cert *issuer = lists[i]->certs[j];
			int rc = x509_cert_verify(cert, issuer, below);

			if (!rc) {
				*out = issuer;
				return 0;
			}
			reason = more_telling(reason, rc);
		}
	}
	return reason;
}

static void fail_issuer(const struct x509_cert *cert, int rc, const char *rule,
	struct verdict *v)
{
	char seen[VERDICT_TEXT], wanted[VERDICT_TEXT];

	fmt_print(seen, sizeof(seen), "\"%s\": %s", x509_cert_subject(cert),
		rc == -ENOENT           ? "its issuer's certificate is missing"
			: rc == -EACCES ? "its issuer may not issue it"
			: rc == -ENOMEM ? "out of memory"
					: "signature is wrong");
	fmt_print(wanted, sizeof(wanted), "issued by \"%s\"",
		x509_cert_issuer(cert));
	verdict_fail(v, rule, seen, wanted);
}

/* By its name, whatever whoever trusts it took it for (S-46). */
static bool says_emulated(const struct x509_cert *root)
{
	static const char name[] = "Sconce Emulated Platform ";

	return strncmp(x509_cert_subject(root), name, sizeof(name) - 1) == 0;
}

static bool end_chain(struct x509_cert *root, size_t below,
	const struct roots *roots, const struct chain_rules *rules,
	struct verdict *v)
{
	int rc;

	if (!roots_have(roots, x509_cert_spki_hash(root))) {
		if (roots->count)
			verdict_fail_hex(v, rules->root,
				x509_cert_spki_hash(root), roots->spki[0], 32);
		else
			verdict_fail(v, rules->root, x509_cert_subject(root),
				"a trusted root, but none is given");
		return false;
	}
	rc = x509_cert_verify(root, root, (unsigned)below);
	if (rc)
		fail_issuer(root, rc, rules->path, v);
	else if (roots->emulated || says_emulated(root))
		v->emulated = true;
	return rc == 0;
}

bool chain_build(struct chain *chain, struct x509_cert *leaf,
	const struct x509_list *const *lists, size_t list_count,
	const struct roots *roots, const struct chain_rules *rules,
	struct verdict *v)
{
	struct x509_cert *cert = leaf;

	chain->count = 0;
	for (;;) {
		/* CA certificates between the issuer sought and the leaf. */
		unsigned below = (unsigned)chain->count;
		int rc;

		chain->certs[chain->count++] = cert;
		if (x509_cert_self_issued(cert))
			return end_chain(
				cert, below ? below - 1 : 0, roots, rules, v);
		if (chain->count == CHAIN_MAX) {
			verdict_fail(v, rules->path,
				"no root within 4 certificates",
				"leaf, intermediate, root");
			return false;
		}
		rc = find_issuer(cert, below, lists, list_count, &cert);
		if (rc) {
			fail_issuer(cert, rc, rules->path, v);
			return false;
		}
	}
}

bool chain_dates(const struct chain *chain, int64_t at,
	const struct chain_rules *rules, struct verdict *v)
{
	bool ok = true;

	for (size_t i = 0; i < chain->count; i++)
		ok &= verdict_window(v, rules->date,
			x509_cert_not_before(chain->certs[i]),
			x509_cert_not_after(chain->certs[i]), at);
	return ok;
}
