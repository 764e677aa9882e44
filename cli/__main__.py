"""The ``engine`` command, which is also ``python -m cli``: it is loaded where Ctrl-C is understood already."""

import sys


def main() -> int:
    """Run it, and give its exit status."""
    try:
        from cli.app import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
