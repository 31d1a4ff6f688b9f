"""Tokens are shown once and kept as hashes."""

from typing import Any

import pytest
from sqlalchemy import event, select

from pipeline.web import tables, tokens
from tests.website import Website


def test_a_token_is_long_random_and_kept_hashed(website: Website) -> None:
    one, other = website.token("one"), website.token("other")
    assert one.startswith("httpca_")
    assert len(one) == len("httpca_") + 43
    assert one != other
    with website.database.read() as connection:
        rows = connection.execute(select(tables.tokens)).all()
        assert tokens.requester_of(connection, tokens.digest(one)) == "one"
    assert all(one.encode() not in row.hash and len(row.hash) == 32 for row in rows)
    files = [path.read_bytes() for path in website.folder.glob("web.sqlite*")]
    assert all(one.encode() not in octets for octets in files)


def test_a_requester_has_one_token_at_a_time(website: Website) -> None:
    first = website.token("me")
    with pytest.raises(tokens.TokenError, match="revoke it first"):
        website.token("me")
    assert tokens.revoke(website.database, "me", "root", website.moment)
    second = website.token("me")
    assert website.client(first).get("/api/v1/requests").status_code == 401
    assert website.client(second).get("/api/v1/requests").status_code == 200


def test_a_token_is_looked_up_once_a_second(website: Website) -> None:
    client = website.client(website.token("me"))
    asked = 0

    @event.listens_for(website.database.engine, "before_cursor_execute")
    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal asked
        asked += "FROM tokens" in statement.replace("\n", " ")

    for _ in range(3):
        assert client.get("/api/v1/requests").status_code == 200
    assert asked == 1
    website.moment += tokens.FRESH
    assert client.get("/api/v1/requests").status_code == 200
    assert asked == 2


def test_what_is_no_token_is_asked_for_every_time_and_not_remembered(website: Website) -> None:
    known = tokens.Known(website.database, lambda: website.moment)
    for number in range(3):
        assert known.requester(tokens.digest(str(number))) is None
    assert known._known == {}


def test_revoking_twice_changes_nothing(website: Website) -> None:
    website.token("me")
    assert tokens.revoke(website.database, "me", "root", website.moment)
    assert not tokens.revoke(website.database, "me", "root", website.moment)
    with pytest.raises(tokens.NoSuchToken):
        tokens.revoke(website.database, "nobody", "root", website.moment)


def test_all_tokens_are_listed(website: Website) -> None:
    website.token("b")
    website.token("a")
    tokens.revoke(website.database, "b", "root", website.moment)
    found = tokens.listed(website.database)
    assert [(one.name, one.revoked_at) for one in found] == [("a", None), ("b", website.moment)]


def test_tokens_are_audited_with_who_did_it_and_without_their_text(website: Website) -> None:
    text = website.token("me")
    tokens.revoke(website.database, "me", "root", website.moment)
    with website.database.read() as connection:
        entries = connection.execute(select(tables.audit.c.event, tables.audit.c.details)).all()
    assert [event for event, _ in entries] == ["token-created", "token-revoked"]
    assert all(details == {"operator": "root", "name": "me"} for _, details in entries)
    assert text not in str(entries)


@pytest.mark.parametrize("name", ["", " ", " me", "me\n", "a\0b", "x" * 201])
def test_a_name_that_cannot_be_one_is_refused(website: Website, name: str) -> None:
    with pytest.raises(tokens.TokenError):
        website.token(name)
