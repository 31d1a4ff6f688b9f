"""Typed settings per role, their defaults, and the example policy."""
