"""``python -m sipguard`` is the command line."""

from sipguard.cli import main

if __name__ == "__main__":
    main()
