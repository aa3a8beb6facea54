"""`python -m stripsight`: the command where its script is not on the path."""

from stripsight.cli.app import main

if __name__ == "__main__":
    main()
