"""The Mailboxes tab of the console."""
