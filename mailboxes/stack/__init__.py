"""The three containers: what they are made of, how they are brought up, and kept as they should be."""
