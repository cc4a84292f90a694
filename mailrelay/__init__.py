"""Outbound mail: the relay's settings, the durable queue, and everything that sends through it."""
