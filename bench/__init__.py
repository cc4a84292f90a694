"""Measurements compared with peers, printed as ratios: ``make bench`` (or ``python -m bench [name …]``)."""
