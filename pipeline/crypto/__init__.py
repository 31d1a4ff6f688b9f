"""Cryptography without state: messages and their trust, CSRs, keys, names, profiles."""
