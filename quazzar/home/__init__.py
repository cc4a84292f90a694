"""What the console's first page is made of: the status line, tiles, charts, first steps, and what happened last.

Apps register what they know in AppConfig.ready(), so that this package imports none of them.
"""
