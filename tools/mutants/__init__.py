"""Take out one mechanism at a time, and show which test notices.

A mutant is a patch in ``tests/mutants/`` whose first lines say what it takes out and which tests must
fail because of it. One that nothing notices has survived: a gap in the tests, to be closed by a test.
"""
