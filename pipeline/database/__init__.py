"""What both sides' databases have in common: engine, columns, claims, and the one way to advance."""
