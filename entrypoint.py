"""The container's first line."""

from runner.guard import guard

if __name__ == "__main__":
    guard()  # before all that takes a while, in which a signal may come

    from runner.main import cli

    cli()
