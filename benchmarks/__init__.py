"""How fast HttpCA is, measured on the real thing: `make bench`."""
