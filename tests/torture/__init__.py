"""Real parts of the product under faults picked at random from a seed, and what must hold after each round."""
