"""Which names were ever issued: written with each certificate, read by approvers."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from pipeline.crypto.names import Name
from pipeline.database.sets import insert_rows
from pipeline.signer.tables import issued_names


def note(connection: Connection, names: Mapping[str, Iterable[Name]]) -> None:
    """Note the names of certificates, by the id of their request, in the transaction that stores
    them."""
    rows = [
        {"digest": name.digest, "request_id": request_id}
        for request_id, of_request in names.items()
        for name in dict.fromkeys(of_request)
    ]
    insert_rows(connection, issued_names, rows)
