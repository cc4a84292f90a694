"""Machines that share one PostgreSQL: what each reports about itself, and where they differ."""
