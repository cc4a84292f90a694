"""What `manage.py doctor` and /metrics report about the mailbox stack."""
