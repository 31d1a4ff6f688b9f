"""What can be wrong with a backup, or with what it is made of."""

from pipeline.errors import HttpcaError


class BackupError(HttpcaError):
    """A backup cannot be made or restored; the sentence says why, and what to do."""
