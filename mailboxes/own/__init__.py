"""The mailbox of the stack that Quazzar itself owns: bounces and reports come there, and an inbox reads them."""
