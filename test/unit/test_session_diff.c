/* SPDX-License-Identifier: Apache-2.0 */
/* What changes of policies mean, as people read it. */
#include "cas/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/unit.h"

#define HEAD "name: a/b\nversion: \"1.0\"\n"
#define A "5f1c0b7e9d2a4c68b3f05a917cd2e4068fb19a3d57ce60f24b8d1e73a905c6f2"
#define B "a90d3e5c71b2f8460c9e17ad5328f6b4d07c8e91b36a524fe8d19c03f7b65a2e"
#define SVC(more)                                                              \
	HEAD "services: [{name: s, command: [c, x y], attestation: " more "}]" \
	     "\n"

static struct session *parse(const char *text)
{
	struct session *s = NULL;
	struct err e = {0};

	if (session_parse("p.yaml", text, strlen(text), &s, &e) < 0)
		fail_msg("%s\n%s", e.text, text);
	return s;
}

static const struct {
	const char *old, *changed, *want;
} rows[] = {
	{HEAD, HEAD, ""},
	{NULL, HEAD,
		"session a/b: new\n"
		"access: the policy may be read by its creator\n"
		"access: the policy may be changed by its creator\n"
		"access: sessions below may be created by its creator\n"
		"access: sessions below may be listed by its creator\n"
		"access: the session may be deleted by its creator\n"
		"session: has language version 1.0\n"},
	{SVC("{mrenclave: [" A "]}"), SVC("{mrenclave: [" A ", " B "]}"),
		"service s: may be started by SGX, MRENCLAVE " B "\n"},
	{SVC("{mrenclave: [" A "]}"),
		SVC("{signer: {mrsigner: " B ", isvprodid: 1}}"),
		"service s: may no longer be started by SGX, MRENCLAVE " A
		"\nservice s: may be started by SGX, signer " B
		", product 1, security version 0 to 65535\n"},
	{SVC("{mrenclave: " A "}"),
		SVC("{mrenclave: " A
		    "}, environment: {P: '$$SCONE::p:hex$$'}") "secrets: "
							       "[{name: p}]",
		"secret p: is ascii of 20 bytes\n"
		"service s: gets secret p (hex)\n"
		"service s: variable P: is \"$$SCONE::p:hex$$\"\n"},
	{SVC("{mrenclave: " A
	     "}, image_name: i") "secrets: [{name: p}, {name: q}]\n"
				 "images: [{name: i, provide_secrets: [p, q]}]",
		SVC("{mrenclave: " A
		    "}, image_name: i") "secrets: [{name: p, size: 21}]\n"
					"images: [{name: i, provide_secrets: "
					"[p]}]",
		"image i: no longer provides secret q\n"
		"secret p: is ascii of 21 bytes; was ascii of 20 bytes\n"
		"secret q: no longer is ascii of 20 bytes\n"
		"service s: no longer gets secret q\n"
		"secret p: a new value is made; that before is destroyed\n"
		"secret q: removed: its value is destroyed\n"},
	{SVC("{mrenclave: " A "}"), HEAD,
		"service s: may no longer be started by SGX, MRENCLAVE " A
		"\nservice s: no longer runs \"c\" \"x y\"\n"
		"service s: removed\n"},
	{HEAD "secrets: [{name: k, kind: private-key}, {name: c, kind: x509, "
	      "private_key: k}, {name: m, kind: private-key, migrate: true}]",
		HEAD "secrets: [{name: k, kind: private-key}, {name: c, kind: "
		     "x509, private_key: k, export_public: true}, {name: m, "
		     "kind: private-key, migrate: true, export: ../c}]",
		"secret c: may be read by anybody\n"
		"secret m: may be imported by session a/c in any version\n"
		"secret c: a new value is made; that before is destroyed\n"
		"secret k: a new value is made; that before is destroyed\n"},
	{HEAD "secrets: [{name: v, value: one}]",
		HEAD "secrets: [{name: v, value: two}]",
		"secret v: the given value is another\n"},
	{HEAD "secrets: [{name: v}]", HEAD "secrets: [{name: v, charset: abc}]",
		"secret v: is ascii of 20 bytes out of \"abc\"; was ascii of "
		"20 "
		"bytes\n"
		"secret v: a new value is made, unless that before fits\n"},
	{HEAD "secrets: [{name: v}]", HEAD "secrets: [{name: v, value: two}]",
		"secret v: is ascii, given; was ascii of 20 bytes\n"
		"secret v: the value that CAS made is destroyed\n"},
	{HEAD "volumes: [{name: v}, {name: w}]", HEAD "volumes: [{name: v}]",
		"volume w: no longer is encrypted\n"
		"volume w: its key is destroyed: what is in it is lost\n"},
	{HEAD,
		HEAD "access_policy: {read: ANY, update: {require-at-least-2: "
		     "[CREATOR, " A ", " B "]}, delete: NONE}",
		"access: the policy may be read by everybody\n"
		"access: the policy may no longer be read by its creator\n"
		"access: the policy may be changed by 2 of (its creator, key " A
		", key " B ")\n"
		"access: the policy may no longer be changed by its creator\n"
		"access: sessions below may be created by 2 of (its creator, "
		"key " A ", key " B ")\n"
		"access: sessions below may no longer be created by its "
		"creator\n"
		"access: sessions below may be listed by everybody\n"
		"access: sessions below may no longer be listed by its "
		"creator\n"
		"access: the session may no longer be deleted by its creator\n"
		"access: the session may be deleted by nobody\n"},
	{HEAD "security: {attestation: {tolerate: [aepic-leak]}}",
		HEAD "security: {attestation: {mode: none, tolerate: "
		     "[debug-mode]}, singleton_enclaves: true}\nboard: "
		     "{open_at_least: 1h}\ncas_requirements: {rollback: tpm}",
		"board: proposals are open at least for 3600 s\n"
		"evidence: no longer tolerates aepic-leak\n"
		"evidence: tolerates debug-mode\n"
		"evidence: needs a new one-time token for each start\n"
		"evidence: is wanted in mode none\n"
		"session: wants of CAS protection from rollback by tpm\n"},
	/* Given keys differ, and are not shown. */
	{HEAD "security: {service_access_token: one}",
		HEAD "security: {service_access_token: two}",
		"evidence: the given access token is another\n"},
};

static void test_effects(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct session *old = rows[i].old ? parse(rows[i].old) : NULL;
		struct session *changed = parse(rows[i].changed);
		struct buf b = {0};

		assert_int_equal(session_diff(old, changed, &b), 0);
		if (strcmp(b.data ? (char *)b.data : "", rows[i].want) != 0)
			fail_msg("%s\n->\n%s\nis:\n%swanted:\n%s", rows[i].old,
				rows[i].changed, b.data, rows[i].want);
		buf_fini(&b);
		session_free(old);
		session_free(changed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_effects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
