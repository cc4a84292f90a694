"""What waits in Postfix's queue, why, and telling the operator."""
