"""What an operator says of tools, and what is known of them without being told.

A tool's name gives its tier (`tiers`), its schema and the names of its arguments what each of them is (`sinks`). Paths,
URLs, commands, statements and other values are then held to what the operator allows.
"""
