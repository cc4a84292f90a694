"""Lines to paste for an API key: what each program needs to send through this node."""
