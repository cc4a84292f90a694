"""Pages about mail that came back: inboxes, and the suppression list."""
