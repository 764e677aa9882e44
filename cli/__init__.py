"""The ``engine`` command: it finds what the user asked for, and prints. The work is the library's."""
