"""Databases that released versions of the product left behind, made by ``make.py`` with their own code."""
