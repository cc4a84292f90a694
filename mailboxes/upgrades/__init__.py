"""Upgrades of the three images as one transaction: fetch, save, switch, prove, open; or back to what ran before."""
