"""What HttpCA is made of besides its own code: pinned, allowed, not known to be weak?

``python -m tools.supply`` looks at the lock without network, as part of ``make check``.
``python -m tools.supply.advisories`` asks PyPI about every package of it (``make advisories``).
"""
