"""`python -m vbpi_mix` is `vbpi-mix`."""

from vbpi_mix.cli.main import main

if __name__ == "__main__":
    main()
