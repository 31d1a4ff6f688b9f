"""Which names were ever issued: written with each certificate, read by approvers."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection

from pipeline.crypto.names import Name
from pipeline.database.sets import insert_rows
from pipeline.database.values import Rows
from pipeline.signer.tables import issued_names

REQUEST: Final = issued_names.c.request_id
"""By what the rows belong to a request."""


def rows(names: Mapping[str, Iterable[Name]]) -> Rows:
    """Return the rows for the names of certificates, given by the ids of their requests."""
    return [
        {"digest": name.digest, "request_id": request_id}
        for request_id, of_request in names.items()
        for name in dict.fromkeys(of_request)
    ]


def note(connection: Connection, names: Mapping[str, Iterable[Name]]) -> None:
    """Note the names of certificates, in the transaction that stores them."""
    insert_rows(connection, issued_names, rows(names))
