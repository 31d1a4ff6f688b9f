"""What the corpus begins with, a module for each `on_…` that has targets."""

from collections.abc import Iterator

Seeds = Iterator[tuple[str, bytes]]
"""Pairs of a file's name in the corpus, and what is in it."""
