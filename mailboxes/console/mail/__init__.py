"""Where mail is: Find mail, and what waits in Postfix."""
