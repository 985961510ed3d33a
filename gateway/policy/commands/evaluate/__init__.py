"""What the shell would make of a tree, as far as the text alone tells: words expanded, commands followed."""
