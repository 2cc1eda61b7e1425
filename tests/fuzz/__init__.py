"""Coverage-guided fuzzing of what reads and writes for strangers: a module for each target, which `engine` drives.

`python -m tests.fuzz --seconds 600 spec tape` fuzzes these two; `make fuzz` all of them. What is found is mended, and
becomes an ordinary test of the room that it was found in.
"""
