"""Bodies on the wire: one form only, and groups that fit into a message."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import MessageRefused
from pipeline.messages import (
    MAX_CSR_BYTES,
    MAX_ITEMS,
    MAX_MESSAGE_BYTES,
    Decision,
    Outcome,
    OutcomeBatch,
    Submission,
    SubmissionBatch,
    chunked,
    read,
    says_something,
    write,
)
from pipeline.stages import POLICY
from pipeline.states import State
from tests.unit.crypto.message_world import WEB, MessageWorld

ID = "01890000-0000-7000-8000-000000000001"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def submission(csr: bytes = b"csr", comment: str = "") -> Submission:
    return Submission(ID, csr, "server", "api", NOW, comment=comment)


@pytest.mark.parametrize(
    "body",
    [
        SubmissionBatch([submission(comment="wozu? 🔑 \u202e")], [ID]),
        Decision(ID, "reject", "0" * 64, NOW, reason="no"),
        OutcomeBatch([Outcome(ID, 1, State.ISSUED, NOW, certificate=b"x", issuer="0" * 64)]),
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_is_written_is_read(body: SubmissionBatch) -> None:
    assert read(type(body), write(body)) == body


@pytest.mark.parametrize(
    "octets",
    [
        b'{"withdrawals":["%s\\n"]}' % ID.encode(),  # "$" in a pattern lets a line break pass
        b'{"withdrawals":["%s"]}' % ID.upper().replace("1", "A").encode(),
        write(SubmissionBatch([submission(comment="a?b")])).replace(b"a?b", b"a\\u0000b"),
        write(SubmissionBatch([submission()])).replace(b'"server"', b'"server\\u0000"'),
    ],
)
def test_what_one_database_would_take_and_another_not_is_refused(octets: bytes) -> None:
    with pytest.raises(MessageRefused) as refused:
        read(SubmissionBatch, octets)
    assert refused.value.reason == "bad-body"


@pytest.mark.parametrize(
    ("sentence", "says"),
    [("No.", True), ("2", True), ("ж", True), ("", False), (" \t", False), ("\u200b\u00ad", False),
     ("---", False)],
)  # fmt: skip
def test_a_sentence_says_something_when_there_is_a_letter_or_a_number(
    sentence: str, says: bool
) -> None:
    assert says_something(sentence) is says


@given(octets=st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_whatever_is_read_is_refused_with_a_reason_or_is_a_body(octets: bytes) -> None:
    try:
        body = read(SubmissionBatch, octets)
    except MessageRefused as refused:
        reason = refused.reason
    else:
        reason = "bad-body" if write(body) == octets else "another form"
    assert reason == "bad-body"


@pytest.mark.parametrize(
    ("csr", "comment"),
    [
        (b"x" * MAX_CSR_BYTES, "🔑" * 2000),  # all as large as it may be, and four octets each
        (b"x" * 20_000, "\x01" * 2000),  # six octets of JSON each
        (b"x" * 300, ""),
    ],
)
def test_every_group_fits_into_a_message(csr: bytes, comment: str, tmp_path: Path) -> None:
    world = MessageWorld(tmp_path / "trusted")
    envelope = world.envelope(world.identity(WEB))
    items = [submission(csr, comment) for _ in range(MAX_ITEMS + 1)]

    groups = list(chunked(items))

    assert [one for group in groups for one in group] == items
    for group in groups:
        batch = SubmissionBatch(group)
        token = envelope.seal(ID, POLICY, batch)
        assert len(token) <= MAX_MESSAGE_BYTES
        assert envelope.open(token, POLICY.queue).body == batch
