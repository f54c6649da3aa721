"""`python -m fairlib`: the book's tools for the terminal."""

import argparse
import os
import sys

from fairlib import audit, claims


def _claims(arguments: argparse.Namespace) -> tuple[str, int]:
    verdict = arguments.verdict and arguments.verdict.replace("-", " ")
    frame = claims.ledger(arguments.paper, verdict, arguments.chapter)
    return (claims.as_json(frame) if arguments.json else claims.as_text(frame)), 0


def parser() -> argparse.ArgumentParser:
    """The command line; each command's function takes the arguments and returns what to print, and the exit status."""
    top = argparse.ArgumentParser(prog="python -m fairlib", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    ledger = commands.add_parser("claims", help="every claim of both papers with its computed verdict")
    ledger.add_argument("--paper", choices=claims.PAPERS, type=str.lower)
    verdicts = [v.replace(" ", "-") for v in claims.VERDICTS]
    ledger.add_argument("--verdict", choices=verdicts, type=lambda v: v.lower().replace(" ", "-"))
    ledger.add_argument("--chapter", choices=claims.CHAPTERS, type=str.lower, help="the page that settles the claims")
    ledger.add_argument("--json", action="store_true", help="print a JSON list, one object per claim")
    ledger.set_defaults(run=_claims)
    tool = commands.add_parser("audit", help="is a model as accurate on images from poor countries as from rich ones?")
    audit.add_arguments(tool)
    tool.set_defaults(run=audit.run)
    return top


def main() -> int:
    """Run one command; bad input and a file that cannot be had end with their message and status 2, an interruption
    with 130."""
    arguments, status = parser().parse_args(), 0
    sys.stdout.reconfigure(errors="replace")  # not every terminal has a minus sign
    try:
        text, status = arguments.run(arguments)
        print(text, flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"python -m fairlib {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\npython -m fairlib {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
