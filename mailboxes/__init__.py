"""The mailbox stack on Docker, and the domains, mailboxes and aliases that live in it."""
