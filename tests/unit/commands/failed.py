"""A request that failed, in the signer's database."""

from pathlib import Path

from sqlalchemy import insert

from pipeline.database.advance import Move, admit, advance
from pipeline.database.engine import open_database
from pipeline.signer.tables import ledger, submissions
from pipeline.states import State
from settings.signer import load_signer
from tests.factories import NOW, openssl_csr

ID = "0197b3a0-0000-7000-8000-000000000001"

UNKNOWN = "0197b3a0-0000-7000-8000-00000000ffff"


def put_failed(directory: Path, comment: str = "") -> None:
    """Put a request that failed into the signer's database."""
    database = open_database(load_signer(directory).database)
    row = {"id": ID, "state": State.WAITING_FOR_SIGNATURE, "revision": 1, "told_revision": 0}
    with database.write() as connection:
        admit(connection, ledger, "policy", [{**row, "tell_at": NOW}], NOW)
        connection.execute(
            insert(submissions).values(
                request_id=ID,
                csr=openssl_csr(names=("DNS:www.example.test",)),
                profile_name="server",
                source="api",
                comment=comment,
                submitted_at=NOW,
                profile={},
                rule={"name": "default"},
                issuer="0" * 64,
                policy_digest="0" * 64,
            )
        )
        source, target = State.WAITING_FOR_SIGNATURE, State.FAILED
        advance(connection, ledger, "sign", [Move(ID, source, target, 1)], NOW)
    database.dispose()
