/* SPDX-License-Identifier: Apache-2.0 */
/* The value of the PCK extension, in DER. Internal to attest/pki*.c. */
#pragma once

#include "attest/pki.h"

enum { PKI_EXTENSION_MAX = 768 };

/* Returns the size. */
size_t pki_der_platform(
	const struct pki_platform *platform, uint8_t der[PKI_EXTENSION_MAX]);
