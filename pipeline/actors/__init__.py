"""The stages: each an actor in a file of its own."""
