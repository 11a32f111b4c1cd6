"""`python -m vedette`, and `torchrun -m vedette train …`."""

from vedette.cli import main

main()
