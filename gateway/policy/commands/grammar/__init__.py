"""The grammar of the shell: from text to a tree, as POSIX.1-2024 (XCU 2) and the manual of Bash 5.2 have it."""
