"""The container's first line."""

import sys

from runner.main import cli

if __name__ == "__main__":
    sys.exit(cli())
