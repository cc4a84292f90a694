"""Follows the logs of the three containers, and joins their lines into one journey for each mail."""
