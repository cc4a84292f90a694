#!/usr/bin/env python
"""Django's command line for the mail console."""

import os
import sys


def main() -> None:
    # The database and all else that a command makes is for this user alone.
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quazzar.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
