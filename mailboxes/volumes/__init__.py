"""The volume with all mail, in backups of the node."""
