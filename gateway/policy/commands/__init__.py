"""What commands and queries would do, read from their text by real grammars.

Nothing is run, looked up or opened: a report says what the text says, and names what the text alone does not tell.
"""
