"""Backups: everything that one role is made of, its folder and its database, in one file."""
