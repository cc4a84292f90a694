"""Attackers: requests made up from the API's description, and bytes made up for every parser (``make fuzz``)."""
