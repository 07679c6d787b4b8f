"""Philox4x32-10: random numbers that are a function of a counter and a key.

J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. No
state passes from one number to the next, so every device and every division of the work sees the
same ones, and a backward pass draws the mask of its forward pass again instead of keeping it.
"""

from __future__ import annotations

from netts.compiler import element

WORD = 0xFFFFFFFF
MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9  # the golden ratio
WEYL_1 = 0xBB67AE85  # sqrt(3) - 1


@element
def philox_word(counter_0, counter_1, counter_2, counter_3, key_0, key_1):
    """Return the first of the four 32-bit words that a counter and a key give.

    All arguments are integers of which the low 32 bits count. The products exceed 63 bits; masked
    as they are here, wrapping 64-bit integers and Python's own give the same words.
    """
    a = counter_0 & WORD
    b = counter_1 & WORD
    c = counter_2 & WORD
    d = counter_3 & WORD
    k = key_0 & WORD
    m = key_1 & WORD
    for _round in range(10):
        first = MULTIPLIER_0 * a
        second = MULTIPLIER_1 * c
        a = ((second >> 32) & WORD) ^ b ^ k
        b = second & WORD
        c = ((first >> 32) & WORD) ^ d ^ m
        d = first & WORD
        k = (k + WEYL_0) & WORD
        m = (m + WEYL_1) & WORD
    return a
