"""A node as one sealed file: making it while everything runs, checking it, and restoring it on an empty machine."""
