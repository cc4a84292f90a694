"""/api/mail/health: what the doctor's checks found, as far as the caller may see it, and what changed."""
