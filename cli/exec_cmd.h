/* SPDX-License-Identifier: Apache-2.0 */
/* The program sconce-exec: what speaks to CAS for the launcher, and `sconce
 * exec`. */
#pragma once

int cmd_token(int argc, char **argv);
int cmd_native(int argc, char **argv);
