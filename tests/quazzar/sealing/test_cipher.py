"""Sealing: what is stored is what the format says, and only the right key, place and bytes open it."""

import copy
import pickle

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from quazzar.errors import Unreadable
from quazzar.sealing import cipher
from quazzar.sealing.cipher import KeyRing

OLD, NEW, LOST = bytes(range(32)), b"\xff" * 32, b"lost-key" * 4
CONTEXT = "mailrelay.relay.password"

# Frozen: (key, context, plaintext, blob). If one of these fails, stored secrets are lost for every operator.
VECTORS = [
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "mailrelay.relay.password",
        "70c3a47373776f7264",
        "01630dcd296465666768696a6b6c6d6e6f38d87a150a9e39ec5a2fb55599ced2a81327e76df5a9739566",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "mailrelay.message.body",
        "",
        "01af961376000000000000000000000000e6c7eab012d6f8ffc83de9c0a92f41d8",
    ),
    (
        "b1e99324505bd32da0e1f85dcf5e19a09db0481e8a15f62c41eb320304a8e927",
        "ünïcode.context",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627",
        "0196cbf3d96e6f6e63652d6e6f6e636521f66c5837132432f6ebf8ef2ca4225fb0e2854c48c5f53cabdd099aae03950756"
        "abec21bb11c979d7fbf18a0f9b8d219c8cd83663af3c1d19",
    ),
]


@pytest.mark.parametrize(("key", "context", "plaintext", "blob"), VECTORS)
def test_what_was_sealed_years_ago_still_opens(key: str, context: str, plaintext: str, blob: str) -> None:
    ring = KeyRing([bytes.fromhex(key)])
    assert cipher.unseal(bytes.fromhex(blob), context, ring) == bytes.fromhex(plaintext)


@pytest.mark.parametrize(("key", "context", "plaintext", "blob"), VECTORS)
def test_the_same_nonce_gives_the_frozen_blob(
    key: str, context: str, plaintext: str, blob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nonce = bytes.fromhex(blob)[5:17]
    monkeypatch.setattr("os.urandom", lambda size: nonce[:size])
    sealed = cipher.seal(bytes.fromhex(plaintext), context, KeyRing([bytes.fromhex(key)]))
    assert sealed.hex() == blob


@given(st.binary(max_size=300), st.text(min_size=1))
def test_whatever_is_sealed_opens_again(plaintext: bytes, context: str) -> None:
    ring = KeyRing([OLD])
    assert cipher.unseal(cipher.seal(plaintext, context, ring), context, ring) == plaintext


def test_a_blob_is_version_key_id_nonce_ciphertext_and_tag() -> None:
    blob = cipher.seal(b"secret", CONTEXT, KeyRing([OLD]))
    assert (blob[0], blob[1:5], len(blob)) == (1, cipher.id_of_key(OLD), 1 + 4 + 12 + len(b"secret") + 16)
    assert AESGCM(OLD).decrypt(blob[5:17], blob[17:], blob[:5] + CONTEXT.encode()) == b"secret"


def test_no_two_seals_of_one_secret_are_alike() -> None:
    ring = KeyRing([OLD])
    assert len({cipher.seal(b"secret", CONTEXT, ring) for _ in range(1000)}) == 1000


def test_any_flipped_bit_makes_it_unreadable() -> None:
    ring = KeyRing([OLD])
    blob = cipher.seal(b"secret", CONTEXT, ring)
    for bit in range(len(blob) * 8):
        altered = bytearray(blob)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unreadable):
            cipher.unseal(bytes(altered), CONTEXT, ring)


def test_any_cut_makes_it_unreadable() -> None:
    ring = KeyRing([OLD])
    blob = cipher.seal(b"secret", CONTEXT, ring)
    for length in range(len(blob)):
        with pytest.raises(Unreadable):
            cipher.unseal(blob[:length], CONTEXT, ring)
    with pytest.raises(Unreadable):
        cipher.unseal(blob + b"\0", CONTEXT, ring)


