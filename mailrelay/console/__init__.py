"""The Mail Relay page of the console: its Relay settings tab, the lock card, and the parts that update themselves."""
