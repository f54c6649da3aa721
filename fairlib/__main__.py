"""`python -m fairlib`: the book's tools for the terminal."""

import argparse
import os
import sys

from fairlib import claims


def _claims(arguments: argparse.Namespace) -> str:
    verdict = arguments.verdict and arguments.verdict.replace("-", " ")
    frame = claims.ledger(arguments.paper, verdict)
    return claims.as_json(frame) if arguments.json else claims.as_text(frame)


def parser() -> argparse.ArgumentParser:
    """The command line; each command's function takes the arguments and returns what to print."""
    top = argparse.ArgumentParser(prog="python -m fairlib", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    ledger = commands.add_parser("claims", help="every claim of both papers with its computed verdict")
    ledger.add_argument("--paper", choices=claims.PAPERS)
    ledger.add_argument("--verdict", choices=[v.replace(" ", "-") for v in claims.VERDICTS])
    ledger.add_argument("--json", action="store_true", help="print a JSON list, one object per claim")
    ledger.set_defaults(run=_claims)
    return top


def main() -> int:
    """Run one command; bad input ends with its message and status 2."""
    arguments = parser().parse_args()
    try:
        print(arguments.run(arguments), flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, FileNotFoundError) as error:
        print(f"python -m fairlib {arguments.command}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
