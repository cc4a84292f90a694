"""What `manage.py doctor` and /metrics tell of the mailbox stack."""
