"""An attacker's toolbox: every attack on a consumer that we know, as one table.

``table.py`` lists them; ``ground.py`` is what they are tried on: both sides, with real workers, on
the in-memory broker or on RabbitMQ. `tests/system/test_attacks.py` runs them.
"""
