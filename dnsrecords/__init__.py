"""What to paste at the registrar, and whether the world sees it."""