def test_a_blob_opens_only_in_the_place_it_was_sealed_for() -> None:
    ring = KeyRing([OLD])
    blob = cipher.seal(b"secret", CONTEXT, ring)
    with pytest.raises(Unreadable, match="another field"):
        cipher.unseal(blob, "mailrelay.message.body", ring)


def test_a_blob_that_moved_opens_by_its_former_context_and_is_resealed_for_the_new_one() -> None:
    old, ring = KeyRing([OLD]), KeyRing([NEW, OLD])
    moved = cipher.seal(b"secret", CONTEXT, old)
    former = ("tests.elsewhere", CONTEXT)
    assert cipher.unseal(moved, "tests.here", ring, former) == b"secret"
    assert cipher.unseal(cipher.reseal(moved, "tests.here", ring, former), "tests.here", ring) == b"secret"
    with pytest.raises(Unreadable, match="another field"):
        cipher.unseal(moved, "tests.here", ring, ("tests.elsewhere",))


def test_a_lost_key_says_so_and_asks_to_enter_it_again() -> None:
    blob = cipher.seal(b"secret", CONTEXT, KeyRing([LOST]))
    with pytest.raises(Unreadable, match=r"no longer in the key file\. Enter it again") as caught:
        cipher.unseal(blob, CONTEXT, KeyRing([NEW, OLD]))
    assert caught.value.code == "unreadable"


def test_the_first_key_seals_and_every_key_opens() -> None:
    by_old = cipher.seal(b"old", CONTEXT, KeyRing([OLD]))
    ring = KeyRing([NEW, OLD])
    by_new = cipher.seal(b"new", CONTEXT, ring)
    assert cipher.key_id(by_new) == cipher.id_of_key(NEW)
    assert cipher.unseal(by_old, CONTEXT, ring) == b"old"
    assert cipher.unseal(by_new, CONTEXT, KeyRing([NEW])) == b"new"


def test_reseal_moves_to_the_first_key_and_leaves_what_is_there_already() -> None:
    ring = KeyRing([NEW, OLD])
    moved = cipher.reseal(cipher.seal(b"secret", CONTEXT, KeyRing([OLD])), CONTEXT, ring)
    assert cipher.unseal(moved, CONTEXT, KeyRing([NEW])) == b"secret"
    assert cipher.reseal(moved, CONTEXT, ring) is moved


def test_reseal_refuses_what_does_not_open() -> None:
    foreign = cipher.seal(b"secret", CONTEXT, KeyRing([LOST]))
    with pytest.raises(Unreadable):
        cipher.reseal(foreign, CONTEXT, KeyRing([NEW, OLD]))


def test_garbage_has_no_key_id(subtests: pytest.Subtests) -> None:
    for garbage in [b"", b"\x01", b"plain text that was never sealed at all", b"\x02" * 60]:
        with subtests.test(garbage=garbage):
            with pytest.raises(Unreadable):
                cipher.key_id(garbage)
            with pytest.raises(Unreadable):
                cipher.unseal(garbage, CONTEXT, KeyRing([OLD]))


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, b"\0" * 33]])
def test_a_ring_needs_whole_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        KeyRing(keys)


def test_a_key_that_comes_twice_counts_once() -> None:
    assert len(KeyRing([NEW, OLD, NEW])) == 2


def test_a_new_key_goes_first_and_only_named_old_keys_are_kept() -> None:
    ring = KeyRing([NEW, OLD]).with_new_key()
    assert ring.keys[1:] == (NEW, OLD)
    kept = ring.keeping({cipher.VERSION + cipher.id_of_key(OLD)})
    assert kept.keys == (ring.keys[0], OLD)


def test_a_ring_shows_no_key_and_cannot_be_pickled() -> None:
    ring = KeyRing([OLD])
    assert OLD.hex() not in repr(ring)
    assert cipher.id_of_key(OLD).hex() in repr(ring)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(ring)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(ring)
