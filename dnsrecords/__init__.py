"""The DNS records to publish, whether the world sees them, and publishing them automatically."""
