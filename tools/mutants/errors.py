"""What can be wrong with mutants themselves."""


class Unusable(Exception):
    """A mutant, or what it is tried on, cannot be used; the sentence says why."""
