"""Signed notes and checkpoints, against a published example and one mistake at a time."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.crypto import checkpoint, note
from pipeline.crypto.note import NoteRefused, Verifier

# The key and the note that implementations of signed notes are tested with.
KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONn"
    "cAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
OURS = Ed25519PrivateKey.from_private_bytes(bytes(32))
TRUSTED = checkpoint.verifier(OURS.public_key())
SIGNED = checkpoint.sign(1234, bytes(range(32)), OURS)


def test_the_published_note_is_read_with_the_published_key() -> None:
    text, key = note.open_note(NOTE, [Verifier.read(KEY)])
    assert text == "This is an example message.\n"
    assert str(key) == KEY


def test_a_checkpoint_is_read_as_it_was_signed() -> None:
    assert checkpoint.read(SIGNED.note, [Verifier.read(KEY), TRUSTED]) == SIGNED
    origin, size, root, blank, signature, end = SIGNED.note.split("\n")
    assert (origin, size, blank, end) == (TRUSTED.name, "1234", "", "")
    assert root == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith(f"— {TRUSTED.name} ")


def test_signatures_of_others_are_passed_over() -> None:
    text, _, own = SIGNED.note.rpartition("\n\n")
    witness = NOTE.splitlines(keepends=True)[-1]
    assert checkpoint.read(f"{text}\n\n{witness}{own}", [TRUSTED]).size == 1234


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        pytest.param(SIGNED.note.replace("1234", "1235"), "signature", id="another size"),
        pytest.param(SIGNED.note.replace("\n\n", "\nmore\n\n"), "signature", id="one more line"),
        pytest.param(SIGNED.note.replace("\n\n", "\n"), "no signed note", id="no blank line"),
        pytest.param(SIGNED.note.rstrip("\n"), "no signed note", id="no newline at the end"),
        pytest.param(SIGNED.note.replace("—", "--"), "line of signature", id="another dash"),
        pytest.param(SIGNED.note.replace("\n", "\r\n"), "no signed note", id="other line ends"),
        pytest.param(SIGNED.note.rpartition("\n\n")[0] + "\n\n— a !\n", "base64", id="no base64"),
        pytest.param(NOTE, "no key that is trusted", id="another's note"),
        pytest.param("", "no signed note", id="nothing"),
    ],
)
def test_a_checkpoint_with_one_mistake_is_refused(changed: str, says: str) -> None:
    with pytest.raises(NoteRefused, match=says):
        checkpoint.read(changed, [TRUSTED])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{origin}\n", id="only the origin"),
        pytest.param("{origin}\n01\n{root}\n", id="a zero before the size"),
        pytest.param("{origin}\n-1\n{root}\n", id="less than nothing"),
        pytest.param("{origin}\n1\nAAEC\n", id="a short root"),
        pytest.param("{origin}\n1\nno root\n", id="no root"),
        pytest.param("another/log\n1\n{root}\n", id="of another log"),
    ],
)
def test_a_note_that_we_signed_and_that_is_no_checkpoint_is_refused(text: str) -> None:
    root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    text = text.format(origin=TRUSTED.name, root=root)
    with pytest.raises(NoteRefused):
        checkpoint.read(note.sign(text, TRUSTED.name, OURS), [TRUSTED])


@pytest.mark.parametrize(
    "written",
    [
        "",
        "name",
        "name+00000000+AA==",
        KEY.replace("530d903a", "530d903b"),
        KEY.replace("+A", "+B"),
    ],
)
def test_what_is_no_verifier_key_is_refused(written: str) -> None:
    with pytest.raises(NoteRefused):
        Verifier.read(written)


def test_notes_one_after_the_other_are_told_apart() -> None:
    other = checkpoint.sign(1300, bytes(32), OURS).note
    assert note.split(SIGNED.note + other + "\n" + NOTE) == [SIGNED.note, other, NOTE]
    assert note.split("") == []
