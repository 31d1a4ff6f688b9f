"""A hundred thousand requests in a database of PostgreSQL, as they come to lie there over the years."""

from pipeline.database.engine import Database

ROWS = 100_000

LARGE = (
    "requests",
    "submissions",
    "certificates",
    "issued_names",
    "tbs",
    "decisions",
    "audit",
)
"""Tables that grow with every request."""

REQUESTS = """
    INSERT INTO requests (id, state, revision, reason, created_at, changed_at, attempts{columns})
    SELECT gen_random_uuid(), CASE WHEN mod(n, 3) = 0 THEN 'rejected' ELSE 'issued' END, 3, '',
           now() - n * interval '1 second', now(), 0{values}
    FROM generate_series(1, {rows}) n
"""

MORE = {
    "web": (
        ", withdrawal_wished, in_bulk, requester",
        ", false, mod(n, 2) = 0, CASE WHEN mod(n, 50) = 0 THEN 'ci' END",
    ),
    "signer": (", told_revision, tell_at", ", 3, now()"),
}

OTHERS = {
    "web": [
        """INSERT INTO submissions (request_id, csr, profile, source, comment)
           SELECT id, '\\x00', 'server', 'api', '' FROM requests""",
        "INSERT INTO issuers (fingerprint, chain, root, heard_at) VALUES ('', '', '', now())",
        """INSERT INTO certificates (request_id, certificate, issuer, received_at)
           SELECT id, '\\x00', '', now() FROM requests WHERE state = 'issued'""",
    ],
    "signer": [
        # Half of them have the same key, and one in fifty is of the same requester.
        """INSERT INTO submissions (request_id, csr, profile_name, requester, source, comment,
                                    submitted_at, profile, rule, issuer, policy_digest,
                                    key_fingerprint)
           SELECT id, '\\x00', 'server', CASE WHEN mod(n, 50) = 0 THEN 'ci' ELSE 'of ' || n END,
                  'api', '', created_at, '{}', '{}', '', '',
                  CASE WHEN mod(n, 2) = 0 THEN repeat('a', 64) ELSE md5(n::text) END
           FROM (SELECT id, created_at, row_number() OVER () AS n FROM requests) numbered""",
        """INSERT INTO certificates (request_id, serial, issuer, certificate, issued_at)
           SELECT id, md5(id::text), '', '\\x00', now() FROM requests WHERE state = 'issued'""",
        # One name was issued a hundred times as often as the others.
        """INSERT INTO issued_names (digest, request_id)
           SELECT sha256((CASE WHEN mod(n, 2) = 0 THEN 'often' ELSE mod(n, 1000)::text END)::bytea),
                  request_id
           FROM (SELECT request_id, row_number() OVER () AS n FROM certificates) numbered""",
        """INSERT INTO tbs (request_id, serial, issuer, not_before, not_after, octets, created_at)
           SELECT id, md5(id::text), '', now(), now(), '\\x00', now()
           FROM requests WHERE state = 'issued'""",
        """INSERT INTO decisions (id, request_id, approver, verdict, reason, effect, decided_at,
                                  received_at, token)
           SELECT id, id, 'approver', 'accept', '', 'counted', now(), now(), '\\x00'
           FROM requests""",
    ],
}

AUDIT = """
    INSERT INTO audit (at, event, request_id, details)
    SELECT now(), 'state-changed', id, '{}' FROM requests
"""


def fill(database: Database, side: str) -> None:
    columns, values = MORE[side]
    with database.write() as connection:
        for statement in (
            REQUESTS.format(columns=columns, values=values, rows=ROWS),
            *OTHERS[side],
            AUDIT,
            "ANALYZE",
        ):
            connection.exec_driver_sql(statement)
