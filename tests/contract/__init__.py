"""API.md line by line: what an outside check would look at."""
