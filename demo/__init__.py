"""`make demo`: a node with a week of mail behind it, whose relay captures mail instead of delivering it."""
