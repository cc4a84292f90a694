"""The page of the audit log in the console."""
