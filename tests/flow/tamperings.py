"""What somebody may do to the audit log who writes into the signer's database, in SQL."""

OTHER = "'2026-03-01 12:00:49.000002'"

# What somebody does; what is found; what the sentence names.
TAMPERINGS = {
    "flips an event": (["UPDATE audit SET event = 'x' WHERE id = 50"], {"changed"}, "entry 50 "),
    "flips a time": ([f"UPDATE audit SET at = {OTHER} WHERE id = 50"], {"changed"}, "entry 50 "),
    "flips a request": (
        ["UPDATE audit SET request_id = (SELECT request_id FROM audit WHERE id = 51) WHERE id = 50"],
        {"changed"},
        "entry 50 ",
    ),
    "takes a request away": (
        ["UPDATE audit SET request_id = NULL WHERE id = 50"],
        {"changed"},
        "entry 50 ",
    ),
    "flips details": (
        ["""UPDATE audit SET details = '{"number": 1}' WHERE id = 50"""],
        {"changed"},
        "entry 50 ",
    ),
    "writes details that nobody can read": (
        ["""UPDATE audit SET details = '{"number": 1e400}' WHERE id = 50"""],
        {"changed"},
        "entry 50 ",
    ),
    "writes details that are no text": (
        [r"""UPDATE audit SET details = '{"number": "\u0000"}' WHERE id = 50"""],
        {"changed"},
        "entry 50 ",
    ),
    "calls an entry a fork": (
        ["UPDATE audit SET event = 'audit-forked' WHERE id = 50"],
        {"changed"},
        "entry 50 ",
    ),
    "removes an entry": (["DELETE FROM audit WHERE id = 50"], {"removed"}, "entry 50 "),
    "removes the last entry": (["DELETE FROM audit WHERE id = 605"], {"removed"}, "entry 605 "),
    "inserts an entry": (
        [
            ("INSERT INTO audit (id, at, event, details)"
            " SELECT -1, at, event, details FROM audit WHERE id = 50")
        ],
        {"inserted"},
        "entry -1 ",
    ),
    "exchanges two entries": (
        [
            "UPDATE audit SET id = -1 WHERE id = 50",
            "UPDATE audit SET id = 50 WHERE id = 51",
            "UPDATE audit SET id = 51 WHERE id = -1",
        ],
        {"changed"},
        "entry 51 ",
    ),
    "exchanges two leaves": (
        [
            "UPDATE audit_leaves SET leaf = -1 WHERE leaf = 50",
            "UPDATE audit_leaves SET leaf = 50 WHERE leaf = 51",
            "UPDATE audit_leaves SET leaf = 51 WHERE leaf = -1",
        ],
        {"rewritten", "node", "head"},
        "leaf 0 to leaf 104 ",
    ),
    "removes a leaf": (
        ["DELETE FROM audit_leaves WHERE leaf = 50"],
        {"leaf-removed", "inserted"},
        "from leaf 50 on",
    ),
    "inserts a leaf": (
        [("INSERT INTO audit_leaves (leaf, entry, hash) SELECT 605, -1, hash FROM audit_leaves"
         " WHERE leaf = 50")],
        {"leaf-inserted"},
        "from leaf 605 on",
    ),
    "inserts an entry before the first leaf": (
        [("INSERT INTO audit (id, at, event, details)"
          " SELECT -1, at, event, details FROM audit WHERE id = 50"),
         "INSERT INTO audit_leaves SELECT -1, -1, hash FROM audit_leaves WHERE leaf = 49"],
        {"leaf-inserted"},
        "from leaf -1 on",
    ),
    "calls an entry a fork that never was": (
        [("UPDATE audit SET event = 'audit-forked', at = 'infinity',"
          """ details = '{"kept_size": 1, "kept_root": ""}' WHERE id = 50""")],
        {"changed"},
        "entry 50 ",
    ),
    "flips the hash of a leaf": (
        [("UPDATE audit_leaves SET hash = (SELECT hash FROM audit_leaves WHERE leaf = 599)"
         " WHERE leaf = 600")],
        {"changed", "head", "rewritten"},
        "(leaf 600)",
    ),
    "flips a node": (
        [("UPDATE audit_nodes SET hash = (SELECT hash FROM audit_nodes WHERE position = 0)"
         " WHERE position = 1")],
        {"node"},
        "node 1 of level 8 ",
    ),
    "removes a node": (["DELETE FROM audit_nodes WHERE position = 1"], {"node"}, "node 1 "),
    "inserts a node": (
        ["INSERT INTO audit_nodes SELECT 16, 7, hash FROM audit_nodes WHERE position = 0"],
        {"node"},
        "node 7 of level 16 ",
    ),
    "flips the head": (
        [("UPDATE audit_head SET edge = (SELECT edge FROM audit_head)"
         " , size = 604 WHERE id = 1")],
        {"head", "leaf-inserted"},
        "cannot be read",
    ),
    "sets the head where nobody ever comes": (
        [("UPDATE audit_head SET size = 4611686018427387904, edge ="
         " (SELECT hash FROM audit_leaves WHERE leaf = 1)")],
        {"leaf-removed"},
        "from leaf 605 on",
    ),
    "sets the head back": (
        [("UPDATE audit_head SET size = 256, edge ="
         " (SELECT hash FROM audit_nodes WHERE position = 1)")],
        {"head", "shorter", "leaf-inserted", "node"},
        "is not the one of its leaves",
    ),
    "rewrites a stored checkpoint": (
        ["UPDATE audit_checkpoints SET note = replace(note, '305', '306')"],
        {"checkpoint"},
        "not to be believed",
    ),
    "relabels a stored checkpoint": (
        ["UPDATE audit_checkpoints SET size = 306 WHERE size = 305"],
        {"checkpoint"},
        "something else than its note",
    ),
    "exchanges a certificate": (
        [("UPDATE certificates SET certificate ="
         " (SELECT hash FROM audit_leaves WHERE leaf = 1)"
         " WHERE serial = '0000000000000000000000000000000000000003'")],
        {"certificate-changed"},
        "entry 4",
    ),
    "removes a certificate": (
        ["DELETE FROM certificates WHERE serial = '0000000000000000000000000000000000000003'"],
        {"certificate-removed"},
        "entry 4 ",
    ),
    "slips a certificate in": (
        [("INSERT INTO requests (id, state, revision, reason, created_at, changed_at, attempts,"
         " told_revision, tell_at) SELECT request_id, 'issued', 2, '', at, at, 0, 2, at"
         " FROM audit WHERE id = 99"),
         ("INSERT INTO certificates (request_id, serial, issuer, certificate, issued_at)"
         " SELECT request_id, 'f00d', '', (SELECT hash FROM audit_leaves WHERE leaf = 1), at"
         " FROM audit WHERE id = 99")],
        {"certificate-inserted"},
        "certificate f00d ",
    ),
}  # fmt: skip

