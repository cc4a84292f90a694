"""Home, the page that the console opens with."""
