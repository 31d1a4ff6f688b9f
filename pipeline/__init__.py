"""HttpCA: a certificate authority whose signing key nobody can reach."""
