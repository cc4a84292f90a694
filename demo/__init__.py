"""`make demo`: a node with a week of mail behind it, whose relay keeps what is sent instead of delivering it."""
