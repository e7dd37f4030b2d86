/* SPDX-License-Identifier: Apache-2.0 */
/* For `sconce help las` and for sconce-las --help. */
#include <stdio.h>

#include "cli/cmd.h"

void cmd_las_print_options(void)
{
	fputs("\n"
	      "Gives quotes to the enclaves of this node, one service for all "
	      "of them: from\n"
	      "Intel's AESM service on hardware, from the emulated quoting "
	      "enclave elsewhere.\n"
	      "Quotes of the emulated one prove nothing; verifiers refuse them "
	      "unless told to\n"
	      "take them (`sconce quote verify --root emulated`). Runs until "
	      "SIGTERM.\n"
	      "\n"
	      "  --socket PATH       where to listen; default "
	      "/run/sconce/las.sock for root,\n"
	      "                      $XDG_RUNTIME_DIR/sconce/las.sock for "
	      "others\n"
	      "  --permissions MODE  of the socket, octal; default 0666 (a "
	      "report must be of\n"
	      "                      this platform to be quoted, whoever "
	      "brings it)\n"
	      "  --mode MODE         auto (default): hardware if AESM answers, "
	      "else emulated;\n"
	      "                      hardware; emulated\n"
	      "  --aesm PATH         socket of AESM; default "
	      "/var/run/aesmd/aesm.socket\n"
	      "  --collateral DIR    (emulated) keep the platform's collateral "
	      "in DIR, signed\n"
	      "                      anew each day: TCB info, QE identity, "
	      "CRLs, root_ca.pem\n"
	      "\n"
	      "Programs in enclaves find the service at $SCONCE_LAS if that is "
	      "set, else at the\n"
	      "default places. systemd is told when it is ready "
	      "(Type=notify).\n",
		stdout);
}
