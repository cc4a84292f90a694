"""One parser for each daemon's log lines. Pure."""
