"""Where the values of a call came from, and whether the user asked for it: by the transcript alone, and pure."""
