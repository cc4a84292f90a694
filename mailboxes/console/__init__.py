"""The Mailboxes tab: the way to a mail server, its state, and the domains, mailboxes and aliases in it."""
