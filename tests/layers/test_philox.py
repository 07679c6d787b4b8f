"""Philox4x32-10 against published vectors and an independent implementation."""

import numpy as np
import pytest

from netts.layers.philox import philox_word

ONES = 0xFFFFFFFF
# Random123, kat_vectors: philox4x32 10, first word of the result.
VECTORS = [
    ((0, 0, 0, 0), (0, 0), 0x6627E8D5),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), 0x408F276D),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        0xD16CFE09,
    ),
]


def philox_4x32(counter, key):
    """All four words, in unsigned 64-bit NumPy arithmetic, as the paper has it."""
    words = [np.uint64(word) for word in counter]
    keys = [np.uint64(word) for word in key]
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        first = np.uint64(0xD2511F53) * words[0]
        second = np.uint64(0xCD9E8D57) * words[2]
        words = [
            (second >> half) ^ words[1] ^ keys[0],
            second & low,
            (first >> half) ^ words[3] ^ keys[1],
            first & low,
        ]
        keys = [
            (keys[0] + np.uint64(0x9E3779B9)) & low,
            (keys[1] + np.uint64(0xBB67AE85)) & low,
        ]
    return [int(word) for word in words]


@pytest.mark.parametrize(("counter", "key", "word"), VECTORS)
def test_philox_gives_the_published_words(counter, key, word):
    assert philox_word(*counter, *key) == word
    assert philox_4x32(counter, key)[0] == word


def test_philox_agrees_with_numpy_arithmetic_on_any_counter():
    generator = np.random.default_rng(0)
    for words in generator.integers(0, 2**32, (50, 6)).tolist():
        assert philox_word(*words) == philox_4x32(words[:4], words[4:])[0]


def test_philox_ignores_what_lies_above_32_bits():
    assert philox_word(5 + 2**32, 6, 7, 8, 9, 10) == philox_word(5, 6, 7, 8, 9, 10)
