"""``python -m losszoo``, the same as ``losszoo``; what ``torchrun -m losszoo`` starts."""

from losszoo.cli.main import run_and_exit

if __name__ == "__main__":
    run_and_exit()
