/* SPDX-License-Identifier: GPL-3.0-or-later
 * Seen by wolfSSL's own build alone (scripts/setup passes it with -include): wolfSSL takes every random byte from this
 * function, which runtime/quic/random.cpp and bench/raw define. Returns 0, or non-zero when no bytes can be had. */
#ifndef KITH_WOLFSSL_RANDOM_H
#define KITH_WOLFSSL_RANDOM_H
#ifndef __ASSEMBLER__
int kith_tls_random(unsigned char *out, unsigned int size);
#endif
#endif