# What SQLite keeps in a column, and PostgreSQL refuses; and what is found.
OTHER_KINDS = {
    "a leaf's hash is text": ("UPDATE audit_leaves SET hash = 'x' WHERE leaf = 50", "changed"),
    "a leaf's hash is a number": ("UPDATE audit_leaves SET hash = 7 WHERE leaf = 50", "changed"),
    "the head's size is text": ("UPDATE audit_head SET size = 'x'", "head"),
    "the head's edge is text": ("UPDATE audit_head SET edge = 'x'", "head"),
    "a checkpoint is no text": ("UPDATE audit_checkpoints SET note = x'00'", "checkpoint"),
    "a certificate is text": ("UPDATE certificates SET certificate = 'x'", "certificate-changed"),
    "details are no UTF-8": ("UPDATE audit SET details = x'ff' WHERE id = 50", "changed"),
    "an event is no UTF-8": (
        "UPDATE audit SET event = CAST(x'ff' AS TEXT) WHERE id = 50",
        "changed",
    ),
    "a time is no UTF-8": ("UPDATE audit SET at = x'ff' WHERE id = 50", "changed"),
}

# What somebody does before making the tree anew; what the sentence names.
FORGERIES = {
    "changes an entry": (["UPDATE audit SET event = 'x' WHERE id = 250"], "leaf 105 to leaf 304 "),
    "removes an entry": (["DELETE FROM audit WHERE id = 50"], "leaf 0 to leaf 104 "),
    "exchanges two entries": (
        [
            "UPDATE audit SET id = -1 WHERE id = 450",
            "UPDATE audit SET id = 450 WHERE id = 451",
            "UPDATE audit SET id = 451 WHERE id = -1",
        ],
        "leaf 305 to leaf 604 ",
    ),
    "inserts an entry": (
        [
            "UPDATE audit SET id = 10000 WHERE id = 605",
            (
                "INSERT INTO audit (id, at, event, details)"
                " SELECT 605, at, event, details FROM audit WHERE id = 50"
            ),
            "INSERT INTO audit_leaves SELECT 605, 10000, hash FROM audit_leaves WHERE leaf = 1",
        ],
        "leaf 305 to leaf 604 ",
    ),
    "ends the log": (["DELETE FROM audit WHERE id > 590"], "the last 15 were removed"),
}
