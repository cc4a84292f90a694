"""GET /api/mail/audit."""
