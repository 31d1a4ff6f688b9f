"""Fuzzing: everything that parses what comes from outside gets octets that nobody meant to send.

A target is a function from octets to nothing. It may end in the typed errors that it names, and in
nothing else; what it accepts must hold what the rest of the program relies on. ``corpus/TARGET/`` keeps
its inputs: seeds made with the real tools, and whatever was once found.

``python -m tests.fuzz`` runs targets for as long as one likes, guided by the coverage they reach
(atheris). The suite ``tests/fuzz`` replays the corpus and adds a bounded number of changed inputs.
"""
